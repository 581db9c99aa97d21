"""Taking attempts: short ones, long ones, those that run alone, those that are revoked or given back."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Protocol

import structlog

from filemill_common.cancelling import cancel
from filemill_common.clock import utc_now
from filemill_common.errors import FilemillError
from filemill_common.events import (
    AttemptEvent,
    AttemptFailed,
    AttemptRevoked,
    AttemptSucceeded,
    Event,
    TaskReady,
)
from filemill_common.ids import new_id
from filemill_common.telemetry import current_traceparent
from filemill_worker.core.attempts import Take, is_kept, turns
from filemill_worker.execution import Executor
from filemill_worker.leases import Lease
from filemill_worker.metrics import Metrics
from filemill_worker.reports import Publisher, Reports

_log = structlog.get_logger(__name__)


class Taken(Protocol):
    """A delivery in hand; it is acknowledged when its handler returns, or before, when detached."""

    @property
    def event(self) -> Event:
        """What was delivered."""
        ...

    @property
    def redelivered(self) -> bool:
        """Whether it may have been delivered before."""
        ...

    async def detach(self) -> None:
        """Cancel the slot's consumer, then acknowledge."""
        ...


class Slot(Protocol):
    """Takes one delivery at a time."""

    async def pause(self) -> None:
        """Take nothing more; what is in hand goes on."""
        ...

    async def resume(self) -> None:
        """Take again."""
        ...


class UnexpectedEventError(FilemillError):
    """Somebody put an event into a worker's queue that is no work."""

    code = "unexpected_event"


class Outcome(StrEnum):
    """How an attempt in hand ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RELEASED = "released"
    REVOKED = "revoked"


class _Running:
    """An attempt in hand.

    Attributes:
        is_told: Whether the scheduler knows that it runs: it is long.
        outcome: How it ended, or will as soon as the processing is gone.
    """

    def __init__(self, take: Take, publisher: Publisher) -> None:
        self.take = take
        self.lease = Lease(take, publisher)
        self.is_told = False
        self.outcome: Outcome | None = None
        self.turn = asyncio.Event()
        self.work: asyncio.Task[AttemptSucceeded | AttemptFailed] | None = None

    def end(self, outcome: Outcome) -> None:
        """Stop the processing; a revocation outdoes a release.

        It is cancelled once: a second time would disturb it while it waits for its programs to be gone.
        """
        if self.work is not None and self.outcome is None:
            self.work.cancel()
        if self.outcome is not Outcome.REVOKED:
            self.outcome = outcome

    def report(self) -> AttemptEvent | None:
        """Say what the scheduler shall be told, once the processing has ended."""
        if self.work is None or self.outcome is Outcome.REVOKED:
            return None
        if self.work.cancelled():
            return self.take.released(utc_now())
        result = self.work.result()
        self.outcome = Outcome.FAILED if isinstance(result, AttemptFailed) else Outcome.SUCCEEDED
        return result


class Worker:
    """Takes what is ready and reports what became of it.

    A crash anywhere loses nothing: a short attempt is not acknowledged before its result is confirmed, so
    it comes again; a long one was confirmed as started before it was acknowledged, so its lease lapses.

    Args:
        worker: Id of this process.
        executor: Does the work.
        publisher: For leases.
        reports: For all that must arrive.
        metrics: What is counted.
        long_after: Seconds after which an attempt is long: it is reported as started, and its message is
            held no longer.
    """

    def __init__(
        self,
        worker: str,
        *,
        executor: Executor,
        publisher: Publisher,
        reports: Reports,
        metrics: Metrics,
        long_after: float = 1.0,
    ) -> None:
        self._worker = worker
        self._executor = executor
        self._publisher = publisher
        self._reports = reports
        self._metrics = metrics
        self._long_after = long_after
        self._slots: Sequence[Slot] = ()
        self._are_slots_paused = False
        self._pausing = asyncio.Lock()
        self._running: dict[str, _Running] = {}
        self._alone = 0
        self._is_stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    def holds(self, slots: Sequence[Slot]) -> None:
        """Say which slots pause while an attempt runs alone, and at the end."""
        self._slots = slots

    async def on_ready(self, taken: Taken) -> None:
        """Carry out an attempt and see its end confirmed, unless it is revoked meanwhile.

        Raises:
            UnexpectedEventError: It is no attempt.
        """
        ready = taken.event
        if not isinstance(ready, TaskReady):
            raise UnexpectedEventError(f"{type(ready).__name__} is no work for a worker")
        if parent := current_traceparent():
            ready = ready.model_copy(update={"traceparent": parent})
        clock = asyncio.get_running_loop().time
        take = Take(ready, new_id(), self._worker, utc_now(), clock(), taken.redelivered)
        if not is_kept(take, (running.take for running in self._running.values())):
            await self._reports.tell(take.released(utc_now()))
            return
        running = self._running[take.execution] = _Running(take, self._publisher)
        self._alone += take.is_alone
        self._idle.clear()
        self._metrics.took(take)
        try:
            await self._see_through(taken, running)
        finally:
            del self._running[take.execution]
            if self._alone:
                self._give_turns()
            self._alone -= take.is_alone
            if not self._running:
                self._idle.set()
            self._metrics.let_go(take)
        if running.outcome is Outcome.SUCCEEDED:
            self._report(running, 100, None)
        seconds = clock() - take.since
        self._metrics.ended(take, running.outcome, seconds=seconds)
        _log.debug("attempt ended", type=ready.task_type, outcome=running.outcome, seconds=round(seconds, 3))
        if take.is_alone:
            await self._pause_or_resume()

    async def on_revoked(self, event: Event) -> None:
        """Stop what the scheduler has closed, and say nothing more about it."""
        for running in self._running.values():
            if isinstance(event, AttemptRevoked) and running.take.is_closed_by(event):
                running.end(Outcome.REVOKED)

    async def stop(self) -> None:
        """Take nothing new, let short attempts end, give long ones back; return when none is in hand."""
        self._is_stopping = True
        await self._pause_or_resume()
        for running in self._running.values():
            if running.is_told:
                running.end(Outcome.RELEASED)
        await self._idle.wait()

    async def _see_through(self, taken: Taken, running: _Running) -> None:
        """Have the work done and told; cancelling this ends the work too."""
        async with asyncio.TaskGroup() as tasks:
            work = running.work = tasks.create_task(self._work(running))
            if not running.take.is_long_at_once:
                if self._alone:
                    self._give_turns()
                else:
                    running.turn.set()
                await asyncio.wait({work}, timeout=self._long_after)
            renewing = None
            if not work.done() and not self._is_stopping:
                await self._reports.tell(running.take.started(utc_now()))
                running.is_told = True
                renewing = tasks.create_task(running.lease.renew())
                await taken.detach()
                if running.take.is_alone:
                    await self._pause_or_resume()
                self._give_turns()
            if self._is_stopping:
                running.end(Outcome.RELEASED)
            await asyncio.wait({work})
            report = running.report()
            if report is not None:
                await self._reports.tell(report)
            if renewing is not None:
                await cancel(renewing)

    async def _work(self, running: _Running) -> AttemptSucceeded | AttemptFailed:
        await running.turn.wait()
        return await self._executor.run(running.take, partial(self._report, running))

    def _report(self, running: _Running, progress: float, message: str | None) -> None:
        moved = running.lease.report(progress, message)
        self._metrics.progressed(running.take, percent=moved)

    def _give_turns(self) -> None:
        """Let begin who may."""
        in_hand = tuple(self._running.values())
        for running, may_begin in zip(in_hand, turns(each.take for each in in_hand), strict=True):
            if may_begin and (running.is_told or not running.take.is_long_at_once):
                running.turn.set()

    async def _pause_or_resume(self) -> None:
        """Take nothing while an attempt runs alone or waits for that, and when stopping."""
        async with self._pausing:
            pause = self._is_stopping or self._alone > 0
            if pause != self._are_slots_paused:
                self._are_slots_paused = pause
                await asyncio.gather(*(slot.pause() if pause else slot.resume() for slot in self._slots))
