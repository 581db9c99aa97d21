"""The loops that look for what is due, and how they end."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from filemill_common.events import Check, Event, Saw
from filemill_common.messaging.topology import Topology
from filemill_common.store import StoreUnavailableError
from filemill_scheduler.metrics import Metrics
from filemill_scheduler.repository import Due, Lock, Repository, Standing
from filemill_scheduler.testing import T0
from filemill_scheduler.timers import Bus, Timers


class NothingDue:
    async def timers(self) -> tuple[Check, ...]:
        return ()

    async def outbox(self) -> tuple[Event, ...]:
        return ()


class LockOfAStoreThatGoesAway:
    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def held(self) -> bool:
        self.asked.set()
        return True

    async def release(self) -> None:
        raise StoreUnavailableError("away")


class NothingOwed:
    def confirmed(self, entries: object) -> None:
        assert entries == []


class NobodyThere:
    async def publish(self, events: object) -> tuple[bool, ...]:
        assert events == []
        return ()


class OneReadyForLong:
    async def lapsed(self) -> tuple[Check, ...]:
        return ()

    async def untaken(self, **_: object) -> tuple[tuple[str, Check], ...]:
        return (("echo", Check(task_id="t", attempt=1, saw=Saw.UNTAKEN, at=T0, partition_key="t")),)

    async def standing(self) -> Standing:
        return Standing(now=T0, queued={}, running={}, open_runs={}, owed=0, owed_since=None)


class Queue:
    """How many wait in it at each look, and what is asked meanwhile."""

    def __init__(self, *waiting: int) -> None:
        self.asked: list[int] = []
        self._waiting = iter(waiting)

    async def waiting(self, queue: str) -> int:
        assert queue == "worker.default"
        return next(self._waiting)

    async def publish(self, events: Sequence[Event]) -> tuple[bool, ...]:
        self.asked.append(len(events))
        return tuple(True for _ in events)


class TestASweep:
    @pytest.mark.parametrize(
        ("waiting", "asked"),
        [((0, 0), [0, 1]), ((1, 0), [0, 0]), ((0, 1, 0), [0, 0, 0]), ((1, 0, 0), [0, 0, 1])],
    )
    async def test_asks_about_a_task_that_nobody_took_once_its_queue_was_empty_twice(
        self, waiting: tuple[int, ...], asked: list[int]
    ) -> None:
        queue = Queue(*waiting)
        timers = timers_of(OneReadyForLong(), queue)

        for _ in waiting:
            await timers.sweep()

        assert queue.asked[1::2] == asked  # the others are of leases


def timers_of(due: object, bus: object, lock: object = None) -> Timers:
    return Timers(
        cast("Due", due),
        cast("Lock", lock),
        cast("Repository", NothingOwed()),
        bus=cast("Bus", bus),
        topology=Topology(),
        metrics=Metrics(CollectorRegistry()),
    )


class TestTimers:
    async def test_end_as_asked_though_the_store_is_away(self) -> None:
        lock = LockOfAStoreThatGoesAway()
        timers = timers_of(NothingDue(), NobodyThere(), lock)
        running = asyncio.create_task(timers.run(timers_every=0.01, sweeps_every=60))
        await lock.asked.wait()
        await asyncio.sleep(0.01)

        running.cancel()

        with pytest.raises(asyncio.CancelledError):
            await running
