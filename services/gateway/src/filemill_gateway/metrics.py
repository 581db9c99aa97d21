"""What the gateway counts: requests by route, never by path, what it let in, and what it need not probe."""

import logging
import time
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filemill_common.events import Event, TaskCreated, WorkflowCreated

UNTRACED: Final = ("/healthz/", "/metrics", "/docs", "/openapi.json", "/static/")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

_seconds = Histogram(
    "filemill_http_request_duration_seconds",
    "From the request until its answer begins.",
    ("method", "route", "status"),
)
_under_way = Gauge("filemill_http_requests_under_way", "Requests that are not answered yet, streams too.")
_received = Counter("filemill_http_received_bytes_total", "Bytes of request bodies.", ("route",))
_sent = Counter("filemill_http_sent_bytes_total", "Bytes of answers.", ("route",))
_accepted = Counter(
    "filemill_requests_accepted_total",
    "Requests whose event the broker has; one that is repeated with its key counts again.",
    ("kind",),
)
refused = Counter("filemill_submissions_refused_total", "Submissions answered by 429, by why.", ("reason",))
hits = Counter(
    "filemill_metadata_cache_hits_total", "Metadata found in the process or in the store.", ("layer",)
)
misses = Counter("filemill_metadata_cache_misses_total", "Metadata that only a probe could tell.")
entries = Gauge("filemill_metadata_cache_entries", "Files whose metadata the process remembers.")

_log = structlog.get_logger(__name__)

for _kind in ("task", "workflow", "command"):
    _accepted.labels(_kind)
for _reason in ("backlog", "at_once"):
    refused.labels(_reason)
for _layer in ("process", "store"):
    hits.labels(_layer)


def accepted(event: Event) -> None:
    """Count a request whose event the broker has."""
    match event:
        case TaskCreated():
            _accepted.labels("task").inc()
        case WorkflowCreated():
            _accepted.labels("workflow").inc()
        case _:
            _accepted.labels("command").inc()


class HttpMetrics:
    """Measures the requests that pass through to ``app``, and logs a line for each."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else "other"
        taken = given = 0

        async def arriving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message

        async def measured(message: Message) -> None:
            nonlocal given
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - began
                _seconds.labels(method, _route(scope), message["status"]).observe(seconds)
                _tell(scope, message["status"], seconds)
            given += len(message.get("body", b""))
            await send(message)

        _under_way.inc()
        try:
            await self._app(scope, arriving, measured)
        finally:
            _under_way.dec()
            _received.labels(_route(scope)).inc(taken)
            _sent.labels(_route(scope)).inc(given)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    """Log a request: no query, no header and no body, which may hold what is nobody's business.

    Reads that went well, and what is refused because there is too much of it, are ``debug``.
    """
    is_read = scope["method"] in {"GET", "HEAD"} or scope["path"].startswith(UNTRACED)
    quiet = status == 429 or (is_read and status < 400)
    level = logging.DEBUG if quiet else logging.WARNING if status >= 500 else logging.INFO
    if _log.is_enabled_for(level):
        path = scope["raw_path"][:500].decode("ascii", "replace")
        rounded = round(seconds, 4)
        _log.log(level, "request", method=scope["method"], path=path, status=status, seconds=rounded)


def _route(scope: Scope) -> str:
    """Name the route, which is known once the application was asked; a path would make a label of each."""
    return getattr(scope.get("route"), "path", "none")
