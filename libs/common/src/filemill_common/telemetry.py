"""Logs as JSON lines and traces by OpenTelemetry; both name what they are about, and hold no secrets."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Tracer

from filemill_common.events import Event

if TYPE_CHECKING:  # the settings know the topology, and the bus traces: a circle if it were real
    from filemill_common.settings import Settings

_TRACEPARENT = "traceparent"


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


def current_traceparent() -> str | None:
    """Write the present span as W3C trace context; None outside of any."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get(_TRACEPARENT)


@contextmanager
def consuming(queue: str, events: Sequence[Event]) -> Iterator[None]:
    """Open the span of a batch, with a link to what caused each of its events.

    References:
        OpenTelemetry semantic conventions for messaging, RabbitMQ.
    """
    attributes: dict[str, str | int] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue,
        "messaging.batch.message_count": len(events),
    }
    parents = {event.traceparent for event in events if event.traceparent}
    contexts = [
        trace.get_current_span(propagate.extract({_TRACEPARENT: parent})).get_span_context()
        for parent in parents
    ]
    links = [Link(context) for context in contexts if context.is_valid]
    # Of one event the span is a child, so that the trace reads as one; of several it can only be linked.
    parent = propagate.extract({_TRACEPARENT: next(iter(parents))}) if len(parents) == 1 else None
    with tracer().start_as_current_span(
        f"process {queue}", context=parent, kind=SpanKind.CONSUMER, attributes=attributes, links=links
    ):
        yield
