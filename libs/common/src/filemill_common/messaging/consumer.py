"""Consuming in micro-batches: whoever handles them knows events, and nothing of acknowledgements."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from aio_pika.abc import AbstractIncomingMessage

from filemill_common.cancelling import cancel
from filemill_common.errors import FilemillError
from filemill_common.events import Event
from filemill_common.health import Health
from filemill_common.logs import names, speaking_of
from filemill_common.messaging import metrics
from filemill_common.messaging.codec import DecodeError, decode
from filemill_common.messaging.link import Line, Link, speaking
from filemill_common.messaging.parking import Parking
from filemill_common.telemetry import consuming

LIMIT: Final = 500
PREFETCH: Final = 1_000
"""Messages in hand: a batch that is folded, and the next."""

_LARGEST_BATCH: Final = 8 << 20
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the order of their queue.

    Attributes:
        queue: Its name.
        settled_for: Seconds since the first delivery on this incarnation of the channel: for so long
            has this consumer seen what others queued.
    """

    events: tuple[Event, ...]
    queue: str
    settled_for: float


BatchHandler = Callable[[Batch], Awaitable[int]]
"""Handles a batch; tells how many of its events, a prefix of at least one, it took."""


@dataclass(slots=True)
class _Delivery:
    """A message in hand, and how many of its events were taken."""

    message: AbstractIncomingMessage
    events: tuple[Event, ...]
    taken: int = 0


@dataclass(slots=True)
class _Inbox:
    """What one incarnation of the channel delivered; it is forgotten with it, because it comes again.

    Attributes:
        arrived: Messages not read yet.
        read: Messages of which some events are not taken yet.
        began: When the first message arrived, by the event loop's clock.
    """

    arrived: deque[AbstractIncomingMessage] = field(default_factory=deque)
    read: deque[_Delivery] = field(default_factory=deque)
    began: float = 0.0

    @property
    def is_empty(self) -> bool:
        return not self.arrived and not self.read

    def settle(self, taken: int) -> AbstractIncomingMessage | None:
        """Note how many events were taken; give the last message of which nothing is left."""
        last: AbstractIncomingMessage | None = None
        while self.read:
            head = self.read[0]
            step = min(taken, len(head.events) - head.taken)
            head.taken += step
            taken -= step
            if head.taken < len(head.events):
                break
            last = self.read.popleft().message
        return last


def received(message: AbstractIncomingMessage) -> tuple[Event | DecodeError, ...]:
    """Read the events of a message; the trace of a message is that of those events that have none."""
    events = decode(message.body, message.content_type, message.headers)
    parent = message.headers.get("traceparent")
    if not isinstance(parent, str):
        return events
    return tuple(
        event
        if isinstance(event, DecodeError) or event.traceparent
        else event.model_copy(update={"traceparent": parent})
        for event in events
    )


class Consumption:
    """Consumes one queue on a channel of its own until it is stopped.

    It alone acknowledges, once for each batch, on the incarnation of the channel that delivered it, after
    the handler returned.

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
        self._parking = parking
        self._health = health
        self._queue = queue
        self._handle = handle
        self._limit = limit
        self._stopping = asyncio.Event()
        self._is_leaving = False
        self._is_busy = False
        self._line: Line | None = None
        self._delivered = float("-inf")
        self._say(ok=False, detail="not yet")
        self._task = link.spawn(self._consume(link))

    async def stop(self) -> None:
        """Finish the batch in hand, acknowledge it, and close the channel without cancelling first."""
        self._stopping.set()
        if not self._is_busy:
            await cancel(self._task)
        await asyncio.wait({self._task})

    def is_active(self, *, within: float) -> bool:
        """Whether we got something in the last so many seconds, as only the active consumer does."""
        return asyncio.get_running_loop().time() - self._delivered < within

    def stand_back(self) -> None:
        """Let another consumer of the queue have its turn, and be the last in the row from now on.

        The batch in hand is finished and acknowledged; then the channel is closed, without cancelling first,
        so that what was not handled goes to the next consumer before all that comes later.
        """
        self._is_leaving = True
        if self._line is not None:
            self._line.changed.set()

    async def _consume(self, link: Link) -> None:
        while not self._stopping.is_set():
            await link.keep(self._use, doing=f"consuming {self._queue}")

    def _say(self, *, ok: bool, detail: str) -> None:
        self._health.set(f"consuming {self._queue}", ok=ok, detail=detail)

    async def _use(self, line: Line) -> None:
        """Consume on one incarnation of the channel, until it is lost, we stop or stand back."""
        inbox = _Inbox()
        self._line, self._is_leaving = line, False

        async def arrive(message: AbstractIncomingMessage) -> None:
            self._delivered = asyncio.get_running_loop().time()
            inbox.began = inbox.began or self._delivered
            inbox.arrived.append(message)
            line.changed.set()

        try:
            with speaking():
                await line.channel.set_qos(prefetch_count=PREFETCH)
                queue = await line.channel.get_queue(self._queue, ensure=False)
                await queue.consume(arrive)
            self._say(ok=True, detail="consuming")
            while not self._stopping.is_set() and not self._is_leaving:
                if inbox.is_empty:
                    await line.wait()
                    continue
                self._is_busy = True
                try:
                    await self._take_one_batch(line, inbox)
                finally:
                    self._is_busy = False
        finally:
            self._line = None
            if self._is_leaving:
                self._delivered = float("-inf")
            else:
                self._say(ok=False, detail="interrupted")

    async def _take_one_batch(self, line: Line, inbox: _Inbox) -> None:
        events = await self._read(inbox)
        taken = await self._handled(events, line, inbox.began) if events else 0
        last = inbox.settle(taken)
        if last is not None:
            with speaking():
                await last.ack(multiple=True)
        metrics.consumed.labels(self._queue).inc(taken)

    async def _read(self, inbox: _Inbox) -> tuple[Event, ...]:
        """Read what is there, up to the limits; what cannot be read is parked on the way."""
        events = [event for delivery in inbox.read for event in delivery.events[delivery.taken :]]
        size = sum(len(delivery.message.body) for delivery in inbox.read)
        while inbox.arrived and len(events) < self._limit:
            message = inbox.arrived[0]
            size += len(message.body)
            if size > _LARGEST_BATCH and events:
                break
            good: list[Event] = []
            for each in received(message):
                if isinstance(each, DecodeError):
                    await self._parking.park_message(message, each, queue=self._queue)
                else:
                    good.append(each)
            inbox.read.append(_Delivery(inbox.arrived.popleft(), tuple(good)))
            events += good
            metrics.messages.labels(self._queue).inc()
        return tuple(events[: self._limit])

    async def _handled(self, batch: tuple[Event, ...], line: Line, began: float) -> int:
        """Have events handled; tell how many of them are done with, handled or parked."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            line.check()
            try:
                return await self._attempt(batch, asyncio.get_running_loop().time() - began)
            except Exception as error:  # noqa: BLE001 - decided here: held, halved or parked with its reason
                if isinstance(error, FilemillError) and error.retryable:
                    await self._hold(error, pause)
                    pause = min(_LONGEST_PAUSE, pause * 2)
                elif len(batch) > 1:
                    batch = batch[: len(batch) // 2]
                else:
                    await self._give_up(batch[0], error)
                    return 1
        return 0

    async def _attempt(self, batch: tuple[Event, ...], settled_for: float) -> int:
        with consuming(self._queue, batch), speaking_of(batch):
            taken = await self._handle(Batch(batch, self._queue, settled_for))
        if not 0 < taken <= len(batch):
            raise ValueError(f"the handler took {taken} of {len(batch)} events")
        metrics.batches.labels(self._queue).observe(taken)
        self._say(ok=True, detail="consuming")
        return taken

    async def _hold(self, error: FilemillError, pause: float) -> None:
        """Rest before trying again, unless it is time to stop."""
        self._say(ok=False, detail=f"held: {error.code}")
        _log.warning("a batch is held", queue=self._queue, code=error.code, error=str(error))
        await asyncio.wait({stopping := asyncio.ensure_future(self._stopping.wait())}, timeout=pause)
        stopping.cancel()

    async def _give_up(self, event: Event, error: Exception) -> None:
        _log.error("an event cannot be handled", queue=self._queue, **names(event), exc_info=error)
        await self._parking.park_event(event, *reason(error), queue=self._queue)


def reason(error: Exception) -> tuple[str, str]:
    """Give the code and sentence of an error."""
    if isinstance(error, FilemillError):
        return error.code, str(error)
    return "internal", f"{type(error).__name__}: {error}"
