"""Messages, and the queues in which they wait."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.lines import Channel


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
