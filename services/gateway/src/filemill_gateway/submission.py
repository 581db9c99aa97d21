"""How requests become events: published with confirm, and found again by those who repeat them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from filemill_common.events import TaskCreated, TaskView, WorkflowCreated, WorkflowView
from filemill_common.store import StoreUnavailableError
from filemill_gateway import metrics
from filemill_gateway.dependencies import Dependencies
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Stored

View = TypeVar("View", TaskView, WorkflowView)


async def submit(
    event: TaskCreated | WorkflowCreated,
    look: Callable[[], Awaitable[Stored[View] | None]],
    *,
    keyed: bool,
    needs: Dependencies,
) -> Stored[View] | None:
    """Publish what is asked; with an ``Idempotency-Key``, find out whether the key stood for it before.

    The event goes out in any case: one that is known already changes nothing, and so a client
    whose first try got lost loses nothing.

    Returns:
        What is stored under the id; None without a key, or if the store said nothing in time.

    Raises:
        ProblemError: The key stands for another request (``idempotency_conflict``).
        FilemillError: The broker is away (``broker_unavailable``).
    """
    await needs.publisher.publish_or_raise(event)
    metrics.accepted(event)
    if not keyed:
        return None
    seconds = needs.limits.appear.total_seconds()
    stored: Stored[View] | None = None
    # With the store away the answer is the same: what was published is safe.
    with suppress(TimeoutError, StoreUnavailableError):
        async with asyncio.timeout(seconds + 0.5):
            stored = await needs.hub.until(event.subject, look, seconds=seconds)
    if stored is not None and stored.body_digest != event.body_digest:
        message = f"this Idempotency-Key made {event.subject} from another request"
        raise ProblemError("idempotency_conflict", message)
    return stored


async def known(
    kind: str, of: str, look: Callable[[], Awaitable[Stored[View] | None]], needs: Dependencies
) -> tuple[Stored[View], View]:
    """Give a task or run, which may be so new that it has not been stored yet.

    Raises:
        ProblemError: There is none (``not_found``), or it was deleted.
    """
    stored = await needs.hub.until(of, look, seconds=needs.limits.appear.total_seconds())
    if stored is None or stored.view is None:
        raise ProblemError("not_found", f"there is no {kind} {of[:80]!r}")
    return stored, stored.view
