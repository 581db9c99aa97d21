"""Whether a service can do its work: named checks, and the routes that show them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from filemill_common.metrics import shown


@dataclass(frozen=True, slots=True)
class Check:
    """How one thing is.

    Attributes:
        ok: Whether it is as it should be.
        detail: A few words for people.
    """

    ok: bool
    detail: str = ""


class Health:
    """The checks of one process; it is ready when all of them are ok.

    Args:
        names: Checks that must become ok first.
    """

    def __init__(self, *names: str) -> None:
        self._checks = {name: Check(ok=False, detail="not yet") for name in names}

    def set(self, name: str, ok: bool, detail: str = "") -> None:
        """Say how one thing is now."""
        self._checks[name] = Check(ok, detail)

    @property
    def ready(self) -> bool:
        """Whether everything is as it should be."""
        return self.ready_but_for(())

    def ready_but_for(self, excluded: Collection[str]) -> bool:
        """Tell whether everything is as it should be, whatever these checks say."""
        return all(check.ok for name, check in self._checks.items() if name not in excluded)

    def report(self) -> dict[str, Any]:
        """Show all checks."""
        checks = {name: {"ok": check.ok, "detail": check.detail} for name, check in self._checks.items()}
        return {"ready": self.ready, "checks": checks}


def router(health: Health) -> APIRouter:
    """Give the routes that orchestrators and Prometheus ask.

    ``/healthz/live`` says that the process runs; a lost broker does not make it a case for a restart.
    ``/healthz/ready`` answers 503 while a check is not ok; ``?exclude=store`` asks about the others alone,
    for a service that is still of use without it.
    """
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @routes.get("/healthz/ready")
    async def ready(exclude: Annotated[tuple[str, ...], Query()] = ()) -> JSONResponse:
        return JSONResponse(health.report(), status_code=200 if health.ready_but_for(exclude) else 503)

    @routes.get("/metrics")
    async def metrics(accept: Annotated[str, Header()] = "") -> Response:
        text, content_type = shown(accept)
        return Response(text, media_type=content_type)

    return routes
