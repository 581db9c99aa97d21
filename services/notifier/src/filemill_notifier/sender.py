"""Making deliveries: the first try at once, later ones when they are due, none held up by a slow one."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog
from prometheus_client import Counter, Histogram

from filemill_common.clock import utc_now
from filemill_common.store import StoreUnavailableError
from filemill_notifier.channels import Channel
from filemill_notifier.core.deliveries import Delivery, after_try

AT_ONCE: Final = 50
"""Tries under way at the same time."""

AT_ONCE_FOR_ONE: Final = 5
"""Tries under way for one target, so that a slow one holds up nobody else."""

_tries = Counter("filemill_delivery_tries_total", "Tries to deliver.", ["channel", "outcome"])
_duration = Histogram("filemill_delivery_duration_seconds", "How long a try took.", ["channel"])
_log = structlog.get_logger(__name__)


class DeliveryLog(Protocol):
    """Where deliveries are kept."""

    async def claim(self) -> Delivery | None:
        """Take the delivery that has been due longest."""
        ...

    async def put(self, delivery: Delivery) -> None:
        """Store what became of a delivery."""
        ...


class Sender:
    """Makes deliveries in the background.

    A crash between a try and its log repeats the try, with the same id.

    Args:
        log: Where deliveries are kept.
        channels: The ways to recipients.
    """

    def __init__(self, log: DeliveryLog, channels: Mapping[str, Channel]) -> None:
        self._log = log
        self._channels = channels
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of_target: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_ONCE_FOR_ONE)
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, delivery: Delivery) -> None:
        """Begin a try for a delivery that is claimed for us."""
        task = asyncio.get_running_loop().create_task(self._send(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self, *, every: float = 0.5) -> None:
        """For ever: take what is due.

        Args:
            every: Seconds between looks; what comes from an event needs none.
        """
        while True:
            await asyncio.sleep(every)
            try:
                while len(self._tasks) < AT_ONCE * 2 and (delivery := await self._log.claim()):
                    self.send(delivery)
            except StoreUnavailableError as error:
                _log.warning("looking for what is due must wait", error=str(error))

    async def settle(self) -> None:
        """Wait until no try is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, delivery: Delivery) -> None:
        target = urlsplit(delivery.target).netloc or delivery.channel
        async with self._of_target[target], self._all:
            began = utc_now()
            with _duration.labels(delivery.channel).time():
                outcome = await self._channels[delivery.channel].send(delivery)
        tried = after_try(delivery, outcome, began=began, now=utc_now())
        _tries.labels(delivery.channel, tried.status.value).inc()
        _log.info(
            "tried",
            delivery=delivery.id,
            channel=delivery.channel,
            code=outcome.code,
            status=tried.status.value,
        )
        await self._keep(tried)

    async def _keep(self, tried: Delivery) -> None:
        """Store what became of it; if that cannot be, the claim ends and it is tried again."""
        try:
            await self._log.put(tried)
        except StoreUnavailableError as error:
            _log.warning(
                "a try could not be logged, and will be repeated", delivery=tried.id, error=str(error)
            )
