"""Commands at the door: whether one can apply to a task or run as it stands."""

from dataclasses import dataclass
from typing import Literal

from filemill_common.events import TaskStatus, TaskView, WorkflowStatus

TaskVerb = Literal["cancel", "retry", "delete"]
WorkflowVerb = Literal["start", "cancel", "delete"]

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


def judge_workflow(verb: WorkflowVerb, status: WorkflowStatus) -> Verdict:
    """Say whether a command can apply to a run; the scheduler judges again, by what then is."""
    match verb:
        case "cancel" if status is WorkflowStatus.CANCELLED:
            return Done()
        case "start" if status in {WorkflowStatus.RUNNING, WorkflowStatus.PAUSED}:
            return Done()
        case "start" | "cancel" if status.is_final:
            wanted = {"start": "started", "cancel": "cancelled"}[verb]
            return Conflict("already_final", f"the workflow is {status.value} and cannot be {wanted}")
        case _:
            return Send()
