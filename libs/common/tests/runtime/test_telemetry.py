"""Spans of messaging: a batch is one span, with a link to each cause."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, ParentBased

from filemill_common import telemetry
from filemill_common.clock import EPOCH
from filemill_common.events import Check, Saw


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", lambda: provider.get_tracer("test"))
    return exporter


def parent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


def look(number: int, *, caused_by: str | None) -> Check:
    return Check(task_id=str(number), attempt=1, saw=Saw.UNTAKEN, at=EPOCH, traceparent=caused_by)


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    [span] = spans.get_finished_spans()
    return span


class TestConsuming:
    def test_several_events_is_a_span_with_a_link_for_each_cause(self, spans: InMemorySpanExporter) -> None:
        with telemetry.consuming("scheduler.0", [look(n, caused_by=parent(n)) for n in (1, 2, 2)]):
            pass

        span = only(spans)
        assert span.name == "process scheduler.0"
        assert [link.context.trace_id for link in span.links] == [1, 2]
        assert span.parent is None
        assert dict(span.attributes or {}) == {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "scheduler.0",
            "messaging.batch.message_count": 3,
        }

    def test_events_of_one_trace_are_part_of_it_whatever_caused_them_there(
        self, spans: InMemorySpanExporter
    ) -> None:
        causes = [f"00-{7:032x}-{number:016x}-01" for number in (1, 2)]
        with telemetry.consuming("scheduler.0", [look(n, caused_by=each) for n, each in enumerate(causes)]):
            pass

        span = only(spans)
        assert span.parent is not None
        assert (span.parent.trace_id, span.parent.span_id) == (7, 1)
        assert [link.context.span_id for link in span.links] == [1, 2]

    def test_events_are_linked_to_what_is_recorded_alone(self, spans: InMemorySpanExporter) -> None:
        unrecorded = parent(2)[:-2] + "00"
        with telemetry.consuming(
            "scheduler.0",
            [look(n, caused_by=each) for n, each in enumerate([parent(1), unrecorded, parent(3)])],
        ):
            pass

        assert [link.context.trace_id for link in only(spans).links] == [1, 3]

    def test_one_event_is_part_of_the_trace_of_its_cause(self, spans: InMemorySpanExporter) -> None:
        event = look(1, caused_by=parent(7))
        with telemetry.consuming("worker.video", [event]):
            inside = telemetry.current_traceparent()

        span = only(spans)
        assert span.context is not None
        assert span.context.trace_id == 7
        assert inside == f"00-{7:032x}-{trace.format_span_id(span.context.span_id)}-01"
        assert (span.attributes or {})["messaging.message.id"] == event.id

    @pytest.mark.parametrize("nonsense", [None, "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-00"])
    def test_an_event_of_no_known_cause_begins_a_trace(
        self, spans: InMemorySpanExporter, nonsense: str | None
    ) -> None:
        with telemetry.consuming("worker.video", [look(1, caused_by=nonsense)]):
            pass

        assert (only(spans).parent, tuple(only(spans).links)) == (None, ())


class TestPublishing:
    def test_is_a_span_that_names_where_it_sends(self, spans: InMemorySpanExporter) -> None:
        sent = [look(1, caused_by=None)]
        with telemetry.publishing({"filemill.work", "filemill.events"}, sent):
            headers: dict[str, Any] = dict(telemetry.trace_headers())

        span = only(spans)
        assert (span.name, span.kind) == ("send filemill.events,filemill.work", trace.SpanKind.PRODUCER)
        assert (span.attributes or {})["messaging.operation.type"] == "send"
        assert headers["traceparent"].split("-")[1] == trace.format_trace_id(span.context.trace_id)

    def test_outside_of_all_else_belongs_to_what_caused_its_events(self, spans: InMemorySpanExporter) -> None:
        with telemetry.publishing({"filemill.scheduler"}, [look(n, caused_by=parent(7)) for n in (1, 2)]):
            pass

        span = only(spans)
        assert span.parent is not None
        assert span.parent.trace_id == 7

    def test_inside_of_a_batch_is_a_part_of_that(self, spans: InMemorySpanExporter) -> None:
        event = look(1, caused_by=parent(7))
        batch_of = telemetry.consuming("scheduler.0", [look(1, caused_by=parent(8))])
        with batch_of, telemetry.publishing({"filemill.work"}, [event]):
            pass

        sending, batch = spans.get_finished_spans()
        assert sending.parent is not None
        assert batch.context is not None
        assert sending.parent.span_id == batch.context.span_id


class TestSampling:
    """Who decides whether a trace is recorded: the client, then what it is linked to, then the share."""

    @pytest.mark.parametrize(
        ("ratio", "flags", "recorded"),
        [(0, "01", True), (1, "00", False), (0, None, False), (1, None, True)],
    )
    def test_of_what_a_client_began_is_decided_by_it(
        self, ratio: float, flags: str | None, recorded: bool
    ) -> None:
        cause = f"00-{7:032x}-{7:016x}-{flags}" if flags else None

        context, links = telemetry._causes([look(1, caused_by=cause)])
        decided = Decision.RECORD_AND_SAMPLE if recorded else Decision.DROP

        assert sampler(ratio).should_sample(context, 7, "any", links=links).decision is decided

    def test_a_batch_is_recorded_if_one_of_its_traces_is(self) -> None:
        unrecorded = [f"00-{n:032x}-{n:016x}-00" for n in (1, 2)]

        for causes, recorded in ((unrecorded, False), ([*unrecorded, parent(3), parent(4)], True)):
            context, links = telemetry._causes([look(n, caused_by=each) for n, each in enumerate(causes)])
            decided = Decision.RECORD_AND_SAMPLE if recorded else Decision.DROP
            assert sampler(0.5).should_sample(context, 7, "any", links=links).decision is decided


def sampler(ratio: float) -> ParentBased:
    return ParentBased(telemetry.Sampled(ratio))
