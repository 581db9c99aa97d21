"""The bus as other systems use it: they send, they listen to what is told, and they repeat what they saw."""

import asyncio
import heapq
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from yarl import URL

from tests.chaos.journal import Journal

OBSERVER: Final = "chaos.observer"
FOREIGN: Final = "chaos.foreign"
COPIES: Final = "chaos.copies"
_COPY: Final = "x-chaos-copy"
_PAUSE: Final = 0.5
_ALIVE: Final = 10.0

_ERRORS: Final = (
    OSError,
    TimeoutError,
    aio_pika.exceptions.AMQPError,
    aiormq.exceptions.AMQPError,
    RuntimeError,
)


def event(what: str, about: str, data: dict[str, Any], *, kind: str = "task") -> bytes:
    """Write an event about a task or workflow as another system does."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"{about}-{what}",
            "type": f"io.filemill.{kind}.{what.partition('.')[0]}.v1",
            "source": "/other",
            "subject": about,
            "time": datetime.now(UTC).isoformat(),
            "data": data,
        }
    ).encode()


class Bus:
    """RabbitMQ, which may be away.

    Args:
        url: Where it is, without a proxy.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def publish(
        self, exchange: str, messages: Sequence[tuple[str, bytes]], *, message_id: str | None = None
    ) -> None:
        """Publish bodies by their routing keys, one after the other, until all are confirmed."""
        while True:
            try:
                async with self.channel() as channel:
                    target = await channel.get_exchange(exchange, ensure=False)
                    for key, body in messages:
                        sent = aio_pika.Message(
                            body,
                            message_id=message_id,
                            content_type="application/cloudevents+json",
                            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                        )
                        await target.publish(sent, key, timeout=_ALIVE)
                    return
            except _ERRORS:
                await asyncio.sleep(_PAUSE)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """Give a channel with confirms, on a connection of its own."""
        connection = aio_pika.Connection(URL(self._url))
        try:
            await asyncio.wait_for(connection.connect(timeout=_ALIVE), 2 * _ALIVE)
            yield await connection.channel(on_return_raises=True)
        finally:
            try:
                await asyncio.wait_for(connection.close(), _ALIVE)
            finally:
                # One that could say no goodbye counts as open, and would say it in whatever thread frees it.
                await connection.close()

    async def keep(self, use: Callable[[AbstractChannel], Awaitable[None]]) -> None:
        """Use a channel for ever: again whenever it has broken."""
        while True:
            try:
                async with self.channel() as channel:
                    await use(channel)
            except _ERRORS:
                await asyncio.sleep(_PAUSE)


class Observer:
    """Notes what is told to everybody, in a queue that outlives the broker.

    Args:
        journal: Is told what arrived.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.heard = 0

    async def declare(self, channel: AbstractChannel) -> None:
        """Bind a queue for us, and one that nobody reads."""
        for name in (OBSERVER, FOREIGN):
            queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind("filemill.events", "#")

    async def listen(self, channel: AbstractChannel) -> None:
        """Note what is told until the channel breaks."""
        await channel.set_qos(prefetch_count=500)
        queue = await channel.get_queue(OBSERVER)
        async with queue.iterator() as messages:
            async for message in messages:
                self._note(message)
                await message.ack()

    def _note(self, message: AbstractIncomingMessage) -> None:
        if message.delivery_mode != aio_pika.DeliveryMode.PERSISTENT or message.body == b"no event":
            return
        told = json.loads(message.body)
        for each in told if isinstance(told, list) else [told]:
            self.heard += 1
            self._journal.write(
                "told",
                event_id=each["id"],
                type=each["type"],
                subject=each.get("subject"),
                sequence=each["data"].get("sequence"),
                data=each["data"],
            )


@dataclass(order=True, slots=True)
class _Copy:
    due: float
    exchange: str = field(compare=False)
    message: AbstractIncomingMessage = field(compare=False)


class Repeater:
    """Keeps copies of some of what is sent to schedulers and workers, and sends them again, late and mixed.

    Args:
        journal: Is told how many were sent again.
        seed: Of which, and when.
        share: How many of all.
        partitions: How many the scheduler has.
    """

    def __init__(self, journal: Journal, *, seed: int, share: float, partitions: int) -> None:
        self._journal = journal
        self._luck = Random(f"{seed} repeater")
        self._share = share
        self._partitions = partitions
        self._copies: list[_Copy] = []
        self.repeated = 0

    async def declare(self, channel: AbstractChannel) -> None:
        """Bind a queue that gets a copy of all that schedulers and workers get."""
        queue = await channel.declare_queue(COPIES, durable=True, arguments={"x-queue-type": "quorum"})
        for partition in range(self._partitions):
            await queue.bind("filemill.scheduler", str(partition))
        await queue.bind("filemill.work", "#")

    async def collect(self, channel: AbstractChannel) -> None:
        """Keep copies until the channel breaks."""
        await channel.set_qos(prefetch_count=500)
        queue = await channel.get_queue(COPIES)
        async with queue.iterator(no_ack=True) as messages:
            async for message in messages:
                if _COPY not in message.headers and self._luck.random() < self._share:
                    late = min(60.0, self._luck.expovariate(1 / 8))
                    due = asyncio.get_running_loop().time() + late
                    heapq.heappush(self._copies, _Copy(due, message.exchange or "", message))

    async def repeat(self, channel: AbstractChannel) -> None:
        """Send what is due again until the channel breaks."""
        while True:
            await asyncio.sleep(1)
            now = asyncio.get_running_loop().time()
            due: list[_Copy] = []
            while self._copies and self._copies[0].due <= now:
                due.append(heapq.heappop(self._copies))
            self._luck.shuffle(due)
            for copy in due:
                exchange = await channel.get_exchange(copy.exchange, ensure=False)
                await exchange.publish(_again(copy.message), copy.message.routing_key or "", timeout=_ALIVE)
            if due:
                self.repeated += len(due)
                self._journal.write("fault", name="repeat", target=f"{len(due)} messages")


def _again(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers={**message.headers, _COPY: 1},
        content_type=message.content_type,
        message_id=message.message_id,
        type=message.type,
        delivery_mode=message.delivery_mode,
    )
