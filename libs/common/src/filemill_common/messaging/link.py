"""One connection to RabbitMQ, made again whenever it is lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, TimeoutType
from aio_pika.exceptions import ConnectionClosed
from aiormq.abc import ExceptionType

from filemill_common.cancelling import cancel
from filemill_common.errors import FilemillError
from filemill_common.health import Health
from filemill_common.messaging import lenient
from filemill_common.messaging.topology import EXCHANGES, Topology

HEARTBEAT: Final = 5
"""Seconds. The broker gives up a cut line after 10 to 12, aiormq after 18, both within a lease; with less, an
event loop that is busy for some seconds would count as dead."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_TIMEOUT: Final = 10.0
_LOOK_EVERY: Final = 0.25
"""Seconds between looks whether the broker takes what is published."""

_BLOCKED: Final = "RabbitMQ takes nothing: it has a memory or disk alarm"

_log = structlog.get_logger(__name__)

lenient.install()


class BrokerUnavailableError(FilemillError):
    """RabbitMQ cannot be reached, or does not confirm; what was asked may be asked again."""

    code = "broker_unavailable"
    retryable = True


class UnroutableError(BrokerUnavailableError):
    """No queue takes a message, even after the topology was declared again."""


@contextmanager
def speaking() -> Iterator[None]:
    """Make ours whatever goes wrong between us and the broker; hold nothing else inside.

    aiormq rejects all that waits on a lost channel with what closed it, which may also be a bare
    ``Exception``, or a ``CancelledError`` that nobody asked for.

    Raises:
        BrokerUnavailableError: The line was lost, or the broker refused.
    """
    try:
        yield
    except BrokerUnavailableError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailableError("RabbitMQ closed the line") from error
    except Exception as error:
        raise BrokerUnavailableError(f"RabbitMQ failed us: {type(error).__name__}: {error}") from error


class Line:
    """One channel for as long as it lives; what it delivered is worth nothing after.

    Attributes:
        channel: The channel.
        changed: Set by whoever has news for the one that waits.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self.changed = asyncio.Event()
        self._is_lost = False

    async def watch(self) -> None:
        """Notice when the channel closes, and when the broker drops its consumer (its queue was deleted)."""
        self.channel.close_callbacks.add(self._lose)
        underlay = await self.channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._lose)

    def check(self) -> None:
        """Go on only on a line that is there.

        Raises:
            BrokerUnavailableError: It was lost.
        """
        if self._is_lost:
            raise BrokerUnavailableError("the channel was lost")

    async def wait(self) -> None:
        """Wait until something changed.

        Raises:
            BrokerUnavailableError: The line was lost.
        """
        self.check()
        await self.changed.wait()
        self.changed.clear()
        self.check()

    def _lose(self, *_: object) -> None:
        self._is_lost = True
        self.changed.set()


class Link:
    """Keeps one connection, and gives channels on whatever connection there is.

    The whole durable topology is declared on each new connection before anybody uses it, so that no
    order of starts loses a message. One that is given is looked for instead: what is missing counts as a
    broker that is not there yet.

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
        self._is_blocked = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect, and stay connected; waits for the broker for ever."""
        self.spawn(self._stay_connected())
        await self._connected.wait()

    async def close(self) -> None:
        """End what runs here, and close the connection with all its channels."""
        await cancel(*self._tasks)
        self._connected.clear()
        if self._connection is not None:
            await _close(self._connection)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something for as long as the link is open."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Open a channel on the present connection; it ends with it at the latest.

        Args:
            confirms: Whether it is for publishing with confirms, on which a returned message raises.

        Raises:
            BrokerUnavailableError: There is no connection.
        """
        return await _open(self._present(), confirms=confirms)

    def check_open(self) -> None:
        """Go on only if the broker takes what is published.

        Raises:
            BrokerUnavailableError: It has a memory or disk alarm, and takes nothing until that is over.
        """
        if self._is_blocked:
            raise BrokerUnavailableError(_BLOCKED)

    async def declare(self) -> None:
        """Declare the whole durable topology, or look for it; what is there already stays as it is.

        Raises:
            BrokerUnavailableError: There is no connection, or something is missing that is given.
        """
        await _declare(self._present(), self._topology)

    async def keep(self, use: Callable[[Line], Awaitable[None]], *, doing: str) -> None:
        """Use a channel, and another whenever it is lost, until ``use`` returns or this is cancelled.

        The channel is closed without cancelling its consumer first: that would hand later messages to the
        next consumer before the earlier ones.

        Args:
            use: Raises BrokerUnavailableError when the line is lost; after any error it is called again.
            doing: What for, in a few words for people.
        """
        pause = _FIRST_PAUSE
        while True:
            await self._connected.wait()
            connection, began = self._connection, asyncio.get_running_loop().time()
            try:
                async with self._line() as line:
                    return await use(line)
            except BrokerUnavailableError as error:
                _log.warning("interrupted", doing=doing, error=str(error))
            except Exception as error:  # noqa: BLE001 - nothing was acknowledged, so it all comes again
                _log.error("interrupted by a fault", doing=doing, exc_info=error)
            lasted = asyncio.get_running_loop().time() - began
            pause = _FIRST_PAUSE if lasted > _LONGEST_PAUSE else min(_LONGEST_PAUSE, pause * 2)
            await asyncio.sleep(pause)
            if connection is self._connection:
                await self._repair()

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Line]:
        channel = await self.channel()
        try:
            line = Line(channel)
            with speaking():
                await line.watch()
            yield line
        finally:
            with speaking():
                async with asyncio.timeout(_TIMEOUT):
                    await channel.close()

    async def _repair(self) -> None:
        """Declare what may be gone, since the connection is still the one on which a channel was lost."""
        try:
            await self.declare()
        except BrokerUnavailableError as error:
            _log.warning("the topology could not be declared", error=str(error))

    def _present(self) -> AbstractConnection:
        if self._connection is None or not self._connected.is_set():
            raise BrokerUnavailableError("there is no connection to RabbitMQ")
        return self._connection

    async def _stay_connected(self) -> None:
        pause = _FIRST_PAUSE
        said = ""
        while True:
            try:
                closed = await self._connect()
            except BrokerUnavailableError as error:
                self._health.set("broker", ok=False, detail=str(error))
                if str(error) != said:
                    said = str(error)
                    _log.warning("RabbitMQ cannot be used yet", error=said)
                # Spread out, so that the clients of a restarted broker do not all come at once.
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause, said = _FIRST_PAUSE, ""
            looking = self.spawn(self._look_for_alarms())
            await closed.wait()
            await cancel(looking)
            self._connected.clear()
            self._is_blocked = False
            self._health.set("broker", ok=False, detail="connection lost")
            _log.warning("the connection to RabbitMQ was lost")
            if self._connection is not None:
                await _close(self._connection)

    async def _look_for_alarms(self) -> None:
        """Say whether the broker takes what is published; what it does not take would wait without a word."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            transport = self._present().transport
            if transport is None:
                return
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await transport.connection.ready()
            except TimeoutError:
                self._is_blocked = True
                self._health.set("broker", ok=False, detail=_BLOCKED)
                _log.warning("RabbitMQ has an alarm and takes nothing")
                await transport.connection.ready()
                self._is_blocked = False
                self._health.set("broker", ok=True, detail="connected")

    async def _connect(self) -> asyncio.Event:
        """Connect and declare; give what is set when the connection is lost."""
        closed = asyncio.Event()
        with speaking():
            connection = await aio_pika.connect(
                self._url,
                timeout=_TIMEOUT,
                heartbeat=HEARTBEAT,
                client_properties={"connection_name": self._name},
                connection_class=Connection,
            )
        connection.close_callbacks.add(lambda *_: closed.set())
        try:
            await _declare(connection, self._topology)
        except BaseException:
            await _close(connection)
            raise
        self._connection = connection
        self._connected.set()
        self._health.set("broker", ok=True, detail="connected")
        return closed


class Connection(aio_pika.Connection):
    """Is closed once it is of no use; otherwise the garbage collector would try to, in any thread."""

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109, D102 - of the library
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise

    async def close(self, exc: ExceptionType | None = ConnectionClosed) -> None:  # noqa: D102 - of the library
        try:
            await super().close(exc)
        finally:
            await super().close(exc)  # one that could say no goodbye counts as open until it is asked again


async def _close(connection: AbstractConnection) -> None:
    try:
        with speaking():
            async with asyncio.timeout(_TIMEOUT):
                await connection.close()
    except BrokerUnavailableError as error:
        _log.warning("the connection was not closed in order", error=str(error))


async def _open(connection: AbstractConnection, *, confirms: bool) -> AbstractChannel:
    with speaking():
        channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        async with asyncio.timeout(_TIMEOUT):
            await channel.initialize()
    return channel


async def _declare(connection: AbstractConnection, topology: Topology) -> None:
    """Declare everything, or, where it is given, see that it is there; bindings cannot be looked at."""
    passive = topology.given
    channel = await _open(connection, confirms=False)
    with speaking():
        async with asyncio.timeout(_TIMEOUT * 3):
            exchanges = {
                each.name: await channel.declare_exchange(each.name, each.kind, durable=True, passive=passive)
                for each in EXCHANGES
            }
            for queue in topology.queues():
                declared = await channel.declare_queue(
                    queue.name, durable=True, passive=passive, arguments=queue.arguments
                )
                for exchange, key in () if passive else queue.bindings:
                    await declared.bind(exchanges[exchange], key)
            await channel.close()
