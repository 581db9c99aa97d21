"""Workflows at the door: from a request to `WorkflowCreated`, and what a run looks like to a client."""

from collections.abc import Sequence
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
from filemill_common.language import Definition, check_input, nodes
from filemill_common.language.problems import Speller
from filemill_gateway.core.definitions import read_definition
from filemill_gateway.core.invalid import InvalidRequestError, problem

_WRAPPER: Final = ("definition", "template", "input")


class StepShape(Value):
    """A step as a client sees it.

    Attributes:
        id: What the definition calls it.
        order: The number that the original's flat shape calls it by.
        type: Kind of step, such as ``task``; what the task does stands in the task.
        reason: Why it was skipped; null in every other status.
        parent: The ``parallel`` that it lies in; null at the top.
        child: The run that a ``subworkflow`` step started.
        message: What it says of itself, such as what it waits for.
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
    child: str | None = None
    message: str | None = None
    attempt: int = 0
    task_id: str
    output: JsonObject | None = None
    error: Failure | None = None
    progress: float = 0
    started_at: Moment | None = None
    completed_at: Moment | None = None


class WorkflowShape(Value):
    """A run as a client sees it, with its steps in the order of the definition.

    What lies in a ``parallel`` stands after it; the items of a ``map`` are no steps, its output has them.

    Attributes:
        parent_task_id: The ``subworkflow`` step that started it; null if somebody asked for it.
        progress: 0 to 100, the mean of the steps; a skipped one counts as 100.
        duration: Seconds from ``started_at`` to ``completed_at``.
    """

    id: str
    name: str
    description: str = ""
    user_id: str | None = None
    parent_task_id: str | None = None
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
class Request:
    """What a request for a workflow says.

    Attributes:
        definition: None if a template is named instead.
        template: ``name@version``, or ``name`` for the newest.
        input: As given; None if it is left out.
        at: Pointer to the definition in the request, or to the name of the template.
        wants_check: Whether the input is checked: not where a definition comes alone.
    """

    definition: Definition | None
    template: str | None
    input: object
    at: str
    wants_check: bool = True


def read_request(body: object) -> Request:
    """Read ``{definition, input}``, ``{template, input}``, or a definition on its own.

    Raises:
        InvalidRequestError: With all that is wrong with it.
    """
    if not isinstance(body, dict):
        message = f"a workflow is an object, not {type(body).__name__}"
        raise InvalidRequestError([problem("wrong_type", message)])
    if "definition" not in body and "template" not in body:
        return Request(read_definition(body), None, None, "", wants_check=False)
    found = [
        problem("unknown_field", f"no field {name[:80]!r} here", name, suggestion=_hint(name))
        for name in body
        if name not in _WRAPPER
    ]
    template = body.get("template")
    if "definition" in body and "template" in body:
        message = "say either 'definition' or 'template'"
        found.append(problem("invalid_value", message, "template"))
    elif "template" in body and not isinstance(template, str):
        message = f"a template is named as 'name' or 'name@version', not by {type(template).__name__}"
        found.append(problem("wrong_type", message, "template"))
    if found:
        raise InvalidRequestError(found)
    if template is not None:
        return Request(None, template, body.get("input"), "/template")
    at = "/definition"
    return Request(read_definition(body["definition"], at=at), None, body.get("input"), at)


def read_input(definition: Definition, given: object) -> JsonObject:
    """Check the input of a run; null is an empty one.

    Raises:
        InvalidRequestError: With all that is wrong with it (``invalid_input``).
    """
    value = {} if given is None else given
    found = check_input(definition, value)
    if not found and not isinstance(value, dict):
        found = (problem("wrong_type", "the input is an object", "input"),)
    if found or not isinstance(value, dict):
        raise InvalidRequestError(found, code="invalid_input")
    return value


def workflow_shape(view: WorkflowView, given: JsonObject, steps: Sequence[StepShape]) -> WorkflowShape:
    """Show a run with its steps."""
    fields = {name: getattr(view, name) for name in WorkflowShape.model_fields if hasattr(view, name)}
    return WorkflowShape(**fields, input=given, progress=mean_progress(steps), steps=tuple(steps))


def step_shape(task: TaskView, *, order: int | None) -> StepShape:
    """Show the task of a step as that step."""
    fields = {name: getattr(task, name) for name in StepShape.model_fields if hasattr(task, name)}
    return StepShape(
        **{**fields, "id": task.step_id or task.id, "type": task.kind}, task_id=task.id, order=order
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
            id=node.step.id,
            name=node.step.name,
            order=node.step.order,
            type=node.step.type,
            parent=node.parent,
            status=TaskStatus.PENDING,
            task_id=step_task_id(event.workflow_id, node.step.id),
        )
        for node in nodes(definition)
    )
    return workflow_shape(pending_view(event), event.input, steps)


def _hint(name: str) -> str | None:
    return Speller().suggestion(name, _WRAPPER)
