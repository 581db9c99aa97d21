"""Making deliveries: the first try at once, later ones when they are due, none held up by a slow one."""

import asyncio
from collections import Counter as Counted
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

import structlog
from opentelemetry.trace import SpanKind
from structlog.contextvars import bound_contextvars, clear_contextvars

from filemill_common.clock import utc_now
from filemill_common.logs import known
from filemill_common.store import StoreUnavailableError
from filemill_common.telemetry import failed, span
from filemill_notifier import metrics
from filemill_notifier.channels import Channel
from filemill_notifier.core.deliveries import Delivery, Outcome, after_try

AT_ONCE: Final = 50
"""Tries under way at the same time."""

AT_ONCE_FOR_ONE: Final = 5
"""Tries under way for one host, so that a slow one holds up nobody else."""

_log = structlog.get_logger(__name__)


class DeliveryLog(Protocol):
    """Where deliveries are kept."""

    async def claim(self, *, not_to: Sequence[str] = ()) -> Delivery | None:
        """Take the delivery that has been due longest, but none to these hosts."""
        ...

    async def put(self, delivery: Delivery, *, held: datetime | None) -> bool:
        """Store what became of a delivery, unless the claim that ends at ``held`` was lost; tell which."""
        ...


class Sender:
    """Makes deliveries in the background.

    What it has no room for stays in the log, for itself or another notifier. A crash between a try and its
    log repeats the try, with the same id.

    Args:
        log: Where deliveries are kept.
        channels: The ways to recipients.
    """

    def __init__(self, log: DeliveryLog, channels: Mapping[str, Channel]) -> None:
        self._log = log
        self._channels = channels
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: Counted[str] = Counted()
        self._is_behind = False
        self._wanted = asyncio.Event()

    def fitting(self, deliveries: Iterable[Delivery]) -> frozenset[str]:
        """Give the ids of those for which there is room at once."""
        under_way = self._under_way.copy()
        fitting: set[str] = set()
        for delivery in deliveries:
            if under_way.total() < AT_ONCE and under_way[delivery.host] < AT_ONCE_FOR_ONE:
                under_way[delivery.host] += 1
                fitting.add(delivery.id)
        return frozenset(fitting)

    def send(self, delivery: Delivery) -> None:
        """Begin a try for a delivery that is claimed for us."""
        self._under_way[delivery.host] += 1
        task = asyncio.get_running_loop().create_task(self._send(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def look(self) -> None:
        """Look for what is due as soon as there is room."""
        self._is_behind = True
        self._wanted.set()

    async def run(self, *, every: float = 0.5) -> None:
        """For ever: take what is due.

        Args:
            every: Seconds between looks; what comes from an event, or waits for room, needs none.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._take()
            except StoreUnavailableError as error:
                _log.warning("looking for what is due must wait", error=str(error))
                await asyncio.sleep(every)

    async def settle(self) -> None:
        """Wait until no try is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self) -> None:
        """Begin what is due and has room."""
        while self._under_way.total() < AT_ONCE:
            busy = [host for host, tries in self._under_way.items() if tries >= AT_ONCE_FOR_ONE]
            delivery = await self._log.claim(not_to=busy)
            if delivery is None:
                self._is_behind = bool(busy)
                return
            self.send(delivery)
        self._is_behind = True

    async def _send(self, delivery: Delivery) -> None:
        clear_contextvars()  # those of the batch that it came with
        about = known(
            {
                "delivery_id": delivery.id,
                "event_id": delivery.event_id,
                "task_id": delivery.task_id,
                "workflow_id": delivery.workflow_id,
            }
        )
        facts = {"filemill.delivery.id": delivery.id, "server.address": delivery.host}
        name = f"deliver {delivery.channel}"
        with (
            bound_contextvars(**about),
            span(name, facts, kind=SpanKind.CLIENT, parent=delivery.traceparent),
        ):
            await self._try(delivery)

    async def _try(self, delivery: Delivery) -> None:
        began = utc_now()
        try:
            outcome = await self._channels[delivery.channel].send(delivery)
        except Exception as error:  # noqa: BLE001 - one that fails so is logged and tried again like others
            _log.error("a try went wrong", exc_info=error)
            outcome = Outcome(ok=False, code="internal", response=type(error).__name__)
        finally:
            self._made_room(delivery.host)
        if not outcome.ok:
            failed(outcome.code)
        now = utc_now()
        tried = after_try(delivery, outcome, began=began, now=now)
        _log.info("tried", channel=delivery.channel, code=outcome.code, status=tried.status.value)
        if await self._keep(tried, held=delivery.due_at):
            metrics.tried(tried, began=began, now=now)

    def _made_room(self, host: str) -> None:
        self._under_way[host] -= 1
        if not self._under_way[host]:
            del self._under_way[host]
        if self._is_behind:
            self._wanted.set()

    async def _keep(self, tried: Delivery, *, held: datetime | None) -> bool:
        """Store what became of it; if that cannot be, the claim ends and it is tried again. Tell which."""
        try:
            kept = await self._log.put(tried, held=held)
        except StoreUnavailableError as error:
            _log.warning("a try could not be logged, and will be repeated", error=str(error))
            return False
        if not kept:
            _log.warning("a try took longer than its claim, and another one counts")
        return kept
