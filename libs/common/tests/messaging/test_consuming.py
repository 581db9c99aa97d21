import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika
import pytest

from filemill_common.clock import utc_now
from filemill_common.errors import FilemillError
from filemill_common.events import AttemptStarted, Event, TaskCommand
from filemill_common.health import Health
from filemill_common.messaging import Batch, Bus
from filemill_common.messaging.topology import PARKING_LOT

Until = Callable[[Callable[[], bool]], Awaitable[None]]
QUEUE = "scheduler.1"


def started(task: str) -> AttemptStarted:
    """An event of partition 1."""
    return AttemptStarted(
        task_id=task, attempt=1, execution="x", worker="w", started_at=utc_now(), partition_key="b"
    )


def started_all(*tasks: int) -> tuple[AttemptStarted, ...]:
    return tuple(started(str(task)) for task in tasks)


class AwayError(FilemillError):
    code = "away"
    retryable = True


class TestABatch:
    async def test_holds_what_is_there_in_its_order(self, bus: Bus, seen: Any, until: Until) -> None:
        await bus.publish(started_all(*range(120)))

        await bus.consume(QUEUE, seen)

        await until(lambda: len(seen.subjects) == 120)
        assert seen.subjects == [str(number) for number in range(120)]

    async def test_does_not_wait_for_more(self, bus: Bus, seen: Any, until: Until) -> None:
        await bus.consume(QUEUE, seen)
        await bus.publish([started("1")])

        await until(lambda: seen.subjects == ["1"])

    async def test_is_no_larger_than_asked_even_within_a_message(
        self, bus: Bus, seen: Any, until: Until
    ) -> None:
        await bus.publish(started_all(*range(50)))

        await bus.consume(QUEUE, seen, limit=20)

        await until(lambda: len(seen.subjects) == 50)
        assert [len(batch.events) for batch in seen.batches] == [20, 20, 10]

    async def test_may_be_taken_in_part_and_the_rest_comes_again_first(self, bus: Bus, until: Until) -> None:
        await bus.publish(started_all(1, 2, 3))
        batches: list[list[str]] = []

        async def one_by_one(batch: Batch) -> int:
            batches.append([event.subject for event in batch.events])
            return 1

        await bus.consume(QUEUE, one_by_one)

        await until(lambda: len(batches) == 3)
        assert batches == [["1", "2", "3"], ["2", "3"], ["3"]]

    async def test_tells_for_how_long_this_line_has_delivered(
        self, bus: Bus, seen: Any, until: Until
    ) -> None:
        await bus.consume(QUEUE, seen)
        await bus.publish([started("1")])
        await until(lambda: len(seen.batches) == 1)
        await asyncio.sleep(0.2)
        await bus.publish([started("2")])
        await until(lambda: len(seen.batches) == 2)

        first, second = (batch.settled_for for batch in seen.batches)
        assert first < 0.2 <= second


class TestAcknowledging:
    async def test_follows_the_handler(self, bus: Bus, eyes: Any, until: Until) -> None:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow(batch: Batch) -> int:
            entered.set()
            await leave.wait()
            return len(batch.events)

        await bus.publish(started_all(1, 2))
        consumption = await bus.consume(QUEUE, slow)
        await entered.wait()
        stopping = asyncio.create_task(consumption.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        leave.set()
        await stopping

        assert await bus.waiting(QUEUE) == 0

    async def test_spares_a_message_of_which_something_is_left(self, bus: Bus) -> None:
        await bus.publish(started_all(1, 2, 3))
        took, go_on = asyncio.Event(), asyncio.Event()

        async def two_then_wait(batch: Batch) -> int:
            if took.is_set():
                await go_on.wait()
                raise AwayError("stopping")
            took.set()
            return 2

        consumption = await bus.consume(QUEUE, two_then_wait)
        await took.wait()
        stopping = asyncio.create_task(consumption.stop())
        go_on.set()
        await stopping

        await waiting_in(bus, QUEUE, 1)

    async def test_stopping_leaves_what_nobody_has_begun(self, bus: Bus) -> None:
        consumption = await bus.consume(QUEUE, never)
        await consumption.stop()
        await bus.publish([started("1")])

        assert await bus.waiting(QUEUE) == 1


async def waiting_in(bus: Bus, queue: str, count: int) -> None:
    """Wait until the broker has put back what a closed channel held."""
    async with asyncio.timeout(5):
        while await bus.waiting(queue) != count:
            await asyncio.sleep(0.01)


async def never(batch: Batch) -> int:
    raise AssertionError("nothing shall be handled")


class TestAHandlerThatFailsForNow:
    async def test_gets_the_batch_again_and_nothing_is_parked(
        self, bus: Bus, health: Health, until: Until
    ) -> None:
        tries: list[tuple[str, ...]] = []
        was_ready: list[bool] = []

        async def away_twice(batch: Batch) -> int:
            tries.append(tuple(event.subject for event in batch.events))
            was_ready.append(health.ready)
            if len(tries) < 3:
                raise AwayError("the store is away")
            return len(batch.events)

        await bus.publish(started_all(1, 2))
        await bus.consume(QUEUE, away_twice)

        await until(lambda: len(tries) == 3 and health.ready)
        assert tries == [("1", "2")] * 3
        assert was_ready == [True, False, False]
        assert await bus.waiting(PARKING_LOT) == 0

    async def test_does_not_keep_the_service_from_stopping(self, bus: Bus, until: Until) -> None:
        tries: list[Batch] = []

        async def away(batch: Batch) -> int:
            tries.append(batch)
            raise AwayError("the store is away")

        await bus.publish([started("1")])
        consumption = await bus.consume(QUEUE, away)
        await until(lambda: bool(tries))
        async with asyncio.timeout(2):
            await consumption.stop()

        await waiting_in(bus, QUEUE, 1)


class TestAHandlerThatFailsForGood:
    @pytest.mark.parametrize("poison", [0, 37, 99])
    async def test_loses_only_the_event_at_fault(
        self, bus: Bus, eyes: Any, until: Until, poison: int
    ) -> None:
        handled: list[str] = []

        async def choke(batch: Batch) -> int:
            if str(poison) in {event.subject for event in batch.events}:
                raise ValueError("cannot swallow this")
            handled.extend(event.subject for event in batch.events)
            return len(batch.events)

        await bus.publish(started_all(*range(100)))
        await bus.consume(QUEUE, choke)

        await until(lambda: len(handled) == 99)
        assert handled == [str(number) for number in range(100) if number != poison]
        parked = await eyes.next(PARKING_LOT)
        assert json.loads(parked.body)["subject"] == str(poison)
        assert parked.headers["x-filemill-queue"] == QUEUE
        assert parked.headers["x-filemill-code"] == "internal"
        assert parked.headers["x-filemill-reason"] == "ValueError: cannot swallow this"

    async def test_that_takes_nothing_is_at_fault(self, bus: Bus, eyes: Any) -> None:
        async def idle(batch: Batch) -> int:
            return 0

        await bus.publish([started("1")])
        await bus.consume(QUEUE, idle)

        parked = await eyes.next(PARKING_LOT)
        assert parked.headers["x-filemill-reason"] == "ValueError: the handler took 0 of 1 events"


class TestWhatCannotBeRead:
    async def test_is_parked_with_its_reason_and_the_following_flows_on(
        self, bus: Bus, eyes: Any, seen: Any, until: Until
    ) -> None:
        rejections: list[Event] = []

        async def remember(event: Event) -> None:
            rejections.append(event)

        await bus.subscribe("filemill.events", ["event.rejected"], remember)
        await eyes.put(QUEUE, b"{ no json", traceparent="kept")
        await bus.publish([started("2")])
        await bus.consume(QUEUE, seen)

        await until(lambda: seen.subjects == ["2"] and bool(rejections))
        parked = await eyes.next(PARKING_LOT)
        assert parked.body == b"{ no json"
        assert {
            name: value
            for name, value in parked.headers.items()
            if name not in {"x-filemill-parked-at", "x-delivery-count"}
        } == {
            "traceparent": "kept",
            "x-filemill-queue": QUEUE,
            "x-filemill-code": "undecodable",
            "x-filemill-reason": "the body is no JSON: key must be a string at line 1 column 3",
            "x-filemill-event-id": "",
            "x-filemill-event-type": "",
        }
        [rejected] = rejections
        assert rejected.model_dump(include={"code", "event_id"}) == {"code": "undecodable", "event_id": ""}

    async def test_is_told_to_who_asked_for_an_answer(self, bus: Bus, eyes: Any, until: Until) -> None:
        answers = await eyes.channel.declare_queue(exclusive=True)
        await bus.consume(QUEUE, never)
        body = json.dumps({"id": "7", "type": "io.filemill.unheard.of.v1"}).encode()
        await eyes.channel.default_exchange.publish(aio_pika.Message(body, reply_to=answers.name), QUEUE)

        answer = await eyes.next(answers.name)
        assert json.loads(answer.body)["data"] == {
            "event_id": "7",
            "event_type": "io.filemill.unheard.of.v1",
            "code": "unknown_event_type",
            "message": "the type 'io.filemill.unheard.of.v1' is not known",
            "problems": [],
        }

    async def test_takes_no_others_of_its_message_with_it(
        self, bus: Bus, eyes: Any, seen: Any, until: Until
    ) -> None:
        good = TaskCommand(task_id="t", command="cancel", command_id="c")
        envelope = {"specversion": "1.0", "id": "c", "source": "/other", "type": good.type}
        batch = [
            {**envelope, "data": {"task_id": "t", "command": "explode"}},
            {**envelope, "data": {"task_id": "t", "command": "cancel"}},
        ]
        await eyes.put(QUEUE, json.dumps(batch).encode(), content_type="application/cloudevents-batch+json")
        await bus.consume(QUEUE, seen)

        await until(lambda: len(seen.subjects) == 1)
        assert seen.batches[0].events[0].model_dump(include={"task_id", "command", "command_id"}) == {
            "task_id": "t",
            "command": "cancel",
            "command_id": "c",
        }
        parked = await eyes.next(PARKING_LOT)
        assert json.loads(parked.body) == batch[0]
        assert parked.content_type == "application/cloudevents+json"
        assert await bus.waiting(QUEUE) == 0


class TestStandingBack:
    async def test_lets_the_next_consumer_have_the_queue_in_order(
        self, bus: Bus, until: Until, health: Health
    ) -> None:
        turns: list[tuple[str, str]] = []

        def noting(name: str) -> Callable[[Batch], Awaitable[int]]:
            async def handle(batch: Batch) -> int:
                turns.append((name, batch.events[0].subject))
                await asyncio.sleep(0.01)
                return 1

            return handle

        first = await bus.consume(QUEUE, noting("first"))
        await until(lambda: health.ready)
        second = await bus.consume(QUEUE, noting("second"))
        for event in started_all(*range(60)):
            await bus.publish([event])  # a message each: what was taken of one in part comes again whole
        await until(lambda: len(turns) > 10)
        assert (first.is_active(within=10), second.is_active(within=10)) == (True, False)

        first.stand_back()

        await until(lambda: len(turns) == 60)
        assert [subject for _, subject in turns] == [str(number) for number in range(60)]
        assert [name for name, _ in turns] == sorted(name for name, _ in turns)
        assert {name for name, _ in turns} == {"first", "second"}
        assert (first.is_active(within=10), second.is_active(within=10)) == (False, True)

    async def test_takes_the_queue_again_if_nobody_else_does(self, bus: Bus, seen: Any, until: Until) -> None:
        consumption = await bus.consume(QUEUE, seen)
        await bus.publish([started("1")])
        await until(lambda: seen.subjects == ["1"])

        consumption.stand_back()
        await bus.publish([started("2")])

        await until(lambda: seen.subjects == ["1", "2"])


class TestADeletedQueue:
    async def test_is_declared_and_consumed_anew(
        self, bus: Bus, eyes: Any, seen: Any, until: Until, health: Health
    ) -> None:
        await bus.consume(QUEUE, seen)
        await until(lambda: health.ready)
        await eyes.channel.queue_delete(QUEUE)
        await until(lambda: not health.ready)
        await until(lambda: health.ready)

        await bus.publish_or_raise(started("1"))
        await until(lambda: seen.subjects == ["1"])
