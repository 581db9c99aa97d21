"""One connection to RabbitMQ, made again whenever it is lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError

from filemill_common.errors import FilemillError
from filemill_common.health import Health
from filemill_common.messaging.topology import EXCHANGES, Topology

HEARTBEAT: Final = 5
"""Seconds; a cut line is noticed after two, well within a lease."""

LOST: Final = (AMQPError, ConnectionError, OSError, TimeoutError, RuntimeError)
"""What a lost connection or channel shows as; RuntimeError for a channel that was never opened."""

_LONGEST_PAUSE: Final = 2.0
_TIMEOUT: Final = 10.0

_log = structlog.get_logger(__name__)


class BrokerUnavailableError(FilemillError):
    """RabbitMQ cannot be reached, or does not confirm; what was asked may be asked again."""

    code = "broker_unavailable"
    retryable = True


async def set_when_lost(channel: AbstractChannel, *signals: asyncio.Event) -> None:
    """Set signals when a channel closes, or when the broker drops its consumer (a deleted queue)."""

    def lost(*_: object) -> None:
        for signal in signals:
            signal.set()

    channel.close_callbacks.add(lost)
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lost)


class Link:
    """Keeps one connection, and gives channels on whatever connection there is.

    The whole durable topology is declared on each new connection before anybody uses it, so that no
    order of starts loses a message.

    Args:
        url: Where RabbitMQ is.
        name: Shown in its management pages.
        topology: What is declared.
        health: Is told whether there is a connection (check ``broker``).
    """

    def __init__(self, url: str, *, name: str, topology: Topology, health: Health) -> None:
        self._url = url
        self._name = name
        self._topology = topology
        self._health = health
        self._connection: AbstractConnection | None = None
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and stay connected; waits for the broker for ever."""
        self._keeper = asyncio.create_task(self._keep())
        await self._connected.wait()

    async def close(self) -> None:
        """Close the connection, with all its channels."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._connected.clear()
        if self._connection is not None:
            await self._connection.close()

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now."""
        return self._connected.is_set()

    async def up(self) -> None:
        """Wait until there is a connection."""
        await self._connected.wait()

    @asynccontextmanager
    async def channel(self, *, confirms: bool = False) -> AsyncIterator[AbstractChannel]:
        """Open a channel on the present connection; it is closed at the end, without cancelling first.

        Args:
            confirms: Whether it is for publishing with confirms, on which a returned message raises.

        Raises:
            BrokerUnavailableError: There is no connection.
        """
        async with _channel(self._present(), confirms=confirms) as channel:
            yield channel

    async def declare(self) -> None:
        """Declare the whole durable topology; what is there already stays as it is.

        Raises:
            BrokerUnavailableError: There is no connection.
        """
        await _declare(self._present(), self._topology)

    def _present(self) -> AbstractConnection:
        if self._connection is None or not self.is_up:
            raise BrokerUnavailableError("there is no connection to RabbitMQ")
        return self._connection

    async def _keep(self) -> None:
        pause = 0.1
        while True:
            try:
                closed = await self._connect()
            except LOST as error:
                self._health.set("broker", ok=False, detail="not connected")
                _log.warning("RabbitMQ cannot be reached", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads clients out
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause = 0.1
            await closed.wait()
            self._connected.clear()
            self._health.set("broker", ok=False, detail="connection lost")

    async def _connect(self) -> asyncio.Event:
        closed = asyncio.Event()
        connection = await aio_pika.connect(
            self._url,
            timeout=_TIMEOUT,
            heartbeat=HEARTBEAT,
            client_properties={"connection_name": self._name},
        )
        connection.close_callbacks.add(lambda *_: closed.set())
        try:
            await _declare(connection, self._topology)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._connected.set()
        self._health.set("broker", ok=True, detail="connected")
        return closed


@asynccontextmanager
async def _channel(connection: AbstractConnection, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
    channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    try:
        async with asyncio.timeout(_TIMEOUT):
            await channel.initialize()
        yield channel
    finally:
        if channel.is_initialized and not channel.is_closed:
            async with asyncio.timeout(_TIMEOUT):
                await channel.close()


async def _declare(connection: AbstractConnection, topology: Topology) -> None:
    async with _channel(connection, confirms=False) as channel:
        exchanges = {
            each.name: await channel.declare_exchange(each.name, each.kind, durable=True)
            for each in EXCHANGES
        }
        for queue in topology.queues():
            declared = await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
            for exchange, key in queue.bindings:
                await declared.bind(exchanges[exchange], key)
