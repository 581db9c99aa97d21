import json
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from filemill_common.clock import utc_now
from filemill_common.events import (
    AttemptStarted,
    Event,
    EventRejected,
    TaskCreated,
    TaskReady,
    TaskSpec,
)
from filemill_common.health import Health
from filemill_common.messaging import BrokerUnavailableError, Bus, Topology, UnroutableError
from filemill_common.messaging.publisher import letters
from filemill_common.messaging.topology import Route


def started(task: str, *, key: str = "b") -> AttemptStarted:
    return AttemptStarted(
        task_id=task, attempt=1, execution="x", worker="w", started_at=utc_now(), partition_key=key
    )


def ready(task: str) -> TaskReady:
    return TaskReady(task_id=task, attempt=1, task_type="echo", options={}, partition_key="b")


def subjects(pack: Any) -> list[list[str]]:
    return [[json.loads(part)["subject"] for part in letter.parts] for letter in pack]


class TestSharingAMessage:
    def pack(self, *events: Event) -> list[list[str]]:
        topology = Topology(partitions=2)
        return subjects(letters(events, [topology.route(event) for event in events], source="/x"))

    def test_is_for_events_of_one_partition_that_go_the_same_way(self) -> None:
        assert self.pack(started("1"), started("2", key="d"), started("3", key="g"), started("4")) == [
            ["1", "2", "4"],
            ["3"],
        ]

    def test_is_not_for_work_which_workers_take_one_by_one(self) -> None:
        assert self.pack(ready("1"), ready("2")) == [["1"], ["2"]]

    def test_is_not_for_more_than_fifty(self) -> None:
        assert [len(letter) for letter in self.pack(*(started(str(n)) for n in range(120)))] == [50, 50, 20]

    def test_is_not_for_more_than_a_megabyte(self) -> None:
        large = [
            TaskCreated(
                task_id=str(number),
                task=TaskSpec(type="echo", options={"x": "x" * 600_000}),
                partition_key="b",
            )
            for number in range(3)
        ]

        assert self.pack(started("0"), *large) == [["0", "0"], ["1"], ["2"]]


class TestPublishing:
    async def test_names_the_message_after_its_first_event(self, bus: Bus, eyes: Any) -> None:
        event = ready("t")

        assert await bus.publish([event]) == (True,)

        message = await eyes.next("worker.default")
        assert (message.type, message.message_id, message.content_type, message.delivery_mode) == (
            "TaskReady",
            event.id,
            "application/cloudevents+json",
            2,
        )
        assert (message.exchange, message.routing_key) == ("filemill.work", "default.echo")
        assert json.loads(message.body)["source"] == "/filemill/test"

    async def test_of_nothing_is_nothing(self, bus: Bus) -> None:
        assert await bus.publish([]) == ()

    async def test_of_what_nobody_need_take_is_done_when_sent(self, bus: Bus) -> None:
        unheard = EventRejected(code="x", message="x")

        assert await bus.publish([unheard]) == (True,)

    async def test_of_more_than_the_window_holds_confirms_all(self, bus: Bus) -> None:
        assert await bus.publish([ready(str(number)) for number in range(450)]) == (True,) * 450
        assert await bus.waiting("worker.default") == 450

    async def test_carries_the_trace_it_happens_in(self, bus: Bus, eyes: Any) -> None:
        tracer = TracerProvider().get_tracer("test")
        with tracer.start_as_current_span("a request") as span:
            await bus.publish([ready("t")])

        message = await eyes.next("worker.default")
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        assert str(message.headers["traceparent"]).split("-")[1] == trace_id

    async def test_carries_the_trace_of_the_event_rather(self, bus: Bus, eyes: Any) -> None:
        parent = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
        await bus.publish([ready("t").model_copy(update={"traceparent": parent})])

        message = await eyes.next("worker.default")
        assert message.headers["traceparent"] == parent
        assert json.loads(message.body)["traceparent"] == parent

    async def test_to_a_missing_queue_declares_it_first(self, bus: Bus, eyes: Any) -> None:
        await eyes.channel.queue_delete("worker.default")

        assert await bus.publish([ready("1"), ready("2")]) == (True, True)
        assert await bus.waiting("worker.default") == 2

    async def test_to_a_queue_that_nobody_knows_says_so(self, bus: Bus, vhost_url: str) -> None:
        more = Topology(partitions=64)
        stray = next(
            event
            for n in range(99)
            if more.partition_of((event := started("t", key=str(n))).partition_key) > 1
        )
        async with Bus(vhost_url, service="test", topology=Unbound(64), health=Health()) as stranger:
            assert await stranger.publish([stray, ready("t")]) == (False, True)
            with pytest.raises(UnroutableError):
                await stranger.publish_or_raise(stray)

    async def test_two_copies_at_once_confuses_nobody(self, bus: Bus, vhost_url: str) -> None:
        """The broker returns a message by its id alone."""
        async with Bus(vhost_url, service="test", topology=Unbound(64), health=Health()) as stranger:
            stray = started("t", key="0")
            routes = [Route("filemill.scheduler", "63", must_arrive=True)] * 4

            outcomes = await stranger._publisher.publish([stray] * 4, routes)
            assert set(outcomes) == {"returned"}

    async def test_without_a_broker_says_so_at_once(
        self, wired: Bus, wire: Any, until: Any, health: Health
    ) -> None:
        await wire.stay_cut()
        await until(lambda: not health.ready)

        assert await wired.publish([ready("t")]) == (False,)
        with pytest.raises(BrokerUnavailableError):
            await wired.publish_or_raise(ready("t"))

    async def test_of_what_is_no_fact_for_others_is_a_mistake(self, bus: Bus) -> None:
        with pytest.raises(ValueError, match="TaskReady is not told to others"):
            await bus.tell([ready("t")])


class Unbound(Topology):
    """Routes to more partitions than it declares."""

    def queues(self) -> Any:
        return Topology(partitions=2).queues()


class TestParking:
    async def test_keeps_the_event_and_says_why(self, bus: Bus, eyes: Any) -> None:
        event = started("t")
        await bus.park(event, "too_early", "task t is not known after six deferrals", queue="scheduler.0")

        message = await eyes.next("parking-lot")
        assert (message.message_id, message.type) == (event.id, "AttemptStarted")
        assert message.headers["x-filemill-code"] == "too_early"
        assert message.headers["x-filemill-reason"] == "task t is not known after six deferrals"
        assert message.headers["x-filemill-queue"] == "scheduler.0"
        assert json.loads(message.body)["id"] == event.id

    async def test_is_an_error_while_the_broker_is_away(
        self, wired: Bus, wire: Any, until: Any, health: Health
    ) -> None:
        await wire.stay_cut()
        await until(lambda: not health.ready)

        with pytest.raises(BrokerUnavailableError):
            await wired.park(started("t"), "x", "x", queue="scheduler.0")
