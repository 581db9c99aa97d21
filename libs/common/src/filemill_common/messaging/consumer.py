"""Consuming in micro-batches: whoever handles them knows events, and nothing of acknowledgements."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from prometheus_client import Counter, Histogram

from filemill_common.clock import utc_now
from filemill_common.errors import FilemillError
from filemill_common.events import Event, EventRejected
from filemill_common.health import Health
from filemill_common.messaging.codec import DecodeError, decode
from filemill_common.messaging.link import LOST, BrokerUnavailableError, Link, set_when_lost
from filemill_common.messaging.parking import Parking
from filemill_common.telemetry import consuming

LIMIT: Final = 500
PREFETCH: Final = 1_000
"""Messages in hand: a batch that is folded, and the next."""

_LONGEST_PAUSE: Final = 5.0

_consumed = Counter("filemill_events_consumed_total", "Events taken from a queue.", ["queue"])
_batches = Histogram(
    "filemill_batch_events",
    "Events handled at once.",
    ["queue"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the order of their queue.

    Attributes:
        settled_for: Seconds since the first delivery on this incarnation of the channel: for so long
            has this consumer seen what others queued.
    """

    events: tuple[Event, ...]
    settled_for: float = 0.0


BatchHandler = Callable[[Batch], Awaitable[int]]
"""Handles a batch; tells how many of its events, a prefix, it took."""


@dataclass(slots=True)
class _Delivery:
    """A message in hand, and how many of its events were taken."""

    message: AbstractIncomingMessage
    events: tuple[Event, ...]
    taken: int = 0


def received(message: AbstractIncomingMessage) -> tuple[Event, ...]:
    """Read the events of a message.

    Raises:
        DecodeError: It is none that we know.
    """
    events = decode(message.body, message.content_type, message.headers)
    parent = message.headers.get("traceparent")
    if not isinstance(parent, str):
        return events
    return tuple(
        event if event.traceparent else event.model_copy(update={"traceparent": parent}) for event in events
    )


def rejection(error: DecodeError) -> EventRejected:
    """Say that a message could not be read."""
    return EventRejected(
        event_id=error.event_id,
        event_type=error.event_type,
        code=error.code,
        message=str(error),
        problems=error.problems,
        time=utc_now(),
    )


class Consumption:
    """Consumes one queue on a channel of its own until it is stopped.

    It alone acknowledges, once for each batch, on the incarnation of the channel that delivered it, after
    the handler returned. What a lost channel had delivered is forgotten, because it comes again.

    Args:
        link: The connection.
        parking: Keeps what cannot be read or handled.
        health: Is told whether the queue is consumed (check ``consuming <queue>``).
        queue: Its name.
        handle: Handles batches. One that fails and may succeed later is held and tried again; one that
            fails for good is halved until one event fails alone, which is parked.
        limit: The most events in a batch.
    """

    def __init__(
        self,
        link: Link,
        parking: Parking,
        health: Health,
        *,
        queue: str,
        handle: BatchHandler,
        limit: int = LIMIT,
    ) -> None:
        self._link = link
        self._parking = parking
        self._health = health
        self._queue = queue
        self._handle = handle
        self._limit = limit
        self._check = f"consuming {queue}"
        self._stopping = False
        self._changed = asyncio.Event()
        self._pending: deque[_Delivery] = deque()
        self._arrived: deque[AbstractIncomingMessage] = deque()
        self._began: float | None = None
        self._incarnation = 0
        health.set(self._check, ok=False, detail="not yet")
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish the batch in hand, acknowledge it, and close the channel without cancelling first."""
        self._stopping = True
        self._changed.set()
        await self._task

    async def _run(self) -> None:
        while not self._stopping:
            await self._until(self._link.up())
            if self._stopping:
                return
            try:
                async with self._link.channel() as channel:
                    await self._consume(channel)
            except (BrokerUnavailableError, *LOST) as error:
                _log.warning("consuming was interrupted", queue=self._queue, error=str(error))
                await asyncio.sleep(0.1)
            self._health.set(self._check, ok=False, detail="interrupted")

    async def _consume(self, channel: AbstractChannel) -> None:
        """Consume on one incarnation of the channel, until it is lost or we stop."""
        self._incarnation += 1
        incarnation = self._incarnation
        self._pending.clear()
        self._arrived.clear()
        self._began = None

        async def arrive(message: AbstractIncomingMessage) -> None:
            if incarnation == self._incarnation:
                self._began = self._began or asyncio.get_running_loop().time()
                self._arrived.append(message)
                self._changed.set()

        lost = asyncio.Event()
        await set_when_lost(channel, lost, self._changed)
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(self._queue, ensure=False)
        await queue.consume(arrive)
        self._health.set(self._check, ok=True, detail="consuming")
        while not (self._stopping or lost.is_set()):
            self._changed.clear()
            if not self._arrived and not self._pending:
                await self._changed.wait()
                continue
            await self._take_one_batch(lost)

    async def _take_one_batch(self, lost: asyncio.Event) -> None:
        events = await self._drain()
        taken = await self._handled(events, lost) if events else 0
        _consumed.labels(self._queue).inc(taken)
        last: AbstractIncomingMessage | None = None
        while self._pending:
            head = self._pending[0]
            step = min(taken, len(head.events) - head.taken)
            head.taken += step
            taken -= step
            if head.taken < len(head.events):
                break
            last = self._pending.popleft().message
        if last is not None and not lost.is_set():
            await last.channel.basic_ack(last.delivery_tag or 0, multiple=True)

    async def _drain(self) -> tuple[Event, ...]:
        """Take what is there, up to the limit; a message that cannot be read is parked on the way."""
        events: list[Event] = []
        for delivery in self._pending:
            events.extend(delivery.events[delivery.taken :])
        while self._arrived and len(events) < self._limit:
            message = self._arrived.popleft()
            try:
                read = received(message)
            except DecodeError as error:
                await self._parking.park(
                    message.body,
                    message.content_type,
                    rejection(error),
                    queue=self._queue,
                    reply_to=message.reply_to,
                )
                read = ()
            self._pending.append(_Delivery(message, read))
            events.extend(read)
        return tuple(events[: self._limit])

    async def _handled(self, events: Sequence[Event], lost: asyncio.Event) -> int:
        """Have events handled; tell how many of them are done with, handled or parked."""
        pause = 0.1
        batch = tuple(events)
        while not lost.is_set():
            try:
                return await self._attempt(batch)
            except FilemillError as error:
                if error.retryable:
                    self._health.set(self._check, ok=False, detail=f"held: {error.code}")
                    _log.warning("a batch is held", queue=self._queue, code=error.code, error=str(error))
                    await self._until(asyncio.sleep(pause))
                    if self._stopping:
                        return 0
                    pause = min(_LONGEST_PAUSE, pause * 2)
                    continue
                failure: Exception = error
            except Exception as error:  # noqa: BLE001 - parked below, with its reason, once it is alone
                failure = error
            if len(batch) == 1:
                await self._give_up(batch[0], failure)
                return 1
            batch = batch[: len(batch) // 2]
        return 0

    async def _attempt(self, batch: tuple[Event, ...]) -> int:
        began = self._began or asyncio.get_running_loop().time()
        with consuming(self._queue, batch):
            taken = await self._handle(Batch(batch, asyncio.get_running_loop().time() - began))
        _batches.labels(self._queue).observe(taken)
        self._health.set(self._check, ok=True, detail="consuming")
        return taken

    async def _give_up(self, event: Event, failure: Exception) -> None:
        code = failure.code if isinstance(failure, FilemillError) else "internal"
        message = (
            str(failure) if isinstance(failure, FilemillError) else f"{type(failure).__name__}: {failure}"
        )
        _log.error("an event cannot be handled", queue=self._queue, event=event.id, exc_info=failure)
        await self._parking.park_event(event, code, message, queue=self._queue)

    async def _until(self, work: Awaitable[object]) -> None:
        """Wait for something, or for the end."""
        waiting = asyncio.ensure_future(work)
        while not (waiting.done() or self._stopping):
            changed = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait({waiting, changed}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if not self._stopping:
                self._changed.clear()
        waiting.cancel()
