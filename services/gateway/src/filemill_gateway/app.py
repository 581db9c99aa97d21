"""The application: routes, problems, metrics and the pages about them."""

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from filemill_gateway import openapi, problems
from filemill_gateway.admission import Door
from filemill_gateway.dependencies import Dependencies
from filemill_gateway.metrics import UNTRACED, HttpMetrics
from filemill_gateway.page.rendering import Static
from filemill_gateway.routes import (
    control,
    deliveries,
    events,
    files,
    history,
    page,
    page_start,
    parked,
    tasks,
    templates,
    types,
    workflows,
)


def create_app(dependencies: Dependencies, *more: APIRouter) -> FastAPI:
    """Put the application together.

    Args:
        dependencies: What its routes work with.
        more: Other routes to serve, such as those of health and metrics.
    """
    app = FastAPIOffline(
        title="Filemill",
        summary="Runs file-processing workflows.",
        version="1",
        redoc_url=None,
        telemetry={
            "operation_spans": False,
            "exclude": lambda scope: scope["path"].startswith(UNTRACED),
        },
    )
    app.state.dependencies = dependencies
    app.add_middleware(Door)
    app.add_middleware(HttpMetrics)
    problems.install(app)
    openapi.install(app)
    for router in (
        tasks.router,
        workflows.router,
        control.router,
        history.router,
        templates.router,
        files.router,
        events.router,
        deliveries.router,
        parked.router,
        types.router,
        page.router,
        page_start.router,
        *more,
    ):
        app.include_router(router)

    app.mount("/static", Static())
    return app
