"""A bus on an empty virtual host of a real broker, a line that can be cut, and a second pair of eyes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from filemill_common.health import Health
from filemill_common.messaging import Batch, Bus, Topology


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def topology() -> Topology:
    return Topology(partitions=2)


@pytest.fixture
async def bus(vhost_url: str, topology: Topology, health: Health) -> AsyncIterator[Bus]:
    async with Bus(vhost_url, service="test", topology=topology, health=health) as bus:
        yield bus


class Wire:
    """A TCP proxy: the line between a bus and its broker, in the test's hand."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._parts = parts
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._own_port = 0
        self._swallowed: set[asyncio.StreamWriter] = set()
        self.connections = 0

    @property
    def url(self) -> str:
        return self._parts._replace(netloc=f"guest:guest@127.0.0.1:{self._own_port}").geturl()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break the connections there are; new ones are let through."""
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def stay_cut(self) -> None:
        """Break the connections there are, and refuse others until it is mended."""
        assert self._server is not None
        self._server.close()
        await self.cut()

    def swallow(self) -> None:
        """Let all that is sent on the connections there are vanish; new ones are let through."""
        self._swallowed |= self._writers

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        both = {writer, far_writer}
        self._writers |= both
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._writers -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if writer not in self._swallowed:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def wire(vhost_url: str) -> AsyncIterator[Wire]:
    wire = Wire(vhost_url)
    await wire.mend()
    yield wire
    await wire.stay_cut()


@pytest.fixture
async def wired(wire: Wire, topology: Topology, health: Health) -> AsyncIterator[Bus]:
    """A bus whose line can be cut."""
    async with Bus(wire.url, service="test", topology=topology, health=health) as bus:
        yield bus


class Eyes:
    """Looks at the broker by a connection of its own."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel

    async def next(self, queue: str, *, within: float = 5) -> AbstractIncomingMessage:
        """Take the next message of a queue."""
        found = await self.channel.get_queue(queue, ensure=False)
        async with asyncio.timeout(within):
            while (message := await found.get(no_ack=True, fail=False)) is None:
                await asyncio.sleep(0.01)
        return message

    async def put(self, queue: str, body: bytes, *, content_type: str | None = None, **headers: str) -> None:
        """Publish whatever it is to a queue."""
        message = aio_pika.Message(body, content_type=content_type, headers=dict(headers))
        await self.channel.default_exchange.publish(message, queue)


@asynccontextmanager
async def looking(url: str) -> AsyncIterator[Eyes]:
    connection = await aio_pika.connect(url)
    yield Eyes(await connection.channel())
    await connection.close()


@pytest.fixture
async def eyes(vhost_url: str) -> AsyncIterator[Eyes]:
    async with looking(vhost_url) as eyes:
        yield eyes


@dataclass
class Seen:
    """A handler that takes all of each batch, and remembers it."""

    batches: list[Batch] = field(default_factory=list)

    async def __call__(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(batch.events)

    @property
    def subjects(self) -> list[str]:
        return [event.subject for batch in self.batches for event in batch.events]


@pytest.fixture
def seen() -> Seen:
    return Seen()


Until = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait until something is so, at most ten seconds."""

    async def wait(is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0.005)

    return wait
