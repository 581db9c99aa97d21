"""Slots: each holds at most one delivery at a time, and lets go of it early when its work becomes long."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from filemill_common.cancelling import cancel
from filemill_common.errors import FilemillError
from filemill_common.events import Event
from filemill_common.health import Health
from filemill_common.logs import names, speaking_of
from filemill_common.messaging.codec import DecodeError
from filemill_common.messaging.consumer import reason, received
from filemill_common.messaging.link import BrokerUnavailableError, Line, Link, speaking
from filemill_common.messaging.parking import Parking
from filemill_common.telemetry import consuming

_log = structlog.get_logger(__name__)


class Taken:
    """A delivery in hand; acknowledged when its handler returns, or before, when it is detached.

    Attributes:
        event: What was delivered.
        redelivered: Whether it may have been delivered before.
    """

    def __init__(
        self, message: AbstractIncomingMessage, event: Event, let_go: Callable[[], Awaitable[None]]
    ) -> None:
        self.event = event
        self.redelivered = bool(message.redelivered)
        self.is_acknowledged = False
        self._message = message
        self._let_go = let_go

    async def detach(self) -> None:
        """Take nothing more in this slot, then acknowledge: from now on the broker protects it no more."""
        await self._let_go()
        await self.acknowledge()

    async def acknowledge(self) -> None:
        """Acknowledge once; on a channel that was lost there is nothing to acknowledge."""
        if self.is_acknowledged:
            return
        self.is_acknowledged = True
        try:
            with speaking():
                await self._message.ack()
        except BrokerUnavailableError as error:
            _log.info("a delivery could not be acknowledged, and comes again", error=str(error))


TakenHandler = Callable[[Taken], Awaitable[None]]


class Slot:
    """Takes one delivery at a time from a queue, on a channel of its own with one consumer.

    Args:
        link: The connection.
        parking: Keeps what cannot be read or handled.
        health: Is told whether the queue is consumed (check ``consuming <queue>``).
        queue: Its name.
        handle: Handles a delivery, however long it takes. One that fails and may succeed later comes again;
            one that fails for good is parked.
    """

    def __init__(
        self, link: Link, parking: Parking, health: Health, *, queue: str, handle: TakenHandler
    ) -> None:
        self._link = link
        self._parking = parking
        self._health = health
        self._queue = queue
        self._handle = handle
        self._is_paused = False
        self._is_stopping = False
        self._is_busy = False
        self._line: Line | None = None
        self._consumer: tuple[AbstractQueue, str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._say(ok=False, detail="not yet")

    async def start(self) -> None:
        """Begin to take."""
        self._task = self._link.spawn(self._link.keep(self._use, doing=f"taking from {self._queue}"))

    async def pause(self) -> None:
        """Take nothing more; what is in hand goes on."""
        self._is_paused = True
        await self._let_go()

    async def resume(self) -> None:
        """Take again."""
        self._is_paused = False
        if self._line is not None:
            self._line.changed.set()

    async def stop(self) -> None:
        """Take nothing more, and return when what is in hand is done."""
        self._is_stopping = True
        await self._let_go()
        if self._task is None:
            return
        if not self._is_busy:
            await cancel(self._task)
        await asyncio.wait({self._task})

    def _say(self, *, ok: bool, detail: str) -> None:
        self._health.set(f"consuming {self._queue}", ok=ok, detail=detail)

    async def _let_go(self) -> None:
        """Consume no more on this line, if it does."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        queue, tag = consumer
        try:
            with speaking():
                await queue.cancel(tag)
        except BrokerUnavailableError as error:
            _log.info("the consumer was gone already", queue=self._queue, error=str(error))

    async def _use(self, line: Line) -> None:
        """Take one delivery after the other on one channel, until it is lost or we stop."""
        inbox: list[AbstractIncomingMessage] = []

        async def arrive(message: AbstractIncomingMessage) -> None:
            inbox.append(message)
            line.changed.set()

        self._line = line
        try:
            with speaking():
                await line.channel.set_qos(prefetch_count=1)
                queue = await line.channel.get_queue(self._queue, ensure=False)
            while not self._is_stopping:
                line.check()
                if inbox:
                    await self._deal_with(inbox.pop())
                elif self._consumer is None and not self._is_paused:
                    await self._consume(queue, arrive)
                else:
                    await line.wait()
        finally:
            self._line = self._consumer = None
            self._say(ok=False, detail="interrupted")

    async def _consume(
        self, queue: AbstractQueue, arrive: Callable[[AbstractIncomingMessage], Awaitable[None]]
    ) -> None:
        with speaking():
            self._consumer = (queue, await queue.consume(arrive))
        self._say(ok=True, detail="consuming")
        if self._is_paused:  # meanwhile
            await self._let_go()

    async def _deal_with(self, message: AbstractIncomingMessage) -> None:
        self._is_busy = True
        try:
            match received(message):
                case (Event() as event,):
                    await self._handle_one(Taken(message, event, self._let_go))
                case several:
                    await self._refuse(message, several)
        finally:
            self._is_busy = False

    async def _refuse(
        self, message: AbstractIncomingMessage, several: tuple[Event | DecodeError, ...]
    ) -> None:
        """Park what is not exactly one event that we know."""
        [error] = several if len(several) == 1 else [DecodeError("work travels one by one")]
        if isinstance(error, DecodeError):
            await self._parking.park_message(message, error, queue=self._queue)
        with speaking():
            await message.ack()

    async def _handle_one(self, taken: Taken) -> None:
        try:
            with consuming(self._queue, (taken.event,)), speaking_of((taken.event,)):
                await self._handle(taken)
        except Exception as error:
            _log.error("work failed", queue=self._queue, **names(taken.event), exc_info=error)
            if not (isinstance(error, FilemillError) and error.retryable):
                await self._parking.park_event(taken.event, *reason(error), queue=self._queue)
            elif not taken.is_acknowledged:
                # The channel is closed on it, so that the message comes again, here or elsewhere.
                raise BrokerUnavailableError(f"work failed and comes again: {error}") from error
        await taken.acknowledge()
