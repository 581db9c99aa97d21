"""Timers and sweeps: they look for what is due and ask the fold to look too; they decide nothing."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final, Protocol

import structlog

from filemill_common.events import Check, Event
from filemill_common.messaging import BrokerUnavailableError
from filemill_common.messaging.topology import Topology
from filemill_common.store import StoreUnavailableError
from filemill_scheduler.metrics import Metrics
from filemill_scheduler.repository import Due, Lock, Repository

_REMEMBERED: Final = 30.0
"""Seconds after which a check is sent again if what it saw still stands."""

_DECLARE_EVERY: Final = 60.0
"""Seconds."""

_UNTAKEN: Final = timedelta(seconds=60)

_SEARCH_EVERY: Final = 60.0
"""Seconds between two searches for runs that are stuck."""

_STUCK: Final = timedelta(seconds=60)
"""How long a run must have stood still; between two of its steps nothing is under way for a moment."""

_log = structlog.get_logger(__name__)


class Bus(Protocol):
    """Who sends, and who can count what waits."""

    async def publish(self, events: Sequence[Event]) -> tuple[bool, ...]:
        """Send events; tell of each whether the broker has it."""
        ...

    async def waiting(self, queue: str) -> int:
        """Count the messages of a queue that nobody has taken."""
        ...

    async def declare(self) -> None:
        """Declare all queues again."""
        ...


class Timers:
    """Two loops on the replica that holds the lock: timers are ordinary work, sweeps repair.

    Args:
        due: Looks for what is due.
        lock: Says whether this replica is the one.
        repository: Whose confirmed entries are to be forgotten when there is no batch to do it.
        bus: Sends.
        topology: Says which queue a type waits in.
        metrics: Counts what was repaired.
    """

    def __init__(
        self,
        due: Due,
        lock: Lock,
        repository: Repository,
        *,
        bus: Bus,
        topology: Topology,
        metrics: Metrics,
    ) -> None:
        self._due = due
        self._lock = lock
        self._repository = repository
        self._bus = bus
        self._topology = topology
        self._metrics = metrics
        self._sent: dict[str, float] = {}
        self._idle: frozenset[str] = frozenset()
        self._ours = False
        self._declared = time.monotonic()
        self._searched = time.monotonic()
        self._stuck = 0

    async def run(self, *, timers_every: float = 0.25, sweeps_every: float = 5.0) -> None:
        """Look for ever; with the store or the broker away there is nothing to be seen or sent.

        Args:
            timers_every: Seconds between two looks for what is due.
            sweeps_every: Seconds between two looks for what a crash left behind.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._loop(self.timers, timers_every))
                group.create_task(self._loop(self.sweep, sweeps_every))
        finally:
            if self._ours:
                self._ours = False
                with suppress(StoreUnavailableError):  # its life ends without us too
                    await self._lock.release()

    async def timers(self) -> None:
        """Ask for a look at each retry, time-out and stub that is due, and send deferred events."""
        await self._ask(await self._due.timers())
        claimed = await self._due.outbox()
        sent = await self._bus.publish([work.event for work in claimed])
        gone = [work for work, ok in zip(claimed, sent, strict=True) if ok]
        self._repository.confirmed([work.entry for work in gone])
        self._metrics.repairs.labels("outbox").inc(sum(not work.deferred for work in gone))

    async def sweep(self) -> None:
        """Ask for a look at silent workers and at tasks that nobody took; measure the queues."""
        self._metrics.repairs.labels("lease").inc(await self._ask(await self._due.lapsed()))
        self._metrics.repairs.labels("untaken").inc(await self._ask(await self._untaken()))
        await self._search()
        self._metrics.measure(await self._due.standing(), stuck=self._stuck)
        await self._declare_now_and_then()

    async def _untaken(self) -> list[Check]:
        """Look for tasks that are ready for long while nothing waits in their queue, now and a look ago.

        Whoever takes the last task of a backlog leaves the queue empty, and says only after a second that the
        task runs. By the next look it has.
        """
        old = await self._due.untaken(for_at_least=_UNTAKEN)
        before = self._idle
        self._idle = frozenset(
            [
                pool
                for pool in {self._topology.pool_of(kind) for kind, _ in old}
                if await self._bus.waiting(f"worker.{pool}") == 0
            ]
        )
        return [check for kind, check in old if self._topology.pool_of(kind) in before & self._idle]

    async def _search(self) -> None:
        """Search for runs that are stuck; once in a while, as it costs more than a look at what is due."""
        now = time.monotonic()
        if now - self._searched > _SEARCH_EVERY:
            self._searched = now
            self._stuck = await self._due.stuck(for_at_least=_STUCK)

    async def _declare_now_and_then(self) -> None:
        """See that the notifier's queue is there: a return does not tell while others listen too."""
        now = time.monotonic()
        if now - self._declared > _DECLARE_EVERY:
            self._declared = now
            await self._bus.declare()

    async def _ask(self, checks: Iterable[Check]) -> int:
        """Send checks that were not sent lately; tell how many."""
        now = time.monotonic()
        self._sent = {check: at for check, at in self._sent.items() if now - at < _REMEMBERED}
        fresh = [check for check in checks if check.id not in self._sent]
        sent = await self._bus.publish(fresh)
        self._sent.update({check.id: now for check, ok in zip(fresh, sent, strict=True) if ok})
        return sum(sent)

    async def _loop(self, look: "Look", every: float) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                held = await self._lock.held()
                if held:
                    await look()
                elif self._ours:
                    self._metrics.measure_no_more()  # another replica measures now
                self._ours = held
            except (StoreUnavailableError, BrokerUnavailableError) as error:
                _log.warning("looking for what is due must wait", error=str(error))


class Look(Protocol):
    """One look for what is due."""

    async def __call__(self) -> None:
        """Look."""
        ...
