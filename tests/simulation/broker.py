"""A virtual RabbitMQ: what is published where, at least once, and what comes back."""

import asyncio
from collections.abc import Callable
from typing import Any

from filemill_common.messaging.topology import PARKING_LOT
from tests.simulation.lines import Connection
from tests.simulation.queues import Entry, Letter, Queue
from tests.simulation.world import PROCESS, World


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
        self.watchers: list[Callable[[Letter], None]] = []
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
        for watch in self.watchers:
            watch(letter)
        world.note("broker", "has", letter, "in", ",".join(queue.name for queue in takers))
        for queue in takers:
            self._enqueue(queue, letter)
            if world.faults_on and queue.durable and queue.name != PARKING_LOT:
                if world.luck.chance(world.faults.duplicate):
                    self._enqueue(queue, letter)
                if world.luck.chance(world.faults.late_duplicate):
                    self.late += 1
                    world.loop.call_later(
                        world.luck.uniform(0.1, world.luck.choice((2, 25))), self._late, queue, letter
                    )
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


def _fits(pattern: str, key: str) -> bool:
    if pattern in {"#", key}:
        return True
    if pattern.endswith(".#"):
        return key.startswith(pattern[:-1])
    return pattern.endswith(".*") and key.rpartition(".")[0] == pattern[:-2]
