"""Spans of messaging: a batch is one span, with a link to each cause."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from filemill_common import telemetry
from filemill_common.events import Check, Saw
from filemill_common.events.base import EPOCH


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
        with telemetry.publishing({"filemill.work", "filemill.events"}, 3):
            headers: dict[str, Any] = dict(telemetry.trace_headers())

        span = only(spans)
        assert (span.name, span.kind) == ("send filemill.events,filemill.work", trace.SpanKind.PRODUCER)
        assert (span.attributes or {})["messaging.operation.type"] == "send"
        assert headers["traceparent"].split("-")[1] == trace.format_trace_id(span.context.trace_id)
