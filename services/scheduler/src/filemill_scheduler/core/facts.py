"""What a stored decision made true, for those who count: told by what stood before and what stands now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from filemill_common.events import (
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskEvent,
    TaskFailed,
    TaskQueued,
    TaskSkipped,
    TaskStatus,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowEvent,
    WorkflowFailed,
)
from filemill_scheduler.core.state import Run, Task
from filemill_scheduler.core.view import Decision


@dataclass(frozen=True, slots=True)
class Accepted:
    """Work that somebody asked for is stored: a task of its own, or a run that is no part of another."""

    kind: Literal["task", "workflow"]


@dataclass(frozen=True, slots=True)
class Created:
    """A task is stored, a step's too."""

    type: str


@dataclass(frozen=True, slots=True)
class Queued:
    """A task was offered to the workers."""

    type: str


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took an attempt, so many seconds after it was ready."""

    type: str
    seconds: float
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptClosed:
    """An attempt ended.

    Attributes:
        outcome: ``succeeded``, ``failed``, ``lost`` with its worker, ``released`` or ``cancelled``.
        code: Why it failed; empty where it did not.
        again: Whether another attempt follows because it failed.
    """

    type: str
    outcome: str
    code: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task is final.

    Attributes:
        code: Why it failed; empty where it did not.
        seconds: From the start to the end of the execution that counts, if there was one.
    """

    type: str
    outcome: Literal["completed", "failed", "cancelled", "skipped"]
    code: str = ""
    seconds: float = 0.0
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is final; ``root`` says whether somebody asked for it, rather than another run."""

    outcome: Literal["completed", "failed", "cancelled"]
    root: bool


Fact = Accepted | Created | Queued | Started | AttemptClosed | TaskEnded | RunEnded


def facts(before: Mapping[str, Task | None], decision: Decision) -> Iterator[Fact]:
    """Tell what a decision made true that was not before; steps that are no work for a worker say nothing.

    Args:
        before: The tasks that it changed, as they were read.
        decision: As it is stored now. One that changes nothing, because all of it was known, tells nothing.
    """
    for task in decision.tasks:
        if task.kind == "task" and task.status is not None:
            yield from _of_task(before.get(task.id), task)
    for run in decision.runs:
        yield from _of_run(run)
    yield from _of_events(decision.owed)


def _of_task(old: Task | None, new: Task) -> Iterator[Fact]:
    # What others depend on is there before it is created, as a stub.
    if old is None or old.status is None:
        yield Created(new.type)
        if new.workflow_id is None:
            yield Accepted("task")
        return
    if (
        old.status is TaskStatus.READY
        and old.ready_at
        and new.started_at
        and new.ran >= old.attempt > old.ran
    ):
        waited = (new.started_at - old.ready_at) / timedelta(seconds=1)
        yield Started(new.type, max(0.0, waited), new.traceparent)
    known = {each.number for each in old.attempts}
    fresh = [each for each in new.attempts if each.number not in known]
    for each in fresh:
        if each.outcome == "completed":
            continue  # noted late, when the task is run again
        failed = each.outcome == "failed"
        gave_up = new.status is TaskStatus.FAILED and each is fresh[-1]
        code = each.error.code if each.error and failed else ""
        yield AttemptClosed(new.type, each.outcome, code, again=failed and not gave_up)


def _of_run(run: Run) -> Iterator[Fact]:
    if run.version == 0 and run.status is not None and run.parent_task_id is None:
        yield Accepted("workflow")


def _of_events(owed: Iterable[Event]) -> Iterator[Fact]:
    for event in owed:
        match event:
            case WorkflowCompleted():
                yield _run_ended(event, "completed")
            case WorkflowFailed():
                yield _run_ended(event, "failed")
            case WorkflowCancelled():
                yield _run_ended(event, "cancelled")
            case TaskEvent() if event.task.kind == "task":
                yield from _of_task_event(event)
            case _:
                pass


def _of_task_event(event: TaskEvent) -> Iterator[Fact]:
    task = event.task
    match event:
        case TaskQueued():
            yield Queued(task.type)
        case TaskCompleted():
            yield AttemptClosed(task.type, "succeeded")
            yield TaskEnded(
                task.type, "completed", seconds=task.duration or 0.0, traceparent=event.traceparent
            )
        case TaskFailed():
            yield TaskEnded(task.type, "failed", task.error.code if task.error else "")
        case TaskCancelled():
            yield TaskEnded(task.type, "cancelled")
        case TaskSkipped():
            yield TaskEnded(task.type, "skipped")
        case _:
            pass


def _run_ended(event: WorkflowEvent, outcome: Literal["completed", "failed", "cancelled"]) -> RunEnded:
    return RunEnded(outcome, root=event.workflow.parent_task_id is None)
