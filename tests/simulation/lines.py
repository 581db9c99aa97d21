"""Connections and channels as `aio_pika` shows them, with what they sent and what was delivered on them."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiormq.exceptions import ChannelInvalidStateError, PublishError

from tests.simulation.queues import Consumer, Entry, Letter, Queue
from tests.simulation.world import Process

if TYPE_CHECKING:
    from tests.simulation.broker import Broker

_APART = 1e-6
"""Seconds between two messages on a line, which keeps their order."""


class ReturnedError(PublishError):
    """A message that no queue takes, without the frames that say so."""

    def __init__(self) -> None:
        Exception.__init__(self)

    def __str__(self) -> str:
        return "no queue takes it"


class Connection:
    """A connection of a process."""

    def __init__(self, broker: "Broker", process: Process) -> None:
        self.broker = broker
        self.process = process
        self.is_open = True
        self.close_callbacks: set[Any] = set()
        self.channels: list[Channel] = []
        self.exclusive: list[Queue] = []
        self.sending: dict[asyncio.Future[bool], None] = {}
        self.context = contextvars.copy_context()

    def channel(self, **_: object) -> "Channel":
        channel = Channel(self)
        self.channels.append(channel)
        return channel

    def drop(self) -> None:
        """Be cut: nothing in hand is acknowledged, nothing on its way is confirmed."""
        if not self.is_open:
            return
        self.is_open = False
        self.broker.connections.remove(self)
        self.broker.world.note("broker", "lost the line of", self.process.name)
        for channel in self.channels:
            channel.end()
        for queue in self.exclusive:
            self.broker.delete(queue)
        for future in list(self.sending):
            if not future.done():
                future.set_exception(ConnectionError("the line was cut"))
        for callback in list(self.close_callbacks):
            callback(self, None)

    async def close(self) -> None:
        await self.process.point("close")
        self.drop()


class Channel:
    """A channel: in order, with what it delivered and nobody acknowledged yet."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.broker = connection.broker
        self.process = connection.process
        self.is_open = True
        self.prefetch = 0
        self.unacked: dict[int, tuple[Queue, Entry]] = {}
        self.consumers: list[Consumer] = []
        self.close_callbacks: set[Any] = set()
        self.on_consumer_cancel_callbacks: set[Any] = set()
        self._arrives_at = 0.0
        self._delivers_at = 0.0
        self._tags = 0

    @property
    def is_closed(self) -> bool:
        return not self.is_open

    @property
    def has_room(self) -> bool:
        return not self.prefetch or len(self.unacked) < self.prefetch

    def check(self) -> None:
        if not self.is_open:
            raise ChannelInvalidStateError("the channel is closed")

    async def initialize(self) -> None:
        await self.process.point("channel")
        if not self.connection.is_open:
            raise ConnectionError("the line was cut")

    async def get_underlay_channel(self) -> "Channel":
        return self

    async def set_qos(self, *, prefetch_count: int) -> None:
        self.check()
        self.prefetch = prefetch_count

    async def declare_exchange(self, name: str, *_: object, **__: object) -> SimpleNamespace:
        self.check()
        return SimpleNamespace(name=name)

    async def declare_queue(
        self, name: str | None = None, *, exclusive: bool = False, arguments: Any = None, **_: object
    ) -> "Handle":
        self.check()
        queues = self.broker.queues
        name = name or self.broker.world.new_id()
        if name not in queues:
            single = bool((arguments or {}).get("x-single-active-consumer"))
            queues[name] = Queue(name, single, durable=not exclusive)
            if exclusive:
                self.connection.exclusive.append(queues[name])
        return Handle(self, queues[name])

    async def get_queue(self, name: str, **_: object) -> "Handle":
        self.check()
        return Handle(self, self.broker.queues[name])

    async def basic_publish(
        self, body: bytes, *, exchange: str, routing_key: str, properties: Any, mandatory: bool, **_: object
    ) -> None:
        """Send a message, and return when the broker has it."""
        await self.process.point("publish.before")
        self.check()
        loop, luck = self.broker.world.loop, self.broker.world.luck
        self._arrives_at = max(self._arrives_at + _APART, loop.time() + luck.random() * 0.004)
        letter = self.broker.letter(exchange, routing_key, body, properties, mandatory=mandatory)
        confirmed: asyncio.Future[bool] = loop.create_future()
        self.connection.sending[confirmed] = None
        loop.call_at(self._arrives_at, self._arrive, letter, confirmed)
        try:
            was_routed = await confirmed
        finally:
            del self.connection.sending[confirmed]
        await self.process.point("publish.after")
        if not was_routed:
            raise ReturnedError

    def _arrive(self, letter: Letter, confirmed: asyncio.Future[bool]) -> None:
        world = self.broker.world
        is_cut = not self.connection.is_open
        if is_cut and world.luck.chance(0.5):
            world.note(self.process.name, "sent in vain", letter)
            return
        is_unconfirmed = world.faults_on and world.luck.chance(world.faults.unconfirmed)
        routed = (is_unconfirmed and world.luck.chance(0.5)) or self.broker.route(letter)
        if is_cut or confirmed.done():
            return
        if is_unconfirmed:
            world.note("broker", "does not confirm", letter)
            self.process.disturb()
            confirmed.set_exception(TimeoutError())
        else:
            confirmed.set_result(routed or not letter.mandatory)

    def send(self, consumer: Consumer, entry: Entry) -> None:
        """Hand a message to a consumer of this channel."""
        self._tags += 1
        tag = self._tags
        if not consumer.no_ack:
            self.unacked[tag] = (consumer.queue, entry)
            consumer.queue.unacked += 1
        loop = self.broker.world.loop
        self._delivers_at = max(
            self._delivers_at + _APART, loop.time() + self.broker.world.luck.random() * 0.003
        )
        loop.call_at(self._delivers_at, self._hand_over, consumer, entry, tag)

    def _hand_over(self, consumer: Consumer, entry: Entry, tag: int) -> None:
        if self.is_open:
            message = Message(self, entry, tag)
            work = self._received(consumer, message)
            self.broker.world.loop.create_task(work, context=self.connection.context)

    async def _received(self, consumer: Consumer, message: "Message") -> None:
        await self.process.point("deliver")
        await consumer.callback(message)

    async def close(self) -> None:
        await self.process.point("close")
        self.end()

    def end(self) -> None:
        """Let go of all that was delivered here and not acknowledged; it comes again, in its place."""
        if not self.is_open:
            return
        self.is_open = False
        concerned = {id(each.queue): each.queue for each in self.consumers}
        for consumer in self.consumers:
            consumer.queue.consumers.remove(consumer)
        for queue, entry in self.unacked.values():
            entry.redelivered = True
            queue.unacked -= 1
            queue.put(entry)
            concerned[id(queue)] = queue
        self.unacked.clear()
        self.consumers.clear()
        for callback in list(self.close_callbacks):
            callback(self, None)
        for queue in concerned.values():
            self.broker.pump(queue)

    def settle(self, tag: int, *, multiple: bool) -> None:
        """Take an acknowledgement."""
        for each in [known for known in self.unacked if known == tag or (multiple and known < tag)]:
            queue, _ = self.unacked.pop(each)
            queue.unacked -= 1
        for consumer in self.consumers:
            self.broker.pump(consumer.queue)


class Message:
    """A delivered message."""

    def __init__(self, channel: Channel, entry: Entry, tag: int) -> None:
        properties = entry.letter.properties
        self.body = entry.letter.body
        self.content_type = properties.content_type
        self.headers = properties.headers or {}
        self.type = properties.message_type
        self.message_id = properties.message_id
        self.correlation_id = properties.correlation_id
        self.reply_to = properties.reply_to
        self.redelivered = entry.redelivered
        self._channel = channel
        self._tag = tag

    async def ack(self, *, multiple: bool = False) -> None:
        await self._channel.process.point("ack.before")
        self._channel.check()
        self._channel.settle(self._tag, multiple=multiple)
        await self._channel.process.point("ack.after")


class Handle:
    """A queue as a channel sees it."""

    def __init__(self, channel: Channel, queue: Queue) -> None:
        self.channel = channel
        self.queue = queue
        self.declaration_result = SimpleNamespace(message_count=len(queue.ready))

    async def bind(self, exchange: Any, key: str) -> None:
        self.channel.broker.bind(getattr(exchange, "name", exchange), key, self.queue)

    async def consume(self, callback: Callable[[Any], Awaitable[None]], *, no_ack: bool = False) -> str:
        await self.channel.process.point("consume")
        self.channel.check()
        consumer = Consumer(self.channel.broker.world.new_id(), self.queue, self.channel, callback, no_ack)
        self.queue.consumers.append(consumer)
        self.channel.consumers.append(consumer)
        self.channel.broker.pump(self.queue)
        return consumer.tag

    async def cancel(self, tag: str) -> None:
        await self.channel.process.point("cancel")
        self.channel.check()
        for consumer in [each for each in self.channel.consumers if each.tag == tag]:
            self.queue.consumers.remove(consumer)
            self.channel.consumers.remove(consumer)
        self.channel.broker.pump(self.queue)
