"""A collector of traces, over HTTP and gRPC, that keeps what it gets."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

_SERVICE: Final = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it arrived; ids are hexadecimal."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    linked: frozenset[str]
    attributes: dict[str, Any]


class Collector:
    """Takes spans on two ports of the loopback interface.

    Attributes:
        got: All spans so far.
        http: Where it speaks HTTP.
        grpc: Where it speaks gRPC.
    """

    def __init__(self) -> None:
        self.got: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector._take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._web.serve_forever)
        self._remote = grpc.server(ThreadPoolExecutor(2))
        export = grpc.unary_unary_rpc_method_handler(
            lambda request, _: self._take(request),
            request_deserializer=ExportTraceServiceRequest.FromString,
            response_serializer=ExportTraceServiceResponse.SerializeToString,
        )
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._remote.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"Export": export}),)
        )
        self.http = f"http://127.0.0.1:{self._web.server_address[1]}"
        self.grpc = f"http://127.0.0.1:{self._remote.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        """Begin to take."""
        self._thread.start()
        self._remote.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take nothing more."""
        self._web.shutdown()
        self._web.server_close()
        self._thread.join()
        self._remote.stop(None).wait()

    def of(self, trace: str) -> list[Span]:
        """Give the spans of a trace, and those of other traces that are linked to it."""
        return [span for span in self.got if trace == span.trace or trace in span.linked]

    def _take(self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        for group in request.resource_spans:
            named = {each.key: each.value.string_value for each in group.resource.attributes}
            for scope in group.scope_spans:
                self.got += [_read(named["service.name"], span) for span in scope.spans]
        return ExportTraceServiceResponse()


def _read(service: str, span: Any) -> Span:
    return Span(
        service.removeprefix("filemill-"),
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        frozenset(link.trace_id.hex() for link in span.links),
        {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes},
    )
