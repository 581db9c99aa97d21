"""What became of an event: kept with its run, so that people can read it and a fold can be played again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from filemill_common.events import Event, JsonObject, StoredFile, TaskStatus
from filemill_scheduler.core.state import Run, Task

Change = tuple[Task | None, Task] | tuple[Run | None, Run]
"""A task or run before and after it got another status, or a task another try; None if it was not there."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a fold was told from outside the run, beside the event and the time: with it, it decides the same.

    Attributes:
        files: What paths stood for.
        taken: Ids in the place of steps that were those of other tasks.
        left: What was left to a `Check`, since no more could be read.
        lapsed: Whether a lease had lapsed; None where that was not asked.
    """

    files: Mapping[str, StoredFile | None] = field(default_factory=dict)
    taken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    lapsed: bool | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """An event that is about a run, and what became of it.

    Attributes:
        root: The run that all is part of; it keeps the history of the runs that it started too.
        run: The run that the event is about.
        step: Id of the step that the event is about, if it is about one.
        event: As it may be kept: nobody's address is in it.
        changes: In their order.
        outcome: ``ignored``, ``deferred``, ``parked`` or ``rejected: <code>``; empty if it was applied.
    """

    root: str
    tenant: str
    run: str
    step: str | None
    event: Event
    changes: tuple[Change, ...]
    outcome: str = ""
    given: Given = Given()

    def document(self) -> JsonObject:
        """Give what was decided as JSON, without the event; nothing that says nothing.

        ``made`` counts new tasks. Each of the other ``changes`` has ``from`` and ``to``, the number of the
        try that it is about and why, and names its ``run``, and its ``step`` and ``task`` if it is no run's.
        """
        changes = [_told(*change) for change in self.changes if not _is_made(*change)]
        said: JsonObject = {
            "run": self.run,
            "step": self.step,
            "made": len(self.changes) - len(changes),
            "changes": changes,
            "outcome": self.outcome,
            "given": _given(self.given),
        }
        return {name: value for name, value in said.items() if value}


def _is_made(before: Task | Run | None, after: Task | Run) -> bool:
    is_new = before is None or before.status is None
    return is_new and isinstance(after, Task) and after.status is TaskStatus.PENDING


def _told(before: Task | Run | None, after: Task | Run) -> JsonObject:
    said: JsonObject = {}
    if isinstance(after, Run):
        said["run"] = after.id
    else:
        said |= {"run": after.workflow_id, "step": after.step_id, "task": after.id}
    said["from"] = before.status.value if before and before.status else None
    said["to"] = after.status.value if after.status else None
    if isinstance(after, Task):
        number = after.attempt if after.status is TaskStatus.READY else after.ran
        if number:
            said["attempt"] = number
    if reason := _reason(after):
        said["reason"] = reason
    return said


def _reason(after: Task | Run) -> str | None:
    """Tell why something was skipped, or failed."""
    if isinstance(after, Run):
        return after.error.code if after.error else None
    if after.status is TaskStatus.RETRYING:
        return after.last_error.code if after.last_error else None
    if after.status is TaskStatus.FAILED:
        return after.error.code if after.error else None
    return after.reason


def _given(given: Given) -> JsonObject:
    said: JsonObject = {}
    if given.files:
        said["files"] = {
            path: None if file is None else file.model_dump(mode="json") for path, file in given.files.items()
        }
    if given.taken:
        said["taken"] = list(given.taken)
    if given.left:
        said["left"] = list(given.left)
    if given.lapsed is not None:
        said["lapsed"] = given.lapsed
    return said
