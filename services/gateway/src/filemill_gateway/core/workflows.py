"""Workflows at the door: from a request to `WorkflowCreated`, and what a run looks like to a client."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from filemill_common.events import (
    Failure,
    JsonObject,
    Moment,
    TaskStatus,
    TaskView,
    Value,
    WorkflowCreated,
    WorkflowStatus,
    WorkflowView,
)
from filemill_common.ids import step_task_id
from filemill_common.language import Definition, InvalidDefinitionError, Problem, check_input, load
from filemill_common.language.expressions import has_expression
from filemill_common.language.flat import is_flat
from filemill_common.language.problems import Speller
from filemill_common.storage.paths import InvalidPathError
from filemill_common.task_types import TASK_TYPES, option_models
from filemill_gateway.core.invalid import InvalidRequestError, problem
from filemill_gateway.core.paths import user_path

_WRAPPER: Final = ("definition", "input")


class StepShape(Value):
    """A step as a client sees it.

    Attributes:
        id: What the definition calls it.
        order: The number that the original's flat shape calls it by.
        type: Kind of step, such as ``task``; what the task does stands in the task.
        reason: Why it was skipped; null in every other status.
        parent: The step it lies in; null at the top.
        attempt: Number of the last attempt known to have run, 0 before the first.
        progress: 0 to 100.
    """

    id: str
    name: str | None = None
    order: int | None = None
    type: str = "task"
    status: TaskStatus
    reason: str | None = None
    parent: str | None = None
    attempt: int = 0
    task_id: str
    output: JsonObject | None = None
    error: Failure | None = None
    progress: float = 0
    started_at: Moment | None = None
    completed_at: Moment | None = None


class WorkflowShape(Value):
    """A run as a client sees it, with its steps in the order of the definition.

    Attributes:
        progress: 0 to 100, the mean of the steps; a skipped one counts as 100.
        duration: Seconds from ``started_at`` to ``completed_at``.
    """

    id: str
    name: str
    description: str = ""
    user_id: str | None = None
    status: WorkflowStatus
    progress: float = 0
    input: JsonObject = Field(default_factory=dict)
    error: Failure | None = None
    created_at: Moment
    updated_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None
    duration: float | None = None
    steps: tuple[StepShape, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A workflow that may be created."""

    definition: Definition
    input: JsonObject


def read_workflow(body: object) -> Asked:
    """Check a request for a workflow: ``{definition, input}``, or a definition on its own.

    Raises:
        InvalidRequestError: With all that is wrong with the definition, or else with the input.
    """
    if not isinstance(body, dict):
        message = f"a workflow is an object, not {type(body).__name__}"
        raise InvalidRequestError([problem("wrong_type", message)])
    if "template" in body:
        message = "there are no templates yet; send the whole definition as 'definition'"
        raise InvalidRequestError([problem("templates_not_supported", message, "template")])
    if "definition" not in body:
        return Asked(definition=_load(body, at=""), input={})
    unknown = [
        problem("unknown_field", f"no field {name[:80]!r} here", name, suggestion=_hint(name))
        for name in body
        if name not in _WRAPPER
    ]
    if unknown:
        raise InvalidRequestError(unknown)
    definition = _load(body["definition"], at="/definition")
    given = body.get("input")
    found = check_input(definition, {} if given is None else given)
    if not found and not isinstance(given, dict | None):
        found = (problem("wrong_type", "the input is an object", "input"),)
    if found:
        raise InvalidRequestError(found, code="invalid_input")
    return Asked(definition=definition, input=given or {})


def workflow_shape(view: WorkflowView, given: JsonObject, steps: Sequence[StepShape]) -> WorkflowShape:
    """Show a run with its steps."""
    fields = {name: getattr(view, name) for name in WorkflowShape.model_fields if hasattr(view, name)}
    return WorkflowShape(**fields, input=given, progress=mean_progress(steps), steps=tuple(steps))


def step_shape(task: TaskView, *, order: int | None) -> StepShape:
    """Show the task of a step as that step."""
    fields = {name: getattr(task, name) for name in StepShape.model_fields if hasattr(task, name)}
    return StepShape(
        **{**fields, "id": task.step_id or task.id, "type": "task"}, task_id=task.id, order=order
    )


def mean_progress(steps: Sequence[StepShape]) -> float:
    """Say how far a run is by how far its steps are, in percent with two decimals."""
    if not steps:
        return 0.0
    total = sum(100.0 if step.status is TaskStatus.SKIPPED else step.progress for step in steps)
    return round(total / len(steps), 2)


def pending_view(event: WorkflowCreated, *, started: bool = False) -> WorkflowView:
    """Show a run that is asked for, without its steps."""
    return WorkflowView(
        id=event.workflow_id,
        tenant=event.tenant,
        name=event.definition["name"],
        description=event.definition.get("description") or "",
        user_id=event.user_id,
        status=WorkflowStatus.RUNNING if started else WorkflowStatus.PENDING,
        created_at=event.time,
        updated_at=event.time,
    )


def pending_workflow(event: WorkflowCreated, definition: Definition) -> WorkflowShape:
    """Show a run that is asked for and not stored yet."""
    steps = tuple(
        StepShape(
            id=step.id,
            name=step.name,
            order=step.order,
            status=TaskStatus.PENDING,
            task_id=step_task_id(event.workflow_id, step.id),
        )
        for step in definition.steps
    )
    return workflow_shape(pending_view(event), event.input, steps)


def _load(document: object, *, at: str) -> Definition:
    try:
        definition = load(document, task_types=option_models())
    except InvalidDefinitionError as error:
        found = [each.model_copy(update={"pointer": at + each.pointer}) for each in error.problems]
        raise InvalidRequestError(found, code=error.code) from error
    inside = "config" if isinstance(document, dict) and is_flat(document) else "with"
    wrong = [
        each.model_copy(update={"pointer": at + each.pointer}) for each in _file_problems(definition, inside)
    ]
    if wrong:
        raise InvalidRequestError(wrong, code="invalid_definition")
    return definition


def _file_problems(definition: Definition, inside: str) -> Iterator[Problem]:
    """Say which steps lack their input, and which paths can be none, as far as they stand there plainly."""
    for index, step in enumerate(definition.steps):
        task_type = TASK_TYPES.get(step.task)
        if task_type is not None and task_type.needs_input and not step.with_.get("input_file"):
            message = f"{step.task} works on a file, and 'input_file' is missing"
            yield problem("missing_field", message, "steps", index, inside, "input_file")
        for name in ("input_file", "output_file"):
            path = step.with_.get(name)
            if isinstance(path, str) and path and not has_expression(path):
                try:
                    user_path(path)
                except InvalidPathError as error:
                    yield problem(error.code, str(error), "steps", index, inside, name)


def _hint(name: str) -> str | None:
    return Speller().suggestion(name, _WRAPPER)
