"""What a worker decides about the attempts that it has taken, and what it reports of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json

from filemill_common.events import (
    AttemptFailed,
    AttemptProgressed,
    AttemptReleased,
    AttemptRevoked,
    AttemptStarted,
    AttemptSucceeded,
    JsonObject,
    StoredFile,
    TaskReady,
)
from filemill_worker.errors import ProcessingError

_LARGEST_OUTPUT = 65_536
"""Bytes of JSON that a result carries inline; what is larger belongs into a file."""


@dataclass(frozen=True, slots=True)
class Take:
    """One taking of an attempt by this worker.

    Attributes:
        ready: What is to be done.
        execution: Its id, in every report.
        worker: Id of this process.
        started_at: When it was taken, by this machine's clock.
        since: The same moment in seconds of a clock that is never set.
        redelivered: Whether the message may have been taken before.
    """

    ready: TaskReady
    execution: str
    worker: str
    started_at: datetime
    since: float
    redelivered: bool = False

    @property
    def is_long_at_once(self) -> bool:
        """Whether it is reported as started before it begins: it was taken, or lost, before."""
        return self.redelivered or self.ready.losses > 0

    @property
    def is_alone(self) -> bool:
        """Whether it runs by itself: two workers were lost with it, and a third shall take nobody along."""
        return self.ready.losses >= 2

    def is_closed_by(self, revoked: AttemptRevoked) -> bool:
        """Tell whether a revocation means this taking."""
        return (
            revoked.task_id == self.ready.task_id
            and revoked.attempt >= self.ready.attempt
            and revoked.execution in {None, self.execution}
        )

    def ended_at(self, seconds: float) -> datetime:
        """Tell the time at which the second clock shows so much, whatever was done to the first."""
        return self.started_at + timedelta(seconds=seconds - self.since)

    def started(self, now: datetime) -> AttemptStarted:
        """Report that it runs, and will report that it lives."""
        return AttemptStarted(started_at=self.started_at, **self._common(now))

    def progressed(self, standing: "Standing", sequence: int, now: datetime) -> AttemptProgressed:
        """Report that it lives, and how far it is."""
        return AttemptProgressed(
            sequence=sequence, progress=standing.progress, message=standing.message, **self._common(now)
        )

    def succeeded(self, output: JsonObject, file: StoredFile | None, now: datetime) -> AttemptSucceeded:
        """Report a result."""
        return AttemptSucceeded(
            output=output, file=file, started_at=self.started_at, completed_at=now, **self._common(now)
        )

    def failed(self, code: str, message: str, now: datetime, *, retryable: bool) -> AttemptFailed:
        """Report that it failed."""
        return AttemptFailed(
            code=code,
            message=message,
            retryable=retryable,
            started_at=self.started_at,
            completed_at=now,
            **self._common(now),
        )

    def released(self, now: datetime) -> AttemptReleased:
        """Give it back."""
        return AttemptReleased(**self._common(now))

    def _common(self, now: datetime) -> dict[str, Any]:
        return {
            "task_id": self.ready.task_id,
            "attempt": self.ready.attempt,
            "execution": self.execution,
            "worker": self.worker,
            "time": now,
            "partition_key": self.ready.partition_key,
            "traceparent": self.ready.traceparent,
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an execution is.

    Attributes:
        progress: In percent, 0 to 100.
        message: A few words about it.
    """

    progress: float = 0.0
    message: str | None = None

    def further(self, progress: float, message: str | None) -> "Standing":
        """Take in what a processor says; progress never falls, whatever it says."""
        return Standing(
            progress=min(100.0, max(self.progress, progress)),
            message=self.message if message is None else message,
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a lease is renewed, in seconds after the last time.

    Attributes:
        moving: At the earliest, when there is progress to tell.
        silent: At the latest, when there is none.
    """

    moving: float
    silent: float

    @classmethod
    def of(cls, lease: float) -> "Pace":
        """Choose the pace for a lease of so many seconds, so that three renewals in a row may get lost."""
        return cls(moving=min(2.0, lease / 10), silent=min(5.0, lease / 4))


def is_kept(take: Take, in_hand: Iterable[Take]) -> bool:
    """Tell whether a taking is kept in hand: one that runs alone is not, beside another such.

    It goes back to the end of the queue. If several waited here for their turn, one after the other, nothing
    else could begin for as long as all of them take.
    """
    return not (take.is_alone and any(each.is_alone for each in in_hand))


def turns(takes: Iterable[Take]) -> Iterator[bool]:
    """Tell for each taking whether it may begin now: all side by side, but one that runs alone by itself.

    Args:
        takes: All that have not ended, oldest first; whoever came before one that waits to be alone goes
            first, whoever came later waits until it has ended.
    """
    somebody_before = somebody_alone_before = False
    for take in takes:
        yield not (somebody_before if take.is_alone else somebody_alone_before)
        somebody_before = True
        somebody_alone_before |= take.is_alone


def check_output(output: JsonObject) -> None:
    """Refuse an output that is too large to travel in an event.

    Raises:
        ProcessingError: ``output_too_large``.
    """
    size = len(to_json(output))
    if size > _LARGEST_OUTPUT:
        raise ProcessingError(
            "output_too_large",
            f"the output has {size} bytes as JSON; {_LARGEST_OUTPUT} are allowed, and a file may hold more",
        )
