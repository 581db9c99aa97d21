"""Commands at the door: what one says, and whether it can apply to a task or run as it stands."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, Strict, ValidationError

from filemill_common.events import TaskStatus, TaskView, Value, WorkflowStatus
from filemill_common.language import Definition, MapStep, check_value, nodes
from filemill_common.language.model import MAX_ITEMS, Signal, WaitItem
from filemill_common.language.problems import Speller
from filemill_gateway.core.definitions import placed
from filemill_gateway.core.invalid import InvalidRequestError, field_problem, problem
from filemill_gateway.core.workflows import WorkflowShape

TaskVerb = Literal["cancel", "retry", "delete"]
WorkflowVerb = Literal["start", "cancel", "pause", "resume", "rerun", "signal", "delete"]

_RETRYABLE = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Send:
    """The command goes to the scheduler, which decides."""


@dataclass(frozen=True, slots=True)
class Done:
    """It is as the command wants it already; nothing is sent."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The command cannot apply."""

    code: str
    message: str


Verdict = Send | Done | Conflict


def judge_task(verb: TaskVerb, task: TaskView) -> Verdict:
    """Say whether a command can apply to a task; the scheduler judges again, by what then is."""
    status = task.status
    match verb:
        case "cancel" if status is TaskStatus.CANCELLED:
            return Done()
        case "cancel" if status.is_final:
            return Conflict("already_final", f"the task is {status.value} and cannot be cancelled")
        case "retry" | "delete" if task.workflow_id is not None:
            message = f"the task is a step of workflow {task.workflow_id}; {verb} the workflow instead"
            return Conflict("step_of_workflow", message)
        case "retry" if status not in _RETRYABLE:
            message = f"the task is {status.value}; only a failed or cancelled one can be retried"
            return Conflict("not_retryable_status", message)
        case _:
            return Send()


def judge_workflow(verb: WorkflowVerb, run: WorkflowShape) -> Verdict:
    """Say whether a command can apply to a run; the scheduler judges again, by what then is.

    Pause and resume always go on: another one may be on its way, and the last one counts. A run that stands
    for a step is paused, resumed and run again with that step's run.
    """
    status = run.status
    match verb:
        case "pause" | "resume" | "rerun" if run.parent_task_id is not None:
            message = (
                f"the workflow stands for step {run.parent_task_id}; {verb} that step's workflow instead"
            )
            return Conflict("step_of_workflow", message)
        case "cancel" if status is WorkflowStatus.CANCELLED:
            return Done()
        case "start" if status in {WorkflowStatus.RUNNING, WorkflowStatus.PAUSED}:
            return Done()
        case "rerun" if not status.is_final:
            message = f"the workflow is {status.value}; only one that has ended can be rerun"
            return Conflict("command_not_applicable", message)
        case "start" | "cancel" | "pause" | "resume" | "signal" if status.is_final:
            message = f"the workflow is {status.value} and cannot be {_PARTICIPLES[verb]}"
            return Conflict("already_final", message)
        case _:
            return Send()


_PARTICIPLES: Final = {
    "start": "started",
    "cancel": "cancelled",
    "pause": "paused",
    "resume": "resumed",
    "signal": "signalled",
}


class RerunRequest(Value):
    """What is run again: all that failed, if nothing is said; one step; or one item of a map.

    What depends on it is run again too, and so is ``finally``; all else keeps its results.

    Attributes:
        step: Id of a step.
        index: Which item of the map ``step``, from 0.
    """

    model_config = ConfigDict(extra="forbid")

    step: Annotated[str, Field(max_length=64)] | None = None
    index: Annotated[int, Strict(), Field(ge=0, lt=MAX_ITEMS)] | None = None


def read_rerun(body: object) -> RerunRequest:
    """Read what shall be run again; a field that is null counts as not given.

    Raises:
        InvalidRequestError: With all that is wrong with it.
    """
    if not isinstance(body, dict):
        message = f"what to rerun is an object, not {type(body).__name__}"
        raise InvalidRequestError([problem("wrong_type", message)])
    try:
        asked = RerunRequest.model_validate(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise InvalidRequestError(field_problem(each, RerunRequest) for each in details) from error
    if asked.index is not None and asked.step is None:
        message = "'index' counts the items of a map: name it as 'step'"
        raise InvalidRequestError([problem("missing_field", message, "step")])
    return asked


def check_rerun(asked: RerunRequest, definition: Definition) -> None:
    """Check that a run has what shall be run again.

    Raises:
        InvalidRequestError: It has no such step (``unknown_step``), or the step is no map.
    """
    steps = {node.step.id: node.step for node in nodes(definition)}
    if asked.step is None:
        return
    if asked.step not in steps:
        hint = Speller().suggestion(asked.step, steps.keys())
        message = f"the workflow has no step {asked.step!r}"
        raise InvalidRequestError([problem("unknown_step", message, "step", suggestion=hint)])
    if asked.index is not None and not isinstance(steps[asked.step], MapStep):
        message = f"step {asked.step!r} is no map, and has no items"
        raise InvalidRequestError([problem("invalid_value", message, "index")])


def check_signal(name: str, payload: object, definition: Definition) -> str | None:
    """Check that a run can wait for a signal, and that what comes with it is what a wait for it asks for.

    Returns:
        Why nobody waits for it, with the names that there are; None if somebody does.

    Raises:
        InvalidRequestError: What comes with it fits none of the waits for it; the first is told of.
    """
    signals: dict[str, list[Signal]] = {}
    for _, node in placed(definition):
        if isinstance(node, WaitItem) and node.signal is not None:
            signals.setdefault(node.signal.name, []).append(node.signal)
    if name not in signals:
        known = f"it waits for {', '.join(map(repr, sorted(signals)))}" if signals else "it waits for none"
        return f"the workflow has no wait for the signal {name[:80]!r}; {known}"
    found = [check_value(signal.schema_, payload) for signal in signals[name]]
    if all(found):
        raise InvalidRequestError(found[0], code="invalid_input")
    return None
