"""How many requests there are, how they end, and how long they take, by route and never by path."""

import time
from typing import Final

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = Histogram(
    "filemill_http_request_duration_seconds",
    "From the request until its answer begins",
    ("method", "route", "status"),
)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class HttpMetrics:
    """Measures the requests that pass through to ``app``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else "other"

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The route is known by now; what has none would make a label of every path tried.
                route = getattr(scope.get("route"), "path", "none")
                seconds = time.perf_counter() - began
                _SECONDS.labels(method, route, message["status"]).observe(seconds)
            await send(message)

        await self._app(scope, receive, measured)
