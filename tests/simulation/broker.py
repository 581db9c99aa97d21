"""A virtual RabbitMQ, as far as `aio_pika` shows it: at least once, single active consumers, returns."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiormq.exceptions import ChannelInvalidStateError, PublishError

from filemill_common.messaging.topology import PARKING_LOT
from tests.simulation.world import PROCESS, Process, World

_APART = 1e-6
"""Seconds between two messages on a line, which keeps their order."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it was published."""

    number: int
    exchange: str
    key: str
    body: bytes
    properties: Any
    mandatory: bool

    def __str__(self) -> str:
        return f"#{self.number} {self.properties.message_type} {str(self.properties.message_id)[-12:]}"


@dataclass(slots=True)
class Entry:
    """A message in a queue."""

    letter: Letter
    position: int
    redelivered: bool = False


@dataclass(eq=False)
class Queue:
    """A queue; of several consumers one at a time has all of it, if it is single."""

    name: str
    single: bool
    durable: bool = True
    ready: deque[Entry] = field(default_factory=deque)
    consumers: list["Consumer"] = field(default_factory=list)
    unacked: int = 0

    def put(self, entry: Entry) -> None:
        """Put an entry where it was before, or at the end."""
        place = len(self.ready)
        while place and self.ready[place - 1].position > entry.position:
            place -= 1
        self.ready.insert(place, entry)


@dataclass(eq=False)
class Consumer:
    """Somebody who takes from a queue, on a channel."""

    tag: str
    queue: Queue
    channel: "Channel"
    callback: Callable[[Any], Awaitable[None]]
    no_ack: bool


class Broker:
    """Exchanges, queues, and the connections that processes have."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queues: dict[str, Queue] = {}
        self.bindings: dict[str, list[tuple[str, Queue]]] = {}
        self.unbound: set[str] = set()
        self.late = 0
        self.connections: list[Connection] = []
        self.is_away = False
        self.published: list[Letter] = []
        self._numbers = 0
        self._positions = 0

    async def connect(self, *_: object, **__: object) -> "Connection":
        """Do what `aio_pika.connect` does."""
        process = PROCESS.get()
        await process.point("connect")
        await asyncio.sleep(0.002)
        if self.is_away:
            raise ConnectionError("the broker is away")
        connection = Connection(self, process)
        self.connections.append(connection)
        process.ends.append(connection.drop)
        return connection

    def go_away(self, seconds: float) -> None:
        """Restart: all lines are cut, and nobody comes in for a while."""
        self.is_away = True
        self.world.note("broker", "went away", f"for {seconds:.1f} s")
        for connection in list(self.connections):
            connection.drop()
        self.world.loop.call_later(seconds, self._come_back)

    def _come_back(self) -> None:
        self.is_away = False
        self.world.note("broker", "came back")

    def bind(self, exchange: str, key: str, queue: Queue) -> None:
        known = self.bindings.setdefault(exchange, [])
        if (key, queue) not in known:
            known.append((key, queue))
        if self.world.luck.chance(0.5):
            self.unbound.discard(queue.name)

    def unbind(self, name: str, seconds: float) -> None:
        """Let a queue get nothing for a while, or until somebody binds it again."""
        self._disturb_workers()
        self.unbound.add(name)
        self.world.loop.call_later(seconds, self.unbound.discard, name)

    def delete(self, queue: Queue) -> None:
        self.queues.pop(queue.name, None)
        for known in self.bindings.values():
            known[:] = [each for each in known if each[1] is not queue]

    def letter(self, exchange: str, key: str, body: bytes, properties: Any, *, mandatory: bool) -> Letter:
        self._numbers += 1
        return Letter(self._numbers, exchange, key, body, properties, mandatory)

    def takers(self, letter: Letter) -> list[Queue]:
        """Tell which queues a message goes to."""
        if not letter.exchange:
            return [self.queues[letter.key]] if letter.key in self.queues else []
        found: list[Queue] = []
        for pattern, queue in self.bindings.get(letter.exchange, ()):
            if queue not in found and queue.name not in self.unbound and _fits(pattern, letter.key):
                found.append(queue)
        return found

    def route(self, letter: Letter) -> bool:
        """Give a message to all that take it; tell whether anybody does."""
        takers = self.takers(letter)
        if not takers:
            return False
        world = self.world
        if not letter.mandatory and world.faults_on and world.luck.chance(world.faults.lost_transient):
            world.note("broker", "lost", letter)
            if letter.properties.message_type == "AttemptProgressed":
                self._disturb_workers()
            return True
        self.published.append(letter)
        world.note("broker", "has", letter, "in", ",".join(queue.name for queue in takers))
        for queue in takers:
            self._enqueue(queue, letter)
            if world.faults_on and queue.durable and queue.name != PARKING_LOT:
                if world.luck.chance(world.faults.duplicate):
                    self._enqueue(queue, letter)
                if world.luck.chance(world.faults.late_duplicate):
                    self.late += 1
                    world.loop.call_later(world.luck.uniform(0.1, 40), self._late, queue, letter)
        return True

    def _disturb_workers(self) -> None:
        for process in self.world.alive("worker"):
            process.disturb()

    def _late(self, queue: Queue, letter: Letter) -> None:
        self.late -= 1
        self.world.note("broker", "repeats late", letter, "in", queue.name)
        self._enqueue(queue, letter)

    def _enqueue(self, queue: Queue, letter: Letter) -> None:
        self._positions += 1
        queue.put(Entry(letter, self._positions))
        self.pump(queue)

    def pump(self, queue: Queue) -> None:
        """Hand over what can be."""
        while queue.ready:
            free = [each for each in queue.consumers[: 1 if queue.single else None] if each.channel.has_room]
            if not free:
                return
            consumer = free[0] if len(free) == 1 else self.world.luck.choice(free)
            consumer.channel.send(consumer, queue.ready.popleft())


class ReturnedError(PublishError):
    """A message that no queue takes, without the frames that say so."""

    def __init__(self) -> None:
        Exception.__init__(self)

    def __str__(self) -> str:
        return "no queue takes it"


class Connection:
    """A connection of a process."""

    def __init__(self, broker: Broker, process: Process) -> None:
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
        self.process.disturb()
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
        routed = self.broker.route(letter)
        if is_cut or confirmed.done():
            return
        if world.faults_on and world.luck.chance(world.faults.unconfirmed):
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


def _fits(pattern: str, key: str) -> bool:
    if pattern in {"#", key}:
        return True
    if pattern.endswith(".#"):
        return key.startswith(pattern[:-1])
    return pattern.endswith(".*") and key.rpartition(".")[0] == pattern[:-2]
