"""Listening to what happens now: a queue of one's own for as long as the connection lasts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aio_pika.abc import AbstractIncomingMessage

from filemill_common.cancelling import cancel
from filemill_common.events import Event
from filemill_common.messaging.codec import DecodeError
from filemill_common.messaging.consumer import received
from filemill_common.messaging.link import Line, Link, speaking

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
        handle: Is handed each event, one at a time.
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
        self._exchange = exchange
        self._keys = tuple(keys)
        self._handle = handle
        self._arguments: dict[str, Any] = (
            {"x-max-length": max_length, "x-overflow": "drop-head"} if max_length else {}
        )
        self.listening = asyncio.Event()
        self._task = link.spawn(link.keep(self._use, doing=f"listening to {exchange}"))

    async def stop(self) -> None:
        """Stop listening."""
        await cancel(self._task)

    async def _use(self, line: Line) -> None:
        turn = asyncio.Lock()

        async def arrive(message: AbstractIncomingMessage) -> None:
            async with turn:
                await self._hand_over(message)

        try:
            with speaking():
                queue = await line.channel.declare_queue(
                    exclusive=True, auto_delete=True, arguments=self._arguments
                )
                for key in self._keys:
                    await queue.bind(self._exchange, key)
                await queue.consume(arrive, no_ack=True)
            self.listening.set()
            while True:
                await line.wait()
        finally:
            self.listening.clear()

    async def _hand_over(self, message: AbstractIncomingMessage) -> None:
        for event in received(message):
            if isinstance(event, DecodeError):  # not ours to park: it was sent to others too
                _log.debug("something else was published here", exchange=self._exchange, error=str(event))
                continue
            try:
                await self._handle(event)
            except Exception as error:  # noqa: BLE001 - the next one may be handled
                _log.error("an event could not be handled", exchange=self._exchange, exc_info=error)
