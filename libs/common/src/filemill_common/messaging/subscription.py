"""Listening to what happens now: a queue of one's own for as long as the connection lasts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from filemill_common.events import Event
from filemill_common.messaging.codec import DecodeError
from filemill_common.messaging.consumer import received
from filemill_common.messaging.link import LOST, BrokerUnavailableError, Link, set_when_lost

_log = structlog.get_logger(__name__)

EventHandler = Callable[[Event], Awaitable[None]]


class Subscription:
    """Hands over what is published from now on; what is published while the line is cut is lost.

    The queue is exclusive and named by the broker, so each connection has a new one: an exclusive name stays
    locked after a cut line until the broker notices.

    Args:
        link: The connection.
        exchange: Where to listen.
        keys: Routing keys to listen to.
        handle: Is handed each event.
        max_length: The most messages that wait, the oldest being dropped; None for no bound.
    """

    def __init__(
        self,
        link: Link,
        *,
        exchange: str,
        keys: Sequence[str],
        handle: EventHandler,
        max_length: int | None,
    ) -> None:
        self._link = link
        self._exchange = exchange
        self._keys = tuple(keys)
        self._handle = handle
        self._arguments: dict[str, Any] = (
            {"x-max-length": max_length, "x-overflow": "drop-head"} if max_length else {}
        )
        self.listening = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._link.up()
            try:
                async with self._link.channel() as channel:
                    await self._listen(channel)
            except (BrokerUnavailableError, *LOST) as error:
                _log.warning("listening was interrupted", exchange=self._exchange, error=str(error))
                await asyncio.sleep(0.1)
            finally:
                self.listening.clear()

    async def _listen(self, channel: AbstractChannel) -> None:
        lost = asyncio.Event()
        await set_when_lost(channel, lost)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True, arguments=self._arguments)
        for key in self._keys:
            await queue.bind(self._exchange, key)
        await queue.consume(self._arrive, no_ack=True)
        self.listening.set()
        await lost.wait()

    async def _arrive(self, message: AbstractIncomingMessage) -> None:
        try:
            events = received(message)
        except DecodeError as error:  # not ours to park: others have their own copy
            _log.debug("something else was published here", exchange=self._exchange, error=str(error))
            return
        for event in events:
            await self._handle(event)
