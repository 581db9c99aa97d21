"""Slots: each holds at most one delivery at a time, and lets go of it early when its work becomes long."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from filemill_common.errors import FilemillError
from filemill_common.events import Event
from filemill_common.health import Health
from filemill_common.messaging.codec import DecodeError
from filemill_common.messaging.consumer import received, rejection
from filemill_common.messaging.link import LOST, BrokerUnavailableError, Link, set_when_lost
from filemill_common.messaging.parking import Parking
from filemill_common.telemetry import consuming

_log = structlog.get_logger(__name__)


class Taken:
    """A delivery in hand; acknowledged when its handler returns, or before, when it is detached.

    Attributes:
        event: What was delivered.
        redelivered: Whether it may have been delivered before.
    """

    def __init__(self, slot: "Slot", message: AbstractIncomingMessage, event: Event) -> None:
        self.event = event
        self.redelivered = bool(message.redelivered)
        self._slot = slot
        self._message = message
        self._acknowledged = False

    async def detach(self) -> None:
        """Take nothing more in this slot, then acknowledge: from now on the broker protects it no more."""
        await self._slot._let_go()  # noqa: SLF001 - the two are one mechanism
        await self.acknowledge()

    async def acknowledge(self) -> None:
        """Acknowledge once; on a channel that was lost there is nothing to acknowledge."""
        if self._acknowledged:
            return
        self._acknowledged = True
        try:
            await self._message.ack()
        except (BrokerUnavailableError, *LOST) as error:
            _log.debug("a delivery could not be acknowledged, and comes again", error=str(error))


TakenHandler = Callable[[Taken], Awaitable[None]]


class Slot:
    """Takes one delivery at a time from a queue, on a channel of its own with one consumer.

    Args:
        link: The connection.
        parking: Keeps what cannot be read or handled.
        health: Is told whether the queue is consumed.
        queue: Its name.
        handle: Handles a delivery, however long it takes.
    """

    def __init__(
        self, link: Link, parking: Parking, health: Health, *, queue: str, handle: TakenHandler
    ) -> None:
        self._link = link
        self._parking = parking
        self._health = health
        self._queue = queue
        self._handle = handle
        self._check = f"consuming {queue}"
        self._paused = False
        self._stopping = False
        self._changed = asyncio.Event()
        self._consumer: tuple[AbstractQueue, str] | None = None
        self._task: asyncio.Task[None] | None = None
        health.set(self._check, ok=False, detail="not yet")

    async def start(self) -> None:
        """Begin to take."""
        self._task = asyncio.create_task(self._run())

    async def pause(self) -> None:
        """Take nothing more; what is in hand goes on."""
        self._paused = True
        await self._let_go()
        self._changed.set()

    async def resume(self) -> None:
        """Take again."""
        self._paused = False
        self._changed.set()

    async def stop(self) -> None:
        """Take nothing more, and return when what is in hand is done."""
        self._stopping = True
        self._changed.set()
        if self._task is not None:
            await self._task

    async def _let_go(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            queue, tag = consumer
            try:
                await queue.cancel(tag)
            except (BrokerUnavailableError, *LOST) as error:
                _log.debug("the consumer was gone already", error=str(error))

    async def _run(self) -> None:
        while not self._stopping:
            if self._paused or not self._link.is_up:
                await self._wait(self._link.up() if not self._link.is_up else None)
                continue
            try:
                async with self._link.channel() as channel:
                    await self._take_all(channel)
            except (BrokerUnavailableError, *LOST) as error:
                _log.warning("taking was interrupted", queue=self._queue, error=str(error))
                await asyncio.sleep(0.1)
            self._consumer = None

    async def _take_all(self, channel: AbstractChannel) -> None:
        """Take one delivery after the other on one channel, until it is lost or we stop."""
        inbox: list[AbstractIncomingMessage] = []
        lost = asyncio.Event()

        async def arrive(message: AbstractIncomingMessage) -> None:
            inbox.append(message)
            self._changed.set()

        await set_when_lost(channel, lost, self._changed)
        await channel.set_qos(prefetch_count=1)
        queue = await channel.get_queue(self._queue, ensure=False)
        while not (self._stopping or lost.is_set()):
            if inbox:
                await self._deal_with(inbox.pop())
                continue
            if self._consumer is None and not self._paused:
                self._consumer = (queue, await queue.consume(arrive))
                self._health.set(self._check, ok=True, detail="consuming")
            await self._wait(None)
        self._health.set(self._check, ok=False, detail="interrupted")

    async def _wait(self, other: Awaitable[None] | None) -> None:
        """Wait until something changed, or for ``other``."""
        waiting = [asyncio.ensure_future(self._changed.wait())]
        if other is not None:
            waiting.append(asyncio.ensure_future(other))  # type: ignore[arg-type]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        self._changed.clear()

    async def _deal_with(self, message: AbstractIncomingMessage) -> None:
        try:
            [event] = received(message)
        except (DecodeError, ValueError) as error:
            refused = error if isinstance(error, DecodeError) else DecodeError("work travels one by one")
            await self._parking.park(
                message.body, message.content_type, rejection(refused), queue=self._queue
            )
            await message.ack()
            return
        taken = Taken(self, message, event)
        try:
            with consuming(self._queue, (event,)):
                await self._handle(taken)
        except Exception as error:  # noqa: BLE001 - parked with its reason
            code = error.code if isinstance(error, FilemillError) else "internal"
            _log.error("work cannot be handled", queue=self._queue, event=event.id, exc_info=error)
            await self._parking.park_event(event, code, str(error), queue=self._queue)
        await taken.acknowledge()
