"""The parking lot on a real broker: looked at, sent back, dropped, by one at a time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aio_pika
import pytest
from aiormq import spec

from filemill_common.clock import utc_now
from filemill_common.events import AttemptStarted
from filemill_common.health import Health
from filemill_common.messaging import BrokerUnavailableError, Bus, BusyError, Look, Moved, Topology, lot
from filemill_common.messaging.codec import encode
from filemill_common.messaging.topology import INTAKE_QUEUE, NOTIFIER_QUEUE, PARKING_LOT

QUEUE = "scheduler.1"


@pytest.fixture
async def other(vhost_url: str, topology: Topology) -> AsyncIterator[Bus]:
    """Another process's bus."""
    async with Bus(vhost_url, service="other", topology=topology, health=Health()) as other:
        yield other


class Wrong(spec.Basic.Properties):
    """Properties as another client would write them that does not look what it writes."""

    raw: Mapping[str, bytes]

    def encode_property(self, name: str, value: Any) -> bytes:
        return self.raw.get(name) or super().encode_property(name, value)


def table(inside: bytes) -> bytes:
    return len(inside).to_bytes(4, "big") + inside


def deep(levels: int) -> bytes:
    inside = b""
    for _ in range(levels):
        inside = b"\x01aF" + table(inside)
    return table(inside)


FAR: Final = (2**60).to_bytes(8, "big")
"""A time in microseconds, or beyond."""


def event(task: str) -> AttemptStarted:
    return AttemptStarted(
        task_id=task, attempt=1, execution="x", worker="w", started_at=utc_now(), partition_key="b"
    )


async def park(bus: Bus, *tasks: str, code: str = "unknown_task", queue: str = QUEUE) -> None:
    for task in tasks:
        await bus.park(event(task), code, f"{task} is not known", queue=queue)


async def reasons(bus: Bus) -> list[str]:
    """What the parked messages are about, in no order where they came within a millisecond."""
    return sorted(parked.reason.split()[0] for parked in (await bus.lot.look()).messages)


class Raw(str):
    """Text as another client would send it that does not look what it is."""

    def encode(self, *_: object) -> bytes:
        return b"\xff"


def everything(_: object) -> bool:
    return True


class TestALook:
    async def test_at_an_empty_lot_shows_nothing(self, bus: Bus) -> None:
        assert await bus.lot.look() == Look((), 0)

    async def test_tells_what_lies_there_and_why(self, bus: Bus) -> None:
        before = utc_now()
        await park(bus, "t")

        [parked] = (await bus.lot.look()).messages

        assert (parked.queue, parked.code, parked.reason) == (QUEUE, "unknown_task", "t is not known")
        assert parked.event_type == AttemptStarted.type
        assert parked.parked_at is not None
        assert before <= parked.parked_at <= utc_now()

    async def test_changes_nothing(self, bus: Bus, other: Bus) -> None:
        await park(bus, "a", "b", "c")

        first = await bus.lot.look()

        assert sorted(each.reason[0] for each in first.messages) == ["a", "b", "c"]
        assert await bus.lot.look() == first == await other.lot.look()

    async def test_shows_all_to_each_of_many_at_once(self, bus: Bus, other: Bus) -> None:
        await park(bus, *map(str, range(30)))

        looks = await asyncio.gather(*(each.lot.look() for each in [bus, other] * 10))

        assert {len(look.messages) for look in looks} == {30}

    async def test_goes_as_far_as_a_thousand_and_counts_the_rest(
        self, bus: Bus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lot, "WINDOW", 10)
        await park(bus, *map(str, range(13)))

        look = await bus.lot.look()

        assert (len(look.messages), look.beyond) == (10, 3)

    async def test_of_nobody_lasts_longer_than_others_wait(
        self, bus: Bus, other: Bus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lot, "_PATIENCE", 0.2)
        await park(bus, "t")

        async with other.lot._locked():
            with pytest.raises(BusyError):
                await bus.lot.look()
        assert await reasons(bus) == ["t"]

    async def test_that_dies_gives_all_back(self, bus: Bus, wired: Bus, wire: Any) -> None:
        await park(bus, "a", "b")

        async def look_and_die() -> None:
            async with wired.lot._walk() as walk:
                assert len([each async for each in walk]) == 2
                await wire.cut()

        with pytest.raises(BrokerUnavailableError):
            await look_and_die()
        assert await reasons(bus) == ["a", "b"]

    async def test_may_be_taken_for_ever(self, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lot, "DELIVERY_LIMIT", 6)
        await park(bus, "a", "b")
        first = await bus.lot.look()

        looks = [await bus.lot.look() for _ in range(30)]

        assert looks == [first] * 30
        async with bus.lot._walk() as walk:
            assert max([lot._looks(message) async for message, _ in walk]) <= 4


class TestAMessage:
    async def test_is_shown_as_it_came(self, bus: Bus, eyes: Any) -> None:
        await eyes.put(INTAKE_QUEUE, b"\x00\xff no event", content_type="text/x", **{"their-header": "1"})
        await bus.consume(INTAKE_QUEUE, nobody)
        parked = await arrived(bus)

        opened = await bus.lot.open(parked.id)

        assert opened is not None
        assert (opened.body, opened.content_type) == (b"\x00\xff no event", "text/x")
        assert opened.headers["their-header"] == "1"
        assert opened.headers["x-filemill-code"] == "undecodable"
        assert parked.size == len(opened.body)

    async def test_that_is_not_there_is_none(self, bus: Bus) -> None:
        await park(bus, "t")

        assert await bus.lot.open("0" * 32) is None
        assert await bus.lot.redrive(lambda each: each.id == "0" * 32) == Moved(0, 0, 0)

    async def test_of_nobody_we_know_is_shown_too(self, bus: Bus, eyes: Any) -> None:
        await eyes.put(PARKING_LOT, b"", **{"x-filemill-parked-at": "yesterday"})

        parked = await arrived(bus)

        assert (parked.queue, parked.code, parked.parked_at, parked.size) == ("", "", None, 0)
        assert await bus.lot.redrive(everything) == Moved(0, 1, 0)
        assert await bus.lot.drop(everything) == Moved(1, 0, 0)

    @pytest.mark.parametrize(
        "raw",
        [
            {"headers": table(b"\x01\xfft\x01")},
            {"headers": deep(5_000)},
            {"headers": table(b"\x01aT" + FAR)},
            {"timestamp": FAR},
            {"message_id": b"\x01\xff"},
        ],
        ids=["a name that is no text", "depth", "a time in a header", "a time", "an id that is no text"],
    )
    async def test_that_cannot_be_read_at_all_is_parked_and_holds_up_nobody(
        self, bus: Bus, eyes: Any, seen: Any, until: Any, raw: Mapping[str, bytes]
    ) -> None:
        properties = Wrong(headers={"a": 1}, timestamp=utc_now(), message_id="id")
        properties.raw = raw
        underlay = await eyes.channel.get_underlay_channel()
        await underlay.basic_publish(b"\x00", routing_key=INTAKE_QUEUE, properties=properties)
        await bus.consume(INTAKE_QUEUE, seen)

        opened = await bus.lot.open((await arrived(bus)).id)
        await eyes.put(INTAKE_QUEUE, encode(event("t"), source="/x"))
        await until(lambda: seen.subjects == ["t"])

        assert opened is not None
        assert (opened.body, opened.message.code) == (b"\x00", "undecodable")
        assert await bus.lot.redrive(everything) == Moved(1, 0, 0)

    async def test_with_headers_that_cannot_be_written_is_parked_all_the_same(
        self, bus: Bus, eyes: Any
    ) -> None:
        headers: dict[str, Any] = {"text": Raw("no UTF-8"), "nested": {"x": [Raw("no UTF-8")]}, "n": 1}
        await eyes.channel.default_exchange.publish(aio_pika.Message(b"\x00", headers=headers), INTAKE_QUEUE)
        await bus.consume(INTAKE_QUEUE, nobody)

        opened = await bus.lot.open((await arrived(bus)).id)

        assert opened is not None
        assert opened.headers["text"] == b"\xff"
        assert opened.headers["nested"] == "{'x': [b'\\xff']}"
        assert await bus.lot.redrive(everything) == Moved(1, 0, 0)

    async def test_with_more_headers_than_can_be_sent_again_is_parked_all_the_same(
        self, bus: Bus, eyes: Any
    ) -> None:
        headers: dict[str, Any] = {"first": "1", "huge": "x" * 130_000}
        await eyes.channel.default_exchange.publish(aio_pika.Message(b"\x00", headers=headers), INTAKE_QUEUE)
        await bus.consume(INTAKE_QUEUE, nobody)

        opened = await bus.lot.open((await arrived(bus)).id)

        assert opened is not None
        assert {name for name in opened.headers if not name.startswith("x-")} == {"first"}

    async def test_goes_where_the_lot_says_and_nowhere_else(self, bus: Bus, eyes: Any) -> None:
        message = aio_pika.Message(b"\x00", headers={"CC": [INTAKE_QUEUE, NOTIFIER_QUEUE]})
        await eyes.channel.default_exchange.publish(message, QUEUE)
        for queue in (INTAKE_QUEUE, NOTIFIER_QUEUE, QUEUE):
            await bus.consume(queue, nobody)

        async with asyncio.timeout(5):
            while len((await bus.lot.look()).messages) < 3:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)

        parked = (await bus.lot.look()).messages
        assert sorted(each.queue for each in parked) == [NOTIFIER_QUEUE, QUEUE, INTAKE_QUEUE]


class TestSendingBack:
    async def test_brings_a_message_to_its_queue_as_it_was(self, bus: Bus, eyes: Any) -> None:
        message = aio_pika.Message(
            b"7",
            content_type="application/json",
            message_id="theirs",
            correlation_id="c",
            reply_to="nobody",
            type="T",
            headers={"h": 1},
        )
        await eyes.channel.default_exchange.publish(message, INTAKE_QUEUE)
        consumption = await bus.consume(INTAKE_QUEUE, nobody)
        await arrived(bus)
        await consumption.stop()

        assert await bus.lot.redrive(everything) == Moved(1, 0, 0)

        bound = await consumed(eyes, INTAKE_QUEUE)
        assert (bound.body, bound.content_type, bound.message_id) == (b"7", "application/json", "theirs")
        assert (bound.correlation_id, bound.reply_to, bound.type) == ("c", "nobody", "T")
        assert bound.headers == {"h": 1}
        assert await reasons(bus) == []

    async def test_takes_only_what_is_asked_for(self, bus: Bus, seen: Any, until: Any) -> None:
        await park(bus, "a", "b", code="one")
        await park(bus, "c", code="two")

        assert await bus.lot.redrive(lambda each: each.code == "one") == Moved(2, 0, 0)

        await bus.consume(QUEUE, seen)
        await until(lambda: seen.subjects == ["a", "b"])
        assert await reasons(bus) == ["c"]

    async def test_leaves_what_has_no_queue_to_go_to(self, bus: Bus) -> None:
        await park(bus, "a", queue="gateway.x.live")
        await park(bus, "b", queue=PARKING_LOT)
        await park(bus, "c")

        assert await bus.lot.redrive(everything) == Moved(1, 2, 0)
        assert await reasons(bus) == ["a", "b"]

    async def test_that_ends_before_the_acknowledgement_leaves_a_message_in_both(
        self, bus: Bus, seen: Any, until: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def die(*_: object) -> None:
            raise BrokerUnavailableError("the line was lost")

        await park(bus, "t")
        with monkeypatch.context() as patched:
            patched.setattr(lot._Walk, "take", die)
            with pytest.raises(BrokerUnavailableError):
                await bus.lot.redrive(everything)

        assert await reasons(bus) == ["t"]
        assert await bus.lot.redrive(everything) == Moved(1, 0, 0)
        await bus.consume(QUEUE, seen)
        await until(lambda: seen.subjects == ["t", "t"])

    async def test_leaves_what_the_broker_did_not_confirm(self, bus: Bus, wired: Bus, wire: Any) -> None:
        def swallow(_: object) -> bool:
            wire.swallow()
            return True

        await park(bus, "t")

        with pytest.raises(BrokerUnavailableError):
            await wired.lot.redrive(swallow)
        await wire.stay_cut()
        assert await reasons(bus) == ["t"]

    async def test_does_not_meet_again_what_is_parked_again(self, bus: Bus) -> None:
        async def refuse(_: object) -> int:
            raise ValueError("still wrong")

        await park(bus, *map(str, range(20)))
        await bus.consume(QUEUE, refuse)

        assert await bus.lot.redrive(everything) == Moved(20, 0, 0)
        async with asyncio.timeout(5):
            while len((await bus.lot.look()).messages) < 20:
                await asyncio.sleep(0.01)


class TestDropping:
    async def test_forgets_what_is_asked_for_and_nothing_else(self, bus: Bus, other: Bus) -> None:
        await park(bus, *map(str, range(200)))

        moved = await bus.lot.drop(lambda each: int(each.reason.split()[0]) % 2 == 1)

        assert moved == Moved(100, 0, 0)
        assert sorted(await reasons(other), key=int) == [str(number) for number in range(0, 200, 2)]

    async def test_takes_one_of_several_that_are_equal(self, bus: Bus, eyes: Any) -> None:
        for _ in range(3):
            await eyes.channel.default_exchange.publish(aio_pika.Message(b"", message_id="m"), PARKING_LOT)
        parked = await arrived(bus)

        assert await bus.lot.drop(lambda each: each.id == parked.id, most=1) == Moved(1, 0, 2)
        assert [each.id for each in (await bus.lot.look()).messages] == [parked.id] * 2


async def nobody(_: object) -> int:
    raise ValueError("nothing of this can be used")


async def arrived(bus: Bus) -> Any:
    """Wait for something to be parked, and give it."""
    async with asyncio.timeout(5):
        while not (look := await bus.lot.look()).messages:
            await asyncio.sleep(0.01)
    return look.messages[0]


async def consumed(eyes: Any, queue: str) -> Any:
    """Take the next message of a queue that only one consumer may have."""
    found = await eyes.channel.get_queue(queue, ensure=False)
    inbox: asyncio.Queue[Any] = asyncio.Queue()
    await found.consume(inbox.put, no_ack=True)
    async with asyncio.timeout(5):
        return await inbox.get()
