"""What a worker reports about one execution of one attempt; what it means the scheduler alone decides."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from filemill_common.events.base import Event, Moment
from filemill_common.events.values import JsonObject, StoredFile


class AttemptEvent(Event):
    """A worker's report. Worker -> scheduler.

    Attributes:
        attempt: Which try it is about.
        execution: Which taking of that try; an attempt may be executed twice, and only one result counts.
        worker: Id of the reporting worker process.
    """

    task_id: str
    attempt: Annotated[int, Field(ge=1)]
    execution: str
    worker: str

    @property
    def subject(self) -> str:
        """The task."""
        return self.task_id

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """One report of a kind for each execution."""
        return (self.attempt, self.execution)


class AttemptStarted(AttemptEvent):
    """A worker runs the attempt and will report that it lives; its lease begins."""

    type: ClassVar[str] = "io.filemill.attempt.started.v1"

    started_at: Moment


class AttemptProgressed(AttemptEvent):
    """A worker lives and came this far; it renews the lease.

    Attributes:
        sequence: Counts the reports of this execution, from 1.
        progress: 0 to 100.
        checkpoint: What a later attempt could go on from.
    """

    type: ClassVar[str] = "io.filemill.attempt.progressed.v1"
    transient: ClassVar[bool] = True

    sequence: int
    progress: Annotated[float, Field(ge=0, le=100)]
    message: str | None = None
    checkpoint: JsonObject | None = None

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """Each report is a fact of its own."""
        return (self.attempt, self.execution, self.sequence)


class AttemptSucceeded(AttemptEvent):
    """A worker has the result; its file lies under an immutable name.

    Attributes:
        output: Inline fields of the result, at most 64 KB as JSON.
        file: What was written; the path that a user asked for is set by the scheduler.
        started_at: When this execution began, by its worker's clock.
    """

    type: ClassVar[str] = "io.filemill.attempt.succeeded.v1"

    output: JsonObject = Field(default_factory=dict)
    file: StoredFile | None = None
    started_at: Moment
    completed_at: Moment


class AttemptFailed(AttemptEvent):
    """A worker gave up on this attempt.

    Worker -> scheduler, which alone decides whether the task gets another one.

    Attributes:
        code: Stable name of what went wrong.
        message: A sentence for people.
        retryable: Whether another attempt may succeed.
    """

    type: ClassVar[str] = "io.filemill.attempt.failed.v1"

    code: str
    message: str
    retryable: bool
    started_at: Moment
    completed_at: Moment


class AttemptReleased(AttemptEvent):
    """A worker that shuts down gives the attempt back; it is no failure."""

    type: ClassVar[str] = "io.filemill.attempt.released.v1"

    checkpoint: JsonObject | None = None


class AttemptRevoked(Event):
    """An attempt is closed; whoever still runs it must stop. Scheduler -> workers.

    Attributes:
        attempt: Every try up to and including this one is closed.
        worker: Who runs it, where known; otherwise all are told.
    """

    type: ClassVar[str] = "io.filemill.attempt.revoked.v1"
    transient: ClassVar[bool] = True

    task_id: str
    attempt: int
    execution: str | None = None
    worker: str | None = None

    @property
    def subject(self) -> str:
        """The task."""
        return self.task_id

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """One for each attempt and execution."""
        return (self.attempt, self.execution)


class Saw(StrEnum):
    """What a timer or a sweep saw when it asked for a look."""

    RETRY_DUE = "retry_due"
    OVERDUE = "overdue"
    LEASE_LAPSED = "lease_lapsed"
    UNTAKEN = "untaken"
    STUB_EXPIRED = "stub_expired"
    WAIT_OVER = "wait_over"
    SUBWORKFLOW = "subworkflow"
    CONTINUE = "continue"


class Check(Event):
    """Something may be due. Timers, sweeps, the fold -> scheduler, behind every report already queued.

    The fold acts only if what was seen still holds, so a second one does nothing.

    Attributes:
        saw: What it saw.
        at: The stored moment that had passed (due, lease, deadline, last change).
    """

    type: ClassVar[str] = "io.filemill.check.v1"

    task_id: str
    attempt: int
    saw: Saw
    at: Moment

    @property
    def subject(self) -> str:
        """The task."""
        return self.task_id

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """What was seen, and when it was due."""
        return (self.attempt, self.saw, int(self.at.timestamp() * 1000))
