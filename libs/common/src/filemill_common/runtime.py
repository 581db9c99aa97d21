"""How a service starts, runs and stops: the same way for all of them."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI

from filemill_common import logs, telemetry
from filemill_common.cancelling import cancel
from filemill_common.health import Health, router
from filemill_common.settings import Settings

STOP_WITHIN: Final = 25.0
"""Seconds to stop in; orchestrators kill after 30."""

_log = structlog.get_logger(__name__)


class Context:
    """What a service is handed to run with.

    Attributes:
        health: Where it says how it is.
    """

    def __init__(self, health: Health, stop: asyncio.Event) -> None:
        self.health = health
        self._stop = stop
        self._app: FastAPI = FastAPI(openapi_url=None)
        self._app.include_router(router(health))
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do ``work`` beside; if it fails, the service stops. It is cancelled at the end at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def serve(self, app: FastAPI) -> None:
        """Serve this application instead of health and metrics alone; it includes their routes."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer HTTP with whatever application there is by now (ASGI)."""
        await self._app(scope, receive, send)

    async def end_background(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel what is done beside, and wait until it has ended."""
        await cancel(*tasks)

    async def end(self) -> None:
        """Cancel all that is done beside, and raise what failed of it."""
        await self.end_background(*self._tasks)
        if self._failures:
            raise ExceptionGroup("work in the background failed", self._failures)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failures.append(error)
            self._stop.set()


Main = Callable[[Context], AbstractAsyncContextManager[None]]
"""Enters when the service works, and leaves when it shall stop."""


class _Server(uvicorn.Server):
    """An HTTP server that leaves signals to the runtime."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def run(service: str, settings: Settings, main: Main, *, checks: tuple[str, ...] = ("broker",)) -> None:
    """Run a service until it is asked to stop, and end the process.

    Ends with 0 after SIGTERM or SIGINT, and with 1 if something in it failed or it did not stop in time.

    Args:
        service: Its short name.
        settings: Its settings.
        main: What it does.
        checks: What must be ok before it is ready.
    """
    logs.configure(settings)
    provider = telemetry.configure(service, settings)
    try:
        stopped = asyncio.run(_run(settings, main, checks))
    except Exception as error:  # noqa: BLE001 - the last place that can say why the process ends
        _log.error("the service failed", service=service, exc_info=error)
        sys.exit(1)
    finally:
        provider.shutdown()
    if not stopped:
        _log.error(
            "the service did not stop in time; what it had in hand comes again",
            service=service,
            seconds=STOP_WITHIN,
        )
        sys.exit(1)


async def _run(settings: Settings, main: Main, checks: tuple[str, ...]) -> bool:
    """Serve HTTP from the first moment; enter ``main``, wait for the end, and tell if that was in time."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    context = Context(Health(*checks), stop)
    server = _Server(
        uvicorn.Config(
            context,
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
    )
    serving = context.background(server.serve())
    entered = asyncio.Event()
    working = context.background(_work(main, context, entered, stop))
    try:
        await stop.wait()
        if not entered.is_set():
            working.cancel()  # it still waits for its servers
        async with asyncio.timeout(STOP_WITHIN):
            await asyncio.wait({working})
            server.should_exit = True
            await asyncio.wait({serving})
            return True
    except TimeoutError:
        return False
    finally:
        await context.end()


async def _work(main: Main, context: Context, entered: asyncio.Event, stop: asyncio.Event) -> None:
    async with main(context):
        entered.set()
        await stop.wait()
