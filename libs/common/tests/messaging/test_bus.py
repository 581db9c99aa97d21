"""The bus on a real RabbitMQ: nothing confirmed is lost, and one bad message holds up nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import aio_pika
import httpx
import pytest

from filemill_common.errors import FilemillError
from filemill_common.events import Check, Event, EventRejected, Saw, TaskReady
from filemill_common.events.base import EPOCH
from filemill_common.health import Health
from filemill_common.messaging import Batch, Bus, Taken, Topology
from filemill_common.messaging.topology import EVENTS, PARKING_LOT, SCHEDULER, scheduler_queue, worker_queue
from filemill_local.stack import Stack

QUEUE = scheduler_queue(0)


@pytest.fixture
async def bus(vhost_url: str) -> AsyncIterator[Bus]:
    async with Bus(vhost_url, service="test", topology=Topology(), health=Health()) as bus:
        yield bus


def look(name: str) -> Check:
    return Check(task_id=name, attempt=1, saw=Saw.UNTAKEN, at=EPOCH, partition_key=name)


def looks(count: int) -> list[Check]:
    return [look(str(number)) for number in range(count)]


class Seen:
    """Collects what is handled."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches: list[Batch] = []

    async def __call__(self, batch: Batch) -> int:
        self.batches.append(batch)
        self.events.extend(batch.events)
        return len(batch.events)

    @property
    def names(self) -> list[str]:
        return [event.subject for event in self.events]


async def until(look: Callable[[], object], *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not look():
            await asyncio.sleep(0.01)


async def send(bus_url: str, exchange: str, key: str, body: bytes) -> None:
    """Publish bytes as another system would."""
    async with await aio_pika.connect(bus_url) as connection:
        channel = await connection.channel()
        target = await channel.get_exchange(exchange)
        await target.publish(aio_pika.Message(body), key)


async def parked(url: str) -> list[tuple[object, bytes]]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(PARKING_LOT)
        found: list[tuple[object, bytes]] = []
        while (message := await queue.get(fail=False, no_ack=True)) is not None:
            found.append((message.headers["x-filemill-code"], message.body))
        return found


class TestPublishing:
    async def test_is_confirmed_and_keeps_its_order(self, bus: Bus) -> None:
        events = [look("one") for _ in range(1)] + [
            Check(task_id="one", attempt=number, saw=Saw.UNTAKEN, at=EPOCH, partition_key="one")
            for number in range(2, 300)
        ]
        seen = Seen()

        assert await bus.publish(events) == (True,) * 299
        consumption = await bus.consume(QUEUE, seen)
        await until(lambda: len(seen.events) == 299)

        assert [event.attempt for event in seen.events if isinstance(event, Check)] == list(range(1, 300))
        await consumption.stop()
        assert await bus.waiting(QUEUE) == 0

    async def test_of_what_no_queue_takes_is_told_as_lost(self, bus: Bus) -> None:
        other = Topology(pools={"nobody": ("*",)})
        async with Bus(bus_url(bus), service="other", topology=other, health=Health()) as stranger:
            work = TaskReady(task_id="t", attempt=1, task_type="echo", options={}, partition_key="t")
            await delete(bus_url(bus), worker_queue("nobody"))

            assert await stranger.publish([work]) == (True,)  # the topology was declared again


def bus_url(bus: Bus) -> str:
    return bus._link._url


async def delete(url: str, queue: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(queue)


class TestConsuming:
    async def test_takes_what_is_there_at_once(self, bus: Bus) -> None:
        await bus.publish(looks(120))
        seen = Seen()

        consumption = await bus.consume(QUEUE, seen)
        await until(lambda: len(seen.events) == 120)
        await consumption.stop()

        assert len(seen.batches) < 60
        assert seen.names == [str(number) for number in range(120)]

    async def test_hands_over_again_what_a_handler_left(self, bus: Bus) -> None:
        await bus.publish(looks(10))
        seen: list[str] = []

        async def take_three(batch: Batch) -> int:
            taken = batch.events[:3]
            seen.extend(event.subject for event in taken)
            return len(taken)

        consumption = await bus.consume(QUEUE, take_three)
        await until(lambda: len(seen) == 10)
        await consumption.stop()

        assert seen == [str(number) for number in range(10)]
        assert await bus.waiting(QUEUE) == 0

    async def test_parks_what_cannot_be_read_and_goes_on(self, bus: Bus, vhost_url: str) -> None:
        seen, told = Seen(), list[Event]()

        async def tell(event: Event) -> None:
            told.append(event)

        listening = await bus.subscribe(EVENTS, ["event.rejected"], tell)
        await send(vhost_url, SCHEDULER, "0", b"no event")
        await bus.publish([look("after")])

        consumption = await bus.consume(QUEUE, seen)
        await until(lambda: seen.names == ["after"] and told)
        await consumption.stop()
        await listening.stop()

        assert await parked(vhost_url) == [("undecodable", b"no event")]
        assert [type(event) for event in told] == [EventRejected]

    async def test_parks_the_one_event_that_cannot_be_handled(self, bus: Bus, vhost_url: str) -> None:
        await bus.publish(looks(20))
        seen: list[str] = []

        async def stumble(batch: Batch) -> int:
            if any(event.subject == "13" for event in batch.events):
                raise ValueError("13 is bad luck")
            seen.extend(event.subject for event in batch.events)
            return len(batch.events)

        consumption = await bus.consume(QUEUE, stumble)
        await until(lambda: len(seen) == 19)
        await consumption.stop()

        assert seen == [str(number) for number in range(20) if number != 13]
        assert [code for code, _ in await parked(vhost_url)] == ["internal"]

    async def test_holds_a_batch_that_may_succeed_later(self, bus: Bus) -> None:
        class AwayError(FilemillError):
            code = "away"
            retryable = True

        tries = 0
        seen = Seen()

        async def away_twice(batch: Batch) -> int:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise AwayError("not now")
            return await seen(batch)

        await bus.publish(looks(5))
        consumption = await bus.consume(QUEUE, away_twice)
        await until(lambda: len(seen.events) == 5)
        await consumption.stop()

        assert tries >= 3
        assert seen.names == [str(number) for number in range(5)]

    async def test_goes_on_after_its_queue_was_deleted(self, bus: Bus, vhost_url: str) -> None:
        seen = Seen()
        consumption = await bus.consume(QUEUE, seen)
        await bus.publish([look("before")])
        await until(lambda: seen.names == ["before"])

        await delete(vhost_url, QUEUE)
        assert await bus.publish([look("after")]) == (True,)

        await until(lambda: seen.names == ["before", "after"])
        await consumption.stop()


class TestALostConnection:
    async def test_loses_nothing_that_was_confirmed(self, bus: Bus, rabbit: Stack) -> None:
        seen = Seen()
        consumption = await bus.consume(QUEUE, seen)
        confirmed: set[str] = set()

        async def publish() -> None:
            for number in range(40):
                events = [look(f"{number}-{index}") for index in range(25)]
                for event, ok in zip(events, await bus.publish(events), strict=True):
                    if ok:
                        confirmed.add(event.subject)
                await asyncio.sleep(0.02)

        publishing = asyncio.create_task(publish())
        for _ in range(3):
            await asyncio.sleep(0.3)
            await close_connections(rabbit)
        await publishing
        await until(lambda: confirmed <= set(seen.names), within=30)
        await consumption.stop()

        assert len(confirmed) > 200


async def close_connections(rabbit: Stack) -> None:
    """Cut all connections, as an administrator would."""
    user = urlsplit(rabbit.plan.rabbit_url)
    base = f"http://127.0.0.1:{rabbit.plan.ports['management']}/api"
    async with httpx.AsyncClient(auth=(user.username or "", user.password or "")) as http:
        for connection in (await http.get(f"{base}/connections")).json():
            await http.request("DELETE", f"{base}/connections/{connection['name']}")


class TestASlot:
    async def test_holds_one_delivery_until_its_handler_returns(self, bus: Bus) -> None:
        await bus.publish(work(3))
        release, in_hand = asyncio.Event(), list[str]()

        async def hold(taken: Taken) -> None:
            in_hand.append(taken.event.subject)
            await release.wait()

        slot = bus.slot(worker_queue("default"), hold)
        await slot.start()
        await until(lambda: in_hand)
        await asyncio.sleep(0.1)
        assert (in_hand, await bus.waiting(worker_queue("default"))) == (["0"], 2)

        release.set()
        await until(lambda: len(in_hand) == 3)
        await slot.stop()
        assert await bus.waiting(worker_queue("default")) == 0

    async def test_that_let_go_holds_nothing_back(self, bus: Bus) -> None:
        await bus.publish(work(1))
        release, in_hand = asyncio.Event(), list[str]()

        async def long(taken: Taken) -> None:
            in_hand.append(taken.event.subject)
            await taken.detach()
            await release.wait()

        slot = bus.slot(worker_queue("default"), long)
        await slot.start()
        await until(lambda: in_hand)
        await bus.publish([TaskReady(task_id="next", attempt=1, task_type="echo", options={})])
        await asyncio.sleep(0.2)

        assert await bus.waiting(worker_queue("default")) == 1
        release.set()
        await until(lambda: in_hand == ["0", "next"])
        await slot.stop()

    async def test_that_is_paused_takes_nothing(self, bus: Bus) -> None:
        in_hand = list[str]()

        async def take(taken: Taken) -> None:
            in_hand.append(taken.event.subject)

        slot = bus.slot(worker_queue("default"), take)
        await slot.start()
        await slot.pause()
        await bus.publish(work(1))
        await asyncio.sleep(0.2)
        assert in_hand == []

        await slot.resume()
        await until(lambda: in_hand == ["0"])
        await slot.stop()


def work(count: int) -> list[Event]:
    return [
        TaskReady(task_id=str(number), attempt=1, task_type="echo", options={}, partition_key=str(number))
        for number in range(count)
    ]
