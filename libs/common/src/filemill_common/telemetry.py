"""Traces by OpenTelemetry: an upload can be followed from the request through all services to the webhook."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from filemill_common.events import Event

if TYPE_CHECKING:  # the settings know the topology, and the bus traces: a circle if it were real
    from filemill_common.settings import Settings

_TRACEPARENT: Final = "traceparent"
_TRACES: Final = "/v1/traces"
_QUERY: Final = "url.query"
_ODD: Final = frozenset("13579bdf")
_EXPORT_WITHIN: Final = 3.0
"""Seconds that a collector gets, tries included: a service that stops waits for it."""

_MOST_LINKS: Final = 128
"""Links that a span keeps; OpenTelemetry drops what is beyond."""

_W3C: Final = TraceContextTextMapPropagator()


def configure(service: str, settings: "Settings") -> TracerProvider:
    """Set up the traces of this process; call it once.

    Without an endpoint nothing is sent; ids are handed on all the same, so that logs can be joined, and a
    client's trace goes on as far as the webhook.

    Args:
        service: Its short name, such as ``scheduler``.
        settings: Where traces go, how, and what share of them.

    Returns:
        What to shut down at the end, so that the last spans arrive.
    """
    root: Sampler = Sampled(settings.trace_ratio) if settings.otlp_endpoint else ALWAYS_OFF
    resource = Resource.create({"service.name": f"filemill-{service}"})
    provider = TracerProvider(ParentBased(root), resource)
    if settings.otlp_endpoint:
        provider.add_span_processor(_Discreet())
        provider.add_span_processor(
            BatchSpanProcessor(exporter(settings.otlp_endpoint, settings.otlp_protocol))
        )
    trace.set_tracer_provider(provider)
    return provider


def exporter(endpoint: str, protocol: str) -> SpanExporter:
    """Give the way to a collector; only what is spoken is loaded.

    Args:
        endpoint: Address of the collector; for HTTP without the path of traces, or with it.
        protocol: ``http`` or ``grpc``.
    """
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc  # noqa: PLC0415

        return Grpc(endpoint, timeout=_EXPORT_WITHIN)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http  # noqa: PLC0415

    address = endpoint if endpoint.endswith(_TRACES) else endpoint.rstrip("/") + _TRACES
    return Http(address, timeout=_EXPORT_WITHIN)


class _Discreet(SpanProcessor):
    """Keeps to itself what a client wrote behind the path, where people put tokens."""

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - of SpanProcessor
        if _QUERY in (span.attributes or {}):
            span.set_attribute(_QUERY, "REDACTED")


class Sampled(Sampler):
    """Decides about spans that have no parent: what is linked to a recorded trace is recorded too.

    Args:
        ratio: Share of the others, 0 to 1.
    """

    def __init__(self, ratio: float) -> None:
        self._others = TraceIdRatioBased(ratio)

    def should_sample(  # noqa: D102, PLR0917 - of Sampler
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        decided: Sampler = self._others
        if links:
            decided = ALWAYS_ON if any(each.context.trace_flags.sampled for each in links) else ALWAYS_OFF
        return decided.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:  # noqa: D102 - of Sampler
        return f"Sampled({self._others.rate})"


def tracer() -> Tracer:
    """Give the tracer of this process."""
    return trace.get_tracer("filemill")


def trace_headers() -> dict[str, str]:
    """Write the present span as headers, ``traceparent`` and ``tracestate``; empty outside of any."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier


def current_traceparent() -> str | None:
    """Write the present span as W3C trace context; None outside of any."""
    return trace_headers().get(_TRACEPARENT)


def is_sampled(traceparent: str | None) -> bool:
    """Whether the trace is recorded, as far as whoever began it says.

    References:
        W3C Trace Context, "trace-flags": the lowest bit of the last two hexadecimal digits.
    """
    return (traceparent or "")[-1:] in _ODD


def trace_id(traceparent: str | None) -> str | None:
    """Give the id of the trace; None where there is none.

    References:
        W3C Trace Context: version, trace id, parent id and flags, joined by dashes.
    """
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None


def consuming(queue: str, events: Sequence[Event]) -> AbstractContextManager[Span]:
    """Open the span of handling a batch.

    References:
        OpenTelemetry semantic conventions for messaging, RabbitMQ.
    """
    context, links = _causes(events)
    return tracer().start_as_current_span(
        f"process {queue}",
        context=context,
        kind=SpanKind.CONSUMER,
        attributes={
            **_messaging("process", "process", queue, events=len(events)),
            **({"messaging.message.id": events[0].id} if len(events) == 1 else {}),
        },
        links=links,
    )


def publishing(exchanges: Collection[str], events: Sequence[Event]) -> AbstractContextManager[Span]:
    """Open the span of sending events, to one exchange or several."""
    where = ",".join(sorted(exchanges))
    is_part = trace.get_current_span().get_span_context().is_valid
    context, links = (None, ()) if is_part else _causes(events)
    return tracer().start_as_current_span(
        f"send {where}",
        context=context,
        kind=SpanKind.PRODUCER,
        attributes=_messaging("publish", "send", where, events=len(events)),
        links=links,
    )


def _causes(events: Sequence[Event]) -> tuple[Context, Sequence[Link]]:
    """Tell what a batch belongs to: a part of its one trace, so that this reads as one, or linked to several.

    Only those that are recorded are linked to.
    """
    parents = dict.fromkeys(event.traceparent for event in events if event.traceparent)
    recorded = [parent for parent in parents if is_sampled(parent)]
    found = [_context(parent) for parent in islice(recorded or parents, _MOST_LINKS if recorded else 1)]
    contexts = [context for context in found if context.is_valid]
    is_one = len({context.trace_id for context in contexts}) == 1
    context = trace.set_span_in_context(NonRecordingSpan(contexts[0]), Context()) if is_one else Context()
    return context, [Link(context) for context in contexts] if len(contexts) > 1 else ()


def span(
    name: str,
    attributes: Attributes = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
) -> AbstractContextManager[Span]:
    """Open the span of a part of the work.

    Args:
        name: What is done, of few kinds.
        attributes: With names of OpenTelemetry's semantic conventions, or ``filemill.`` before ours.
        kind: Towards whom.
        parent: The trace that it goes on with, as it was written down earlier; the present one if None.
    """
    context = trace.set_span_in_context(NonRecordingSpan(_context(parent)), Context()) if parent else None
    return tracer().start_as_current_span(name, context, kind=kind, attributes=attributes)


def failed(code: str) -> None:
    """Say that what the present span is about went wrong, without anything being raised."""
    span = trace.get_current_span()
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))


def _messaging(name: str, kind: str, destination: str, *, events: int) -> dict[str, str | int]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": destination,
        "messaging.batch.message_count": events,
    }


def _context(traceparent: str) -> SpanContext:
    return trace.get_current_span(_W3C.extract({_TRACEPARENT: traceparent}, Context())).get_span_context()
