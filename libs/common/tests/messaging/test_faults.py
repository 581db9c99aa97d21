"""What happens when the line is cut, or the broker dies, in the middle of everything."""

import asyncio
import os
from typing import Any

import pytest
from yarl import URL

from filemill_common.clock import utc_now
from filemill_common.events import AttemptStarted
from filemill_common.health import Health
from filemill_common.messaging import Batch, BrokerUnavailableError, Bus, Topology, link
from filemill_common.messaging.link import Connection
from filemill_local.stack import Stack

QUEUE = "scheduler.1"


def started(number: int) -> AttemptStarted:
    return AttemptStarted(
        task_id=str(number), attempt=1, execution="x", worker="w", started_at=utc_now(), partition_key="b"
    )


async def publish_all(bus: Bus, numbers: range) -> None:
    """Publish events of one partition, each until it is confirmed."""
    left = [started(number) for number in numbers]
    while left:
        some, left = left[:40], left[40:]
        confirmed = await bus.publish(some)
        left[:0] = [event for event, is_there in zip(some, confirmed, strict=True) if not is_there]
        await asyncio.sleep(0 if all(confirmed) else 0.02)


class TestACutLine:
    async def test_loses_nothing_that_was_confirmed_and_nothing_that_was_taken(
        self, wired: Bus, wire: Any, until: Any
    ) -> None:
        taken: list[str] = []

        async def take(batch: Batch) -> int:
            await asyncio.sleep(0.002)
            taken.extend(event.subject for event in batch.events)
            return len(batch.events)

        await wired.consume(QUEUE, take, limit=50)
        publishing = asyncio.create_task(publish_all(wired, range(3_000)))
        for _ in range(5):
            await asyncio.sleep(0.15)
            await wire.cut()
        async with asyncio.timeout(60):
            await publishing

        await until(lambda: set(taken) == {str(number) for number in range(3_000)})
        assert wire.connections > 3

    async def test_forgets_what_it_had_delivered_because_that_comes_again(
        self, wired: Bus, wire: Any, until: Any
    ) -> None:
        batches: list[Batch] = []
        may_go_on = asyncio.Event()

        async def first_waits(batch: Batch) -> int:
            batches.append(batch)
            if len(batches) == 1:
                await may_go_on.wait()
            return len(batch.events)

        await wired.publish([started(number) for number in range(30)])
        await wired.consume(QUEUE, first_waits, limit=10)
        await until(lambda: len(batches) == 1)
        await wire.cut()
        await asyncio.sleep(0.3)
        may_go_on.set()

        await until(lambda: len(batches) == 4)
        expected = [str(number) for number in range(30)]
        assert [event.subject for batch in batches for event in batch.events] == expected[:10] + expected
        assert batches[1].settled_for < 0.2
        await asyncio.sleep(0.1)
        assert await wired.waiting(QUEUE) == 0

    async def test_makes_the_service_not_ready_until_it_is_mended(
        self, wired: Bus, wire: Any, until: Any, health: Health, seen: Any
    ) -> None:
        await wired.consume(QUEUE, seen)
        await until(lambda: health.ready)
        await wire.stay_cut()
        await until(lambda: not health.ready)
        await asyncio.sleep(0.5)
        assert not health.ready

        await wire.mend()
        await until(lambda: health.ready)
        await wired.publish_or_raise(started(1))
        await until(lambda: seen.subjects == ["1"])

    async def test_does_not_keep_anybody_from_stopping(
        self, wired: Bus, wire: Any, until: Any, health: Health, seen: Any
    ) -> None:
        consumption = await wired.consume(QUEUE, seen)
        slot = wired.slot("worker.default", nothing)
        await slot.start()
        await wire.stay_cut()
        await until(lambda: not health.ready)

        async with asyncio.timeout(1):
            await consumption.stop()
            await slot.stop()

    async def test_at_the_start_is_waited_out(self, wire: Any, health: Health) -> None:
        await wire.stay_cut()
        bus = Bus(wire.url, service="test", topology=Topology(), health=health)
        entering = asyncio.create_task(bus.__aenter__())
        await asyncio.sleep(0.3)
        assert not entering.done()

        await wire.mend()
        async with asyncio.timeout(5):
            await entering
        assert health.ready
        await bus.__aexit__()


class TestALineThatSwallows:
    async def test_is_noticed_within_half_a_minute(
        self, wired: Bus, wire: Any, bus: Bus, health: Health, seen: Any, until: Any
    ) -> None:
        await wired.consume(QUEUE, seen)
        await until(lambda: health.ready)
        wire.swallow()
        began = utc_now()
        await bus.publish_or_raise(started(1))

        async with asyncio.timeout(30):
            while not seen.subjects:
                await asyncio.sleep(0.05)
        assert (utc_now() - began).total_seconds() > 3, "nothing was swallowed"
        assert health.ready


class TestAnAlarmOfTheBroker:
    async def test_refuses_at_once_what_would_wait_for_its_end(
        self, bus: Bus, rabbit: Stack, health: Health, until: Any
    ) -> None:
        await bus.publish_or_raise(started(1))
        await watermark(rabbit, "0.00001")
        try:
            with pytest.raises(BrokerUnavailableError):  # this one shows the broker's alarm
                await bus.publish_or_raise(started(2))
            await until(lambda: not health.ready)
            async with asyncio.timeout(0.5):
                with pytest.raises(BrokerUnavailableError):
                    await bus.publish_or_raise(started(3))
        finally:
            await watermark(rabbit, "0.4")

        await until(lambda: health.ready)
        await bus.publish_or_raise(started(4))


async def watermark(rabbit: Stack, share: str) -> None:
    """Say from which share of the memory on the broker has its alarm."""
    environment = {**os.environ, **rabbit.plan.program("rabbitmq").environment}
    command = ("/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", "set_vm_memory_high_watermark", share)
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    assert await process.wait() == 0


async def nothing(_: object) -> None:
    """Take no notice."""


class TestAKilledBroker:
    async def test_has_kept_all_that_it_confirmed(
        self, bus: Bus, rabbit: Stack, seen: Any, until: Any
    ) -> None:
        await bus.consume(QUEUE, seen)
        publishing = asyncio.create_task(publish_all(bus, range(2_000)))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(rabbit.kill, "rabbitmq")

        async with asyncio.timeout(120):
            await publishing
            while set(seen.subjects) != {str(number) for number in range(2_000)}:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(rabbit.wait_ready, "rabbitmq")


class TestAConnection:
    async def test_that_cannot_be_made_leaves_nothing_to_the_garbage_collector(self) -> None:
        connection = Connection(URL("amqp://guest:guest@127.0.0.1:9/"))

        with pytest.raises(OSError, match="Connect call failed"):
            await connection.connect()

        assert connection.is_closed

    async def test_that_was_lost_leaves_nothing_either(
        self, wired: Bus, wire: Any, until: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[Connection] = []

        class Noted(Connection):
            async def connect(self, timeout: Any = None) -> None:  # noqa: ASYNC109 - of the library
                await super().connect(timeout)
                made.append(self)

        monkeypatch.setattr(link, "Connection", Noted)
        for number in (1, 2):
            await wire.cut()
            await until(lambda number=number: len(made) == number)
            await publish_all(wired, range(1))

        assert [connection.is_closed for connection in made] == [True, False]
