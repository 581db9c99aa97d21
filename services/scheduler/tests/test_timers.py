"""The loops that look for what is due, and how they end."""

import asyncio
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from filemill_common.events import Check, Event
from filemill_common.messaging.topology import Topology
from filemill_common.store import StoreUnavailableError
from filemill_scheduler.metrics import Metrics
from filemill_scheduler.repository import Due, Lock, Repository
from filemill_scheduler.timers import Timers


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


class TestTimers:
    async def test_end_as_asked_though_the_store_is_away(self) -> None:
        lock = LockOfAStoreThatGoesAway()
        timers = Timers(
            cast("Due", NothingDue()),
            cast("Lock", lock),
            cast("Repository", NothingOwed()),
            bus=NobodyThere(),  # type: ignore[arg-type]
            topology=Topology(),
            metrics=Metrics(CollectorRegistry()),
        )
        running = asyncio.create_task(timers.run(timers_every=0.01, sweeps_every=60))
        await lock.asked.wait()
        await asyncio.sleep(0.01)

        running.cancel()

        with pytest.raises(asyncio.CancelledError):
            await running
