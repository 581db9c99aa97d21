import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from filemill_common.errors import FilemillError
from filemill_common.events import TaskReady
from filemill_common.health import Health
from filemill_common.messaging import Bus, Slot, Taken

QUEUE = "worker.default"


def ready(task: str) -> TaskReady:
    return TaskReady(task_id=task, attempt=1, task_type="echo", options={}, partition_key=task)


class AwayError(FilemillError):
    code = "away"
    retryable = True


@dataclass
class Work:
    """A handler in the test's hand."""

    taken: list[Taken] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    errors: list[Exception] = field(default_factory=list)
    is_long: bool = False

    async def __call__(self, taken: Taken) -> None:
        self.taken.append(taken)
        if self.is_long:
            await taken.detach()
        await self.may_end.wait()
        if self.errors:
            raise self.errors.pop()

    @property
    def subjects(self) -> list[str]:
        return [taken.event.subject for taken in self.taken]


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def slot(bus: Bus, work: Work) -> AsyncIterator[Slot]:
    slot = bus.slot(QUEUE, work)
    await slot.start()
    yield slot
    work.may_end.set()
    await slot.stop()


async def settled(bus: Bus, count: int) -> None:
    """Wait until so many messages are ready for others, and stay so."""
    async with asyncio.timeout(5):
        while await bus.waiting(QUEUE) != count:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert await bus.waiting(QUEUE) == count


class TestASlot:
    async def test_takes_one_and_the_next_when_that_is_done(
        self, bus: Bus, slot: Slot, work: Work, until: Any
    ) -> None:
        await bus.publish([ready("1"), ready("2"), ready("3")])
        await until(lambda: work.subjects == ["1"])
        await settled(bus, 2)

        work.may_end.set()
        await until(lambda: work.subjects == ["1", "2", "3"])
        await settled(bus, 0)

    async def test_gives_back_what_it_held_when_its_line_is_lost(
        self, wired: Bus, wire: Any, work: Work, until: Any
    ) -> None:
        slot = wired.slot(QUEUE, work)
        await slot.start()
        await wired.publish([ready("1")])
        await until(lambda: work.subjects == ["1"])
        await wire.cut()
        work.may_end.set()

        await until(lambda: work.subjects == ["1", "1"])
        assert [taken.redelivered for taken in work.taken] == [False, True]
        await slot.stop()

    async def test_that_stops_finishes_what_it_holds_and_takes_nothing_more(
        self, bus: Bus, slot: Slot, work: Work, until: Any
    ) -> None:
        await bus.publish([ready("1"), ready("2")])
        await until(lambda: work.subjects == ["1"])
        stopping = asyncio.create_task(slot.stop())
        await asyncio.sleep(0.05)
        work.may_end.set()
        await stopping

        assert work.subjects == ["1"]
        await settled(bus, 1)


class TestALongTask:
    async def test_is_acknowledged_early_and_keeps_its_slot(
        self, bus: Bus, slot: Slot, work: Work, until: Any, eyes: Any
    ) -> None:
        work.is_long = True
        await bus.publish([ready("1")])
        await until(lambda: work.subjects == ["1"])
        await bus.publish([ready("2")])
        await settled(bus, 1)
        found = await eyes.channel.declare_queue(QUEUE, passive=True)
        assert found.declaration_result.consumer_count == 0

        work.may_end.set()
        await until(lambda: work.subjects == ["1", "2"])

    async def test_outlives_its_line(self, wired: Bus, wire: Any, work: Work, until: Any) -> None:
        work.is_long = True
        slot = wired.slot(QUEUE, work)
        await slot.start()
        await wired.publish([ready("1")])
        await until(lambda: bool(work.taken) and work.taken[0].is_acknowledged)
        await asyncio.sleep(0.05)
        await wire.cut()
        work.may_end.set()

        await until(lambda: slot._is_busy is False)
        assert work.subjects == ["1"]
        await slot.stop()


class TestPausing:
    async def test_leaves_the_queue_to_others(self, bus: Bus, slot: Slot, work: Work, until: Any) -> None:
        await slot.pause()
        await bus.publish([ready("1")])
        await settled(bus, 1)

        await slot.resume()
        await until(lambda: work.subjects == ["1"])

    async def test_holds_even_while_the_slot_begins_to_consume(
        self, bus: Bus, work: Work, until: Any, health: Health
    ) -> None:
        slots = [bus.slot(QUEUE, work) for _ in range(8)]
        for delay, slot in enumerate(slots):
            await slot.start()
            await asyncio.sleep(delay / 1000)
        await asyncio.gather(*(slot.pause() for slot in slots))
        await asyncio.sleep(0.3)
        await bus.publish([ready("1")])

        await settled(bus, 1)
        await asyncio.gather(*(slot.stop() for slot in slots))


class TestWorkThatFails:
    async def test_for_good_is_parked(self, bus: Bus, slot: Slot, work: Work, eyes: Any) -> None:
        work.errors = [ValueError("no such thing")]
        work.may_end.set()
        await bus.publish([ready("1")])

        parked = await eyes.next("parking-lot")
        assert parked.headers["x-filemill-reason"] == "ValueError: no such thing"
        await settled(bus, 0)

    async def test_for_now_comes_again(self, bus: Bus, slot: Slot, work: Work, until: Any) -> None:
        work.errors = [AwayError("the broker is away")]
        work.may_end.set()
        await bus.publish([ready("1")])

        await until(lambda: work.subjects == ["1", "1"])
        assert work.taken[1].redelivered
        await settled(bus, 0)
        assert await bus.waiting("parking-lot") == 0

    async def test_because_it_cannot_be_read_is_parked(
        self, bus: Bus, slot: Slot, work: Work, eyes: Any, until: Any
    ) -> None:
        await eyes.put(QUEUE, b"rubbish")
        await bus.publish([ready("1")])

        parked = await eyes.next("parking-lot")
        assert (parked.body, parked.headers["x-filemill-code"]) == (b"rubbish", "undecodable")
        await until(lambda: work.subjects == ["1"])
