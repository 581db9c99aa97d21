"""How a page is written: its templates, its language and colours, and what a browser may do with it."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from filemill_common.clock import rfc3339
from filemill_common.errors import FilemillError
from filemill_common.store import StoreUnavailableError
from filemill_gateway.core.tongues import TONGUES, tongue_of
from filemill_gateway.page.words import Words
from filemill_gateway.problems import STATUSES

THEMES: Final = ("light", "dark")

_YEAR: Final = 365 * 24 * 3600
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from elsewhere, and no script or style that stands in the page itself."""

_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}


class Static(StaticFiles):
    """The files that pages load; browsers ask each time whether they have changed."""

    def __init__(self) -> None:
        """Serve what the package has."""
        super().__init__(packages=[("filemill_gateway.page", "static")])

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Give one, as what it is and nothing else."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _version() -> str:
    """Name the state of all files, so that a page never meets those of another version."""
    found = hashlib.sha256()
    folder = Path(str(files("filemill_gateway.page") / "static"))
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


_environment: Final = Environment(
    loader=PackageLoader("filemill_gateway.page", "html"),
    autoescape=True,  # everything: names, paths and messages are what others wrote
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "size": _size,
    "pretty": _pretty,
    "part": lambda text: quote(str(text), safe=""),
    "path": lambda text: quote(str(text)),
    "rfc3339": rfc3339,
    "plain": lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
}
_environment.globals |= {"version": _version()}


def page(
    request: Request, name: str, /, *, answer: int = 200, now: datetime | None = None, **values: Any
) -> Response:
    """Write a page in the language and colours of whoever asks.

    ``?lang=`` and ``?theme=`` choose them, and the browser keeps what was chosen.

    Args:
        request: Whose page it is.
        name: File of the template.
        answer: HTTP status.
        now: When it is, for what goes on.
        **values: What the template shows.
    """
    asked = request.query_params
    tongue = tongue_of(
        asked.get("lang") if asked.get("lang") in TONGUES else request.cookies.get("lang"),
        request.headers.get("accept-language"),
    )
    theme = asked.get("theme", request.cookies.get("theme", ""))
    text = _environment.get_template(name).render(
        **values,
        say=Words(tongue),
        metrics_url=request.app.state.dependencies.metrics_url,
        theme=theme if theme in THEMES else "",
        here=lambda **changes: _here(request, changes),
        elapsed=lambda since: max(0.0, (now - since).total_seconds()) if now else 0.0,
    )
    response = HTMLResponse(text, status_code=answer, headers=_HEADERS)
    if asked.get("lang") in TONGUES:
        _keep(response, "lang", tongue)
    if "theme" in asked:
        _keep(response, "theme", theme if theme in THEMES else "")
    return response


def _keep(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=_YEAR if value else 0, samesite="lax", httponly=True)


def _here(request: Request, changes: dict[str, str]) -> str:
    """Give the address of this page with other parameters."""
    kept = {
        name: value for name, value in request.query_params.items() if name not in {"lang", "theme", "new"}
    }
    changed = {name: value for name, value in (kept | changes).items() if value or name == "theme"}
    return f"?{urlencode(changed)}"


class PageRoute(APIRoute):
    """A route whose problems are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Let what goes wrong be said in a page."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except FilemillError as error:
                status = STATUSES.get(error.code, 503 if error.retryable else 422)
                wait = ""  # for what comes by itself, and the page with it
                if isinstance(error, StoreUnavailableError):
                    wait = "store"
                elif status == 404 and "new" in request.query_params:
                    wait = "new"
                return page(
                    request, "problem.html", answer=status, code=error.code, detail=str(error), wait=wait
                )

        return handled
