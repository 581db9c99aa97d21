"""Logs as JSON lines and traces by OpenTelemetry; both name what they are about, and hold no secrets."""

import logging
import sys
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import structlog
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Tracer

from filemill_common.events import Event

if TYPE_CHECKING:  # the settings know the topology, and the bus traces: a circle if it were real
    from filemill_common.settings import Settings

_TRACEPARENT: Final = "traceparent"
_MOST_LINKS: Final = 128
"""Links that a span keeps; OpenTelemetry drops what is beyond."""


def configure(service: str, settings: "Settings") -> TracerProvider:
    """Set up logs and traces of this process; call it once.

    Args:
        service: Its short name, such as ``scheduler``.
        settings: How to log, and where traces go.

    Returns:
        What to shut down at the end, so that the last spans arrive.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _with_trace,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("httpx", "pymongo", "uvicorn"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    for told_by_us in ("aio_pika", "aiormq"):  # each loss of a connection is logged where it is handled
        logging.getLogger(told_by_us).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    provider = TracerProvider(resource=Resource.create({"service.name": f"filemill-{service}"}))
    if settings.otlp_endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.otlp_endpoint)))
    trace.set_tracer_provider(provider)
    return provider


def _with_trace(_: Any, __: str, line: Any) -> Any:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
    return line


def tracer() -> Tracer:
    """Give the tracer of this process."""
    return trace.get_tracer("filemill")


def trace_headers() -> dict[str, str]:
    """Write the present span as headers, ``traceparent`` and ``tracestate``; empty outside of any."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def current_traceparent() -> str | None:
    """Write the present span as W3C trace context; None outside of any."""
    return trace_headers().get(_TRACEPARENT)


def consuming(queue: str, events: Sequence[Event]) -> AbstractContextManager[Span]:
    """Open the span of a batch, with a link to what caused each of its events.

    References:
        OpenTelemetry semantic conventions for messaging, RabbitMQ.
    """
    parents = dict.fromkeys(event.traceparent for event in events if event.traceparent)
    contexts = [_context(parent) for parent in islice(parents, _MOST_LINKS)]
    # Of one cause the span is a child, so that the trace reads as one; of several it can only be linked.
    only = trace.set_span_in_context(NonRecordingSpan(contexts[0])) if len(contexts) == 1 else None
    attributes = {
        **_messaging("process", "process", queue, events=len(events)),
        **({"messaging.message.id": events[0].id} if len(events) == 1 else {}),
    }
    return tracer().start_as_current_span(
        f"process {queue}",
        context=only,
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        links=[Link(context) for context in contexts if context.is_valid],
    )


def publishing(exchanges: Collection[str], events: int) -> AbstractContextManager[Span]:
    """Open the span of sending events, to one exchange or several."""
    where = ",".join(sorted(exchanges))
    return tracer().start_as_current_span(
        f"send {where}",
        kind=SpanKind.PRODUCER,
        attributes=_messaging("publish", "send", where, events=events),
    )


def _messaging(name: str, kind: str, destination: str, *, events: int) -> dict[str, str | int]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": destination,
        "messaging.batch.message_count": events,
    }


def _context(traceparent: str) -> SpanContext:
    return trace.get_current_span(propagate.extract({_TRACEPARENT: traceparent})).get_span_context()
