"""How much is let in: as much as is answered in time, and nothing while the scheduler is far behind."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filemill_gateway import metrics
from filemill_gateway.problems import response

IN_TIME: Final = 0.2
"""Seconds in which a submission is answered while there is room; the promise is 0.5 for 99 of 100."""

_LEAST: Final = 4
"""Submissions at once that are let in however long they take, or nobody would find out that it is over."""

_FEWER: Final = 0.9

_REFUSED_AT_ONCE: Final = 4
"""Refusals that are written in a turn of the event loop: one that writes hundreds holds up all who were let
in, a dozen times each.
"""

_APART: Final = ("/v1/files", "/v1/parked", "/v1/workflows/validate")


def is_submission(method: str, path: str) -> bool:
    """Whether a request makes work for the scheduler; looks, files and the parking lot do not count."""
    return method in {"POST", "DELETE"} and path.startswith("/v1/") and not path.startswith(_APART)


class Admission:
    """Counts what is under way, and follows how long it takes.

    The number let in at once rises by one a round while answers are in time, and falls by a tenth when one
    is late (additive increase, multiplicative decrease, as TCP has it), so nobody has to know what a machine
    can do.

    Args:
        at_once: The most submissions at once.
        backlog: The most messages that may wait for the scheduler.

    Attributes:
        waiting: Messages that waited for the scheduler when somebody looked last.
    """

    def __init__(self, *, at_once: int, backlog: int) -> None:
        self._most = at_once
        self._least = min(_LEAST, at_once)
        self._limit = float(self._most)
        self._backlog = backlog
        self._under_way = 0
        self._lowered_at = 0.0
        self.waiting = 0

    @property
    def limit(self) -> int:
        """How many submissions are let in at once, now."""
        return int(self._limit)

    def obstacle(self) -> str | None:
        """Say in a word why nothing more is let in; None if something is."""
        if self.waiting > self._backlog:
            return "backlog"
        return "at_once" if self._under_way >= self.limit else None

    def enter(self) -> None:
        """Count one in."""
        self._under_way += 1

    def leave(self, *, began: float, ended: float) -> None:
        """Count one out, and learn from how long it took, in seconds of the event loop's clock."""
        self._under_way -= 1
        if ended - began <= IN_TIME:
            self._limit = min(self._most, self._limit + 1 / self._limit)
        elif began >= self._lowered_at:  # others of the same crowd tell nothing new
            self._limit = max(self._least, self._limit * _FEWER)
            self._lowered_at = ended


class Door:
    """Passes requests on to ``app``, and answers 429 to submissions that there is no room for.

    It stands before routing, and before a body is read: saying no must cost much less than saying yes. Those
    who are refused wait in line for their answer, so that whoever was let in does not wait for them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refusing = asyncio.Semaphore(_REFUSED_AT_ONCE)
        self._refusal = response("overloaded", "More is asked than can be done; try again in a moment.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or not is_submission(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        admission: Admission = scope["app"].state.dependencies.admission
        if obstacle := admission.obstacle():
            metrics.refused.labels(obstacle).inc()
            async with self._refusing:
                await asyncio.sleep(0)
                await self._refusal(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        began = clock()

        async def arriving() -> Message:
            nonlocal began
            message = await receive()
            began = clock()  # how long a client takes to send its body is not our doing
            return message

        admission.enter()
        try:
            await self._app(scope, arriving, send)
        finally:
            admission.leave(began=began, ended=clock())
