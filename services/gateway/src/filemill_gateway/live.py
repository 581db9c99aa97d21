"""What happens now, handed to those who watch: one subscription of the gateway, any number of watchers."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Protocol, TypeVar

from filemill_common.events import Event
from filemill_gateway.core.changes import topics

Result = TypeVar("Result")

EXCHANGE: Final = "filemill.events"
KEYS: Final = ("task.#", "workflow.#")

_QUEUED_IN_BROKER: Final = 10_000
_QUEUED_FOR_ONE: Final = 256
_LOOKS: Final = (0.05, 0.1, 0.2, 0.4)
"""Seconds between looks while an event is awaited that may be lost; the last goes on."""


class Subscription(Protocol):
    """A running subscription."""

    async def stop(self) -> None:
        """End it."""
        ...


class Subscribe(Protocol):
    """The part of the bus that live progress needs."""

    async def subscribe(
        self,
        exchange: str,
        keys: tuple[str, ...],
        handle: Callable[[Event], Awaitable[None]],
        *,
        max_length: int | None = None,
    ) -> Subscription:
        """Hand over what is published from now on; some of it may be lost."""
        ...


class Watcher:
    """One watcher's events, bounded: whoever reads too slowly is told that it missed some."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._events: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._has_missed = False
        self.is_over = False

    def offer(self, event: Event) -> None:
        """Queue an event, or forget all of them if there are too many."""
        if len(self._events) >= _QUEUED_FOR_ONE:
            self._events.clear()
            self._has_missed = True
        self._events.append(event)
        self._changed.set()

    def end(self) -> None:
        """Tell the watcher that nothing will come any more."""
        self.is_over = True
        self._changed.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for an event, or the end; False if neither came in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> tuple[Event, ...] | None:
        """Give what came since the last call, oldest first; None if some of it was dropped."""
        taken = None if self._has_missed else tuple(self._events)
        self._events.clear()
        self._has_missed = False
        if not self.is_over:
            self._changed.clear()
        return taken


class Hub:
    """Hands each live event to those who watch its task, its run, or everything."""

    def __init__(self) -> None:
        """Begin without watchers."""
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._is_over = False

    @asynccontextmanager
    async def fed_by(self, bus: Subscribe) -> AsyncIterator[None]:
        """Listen to the bus until the block is left; then all watchers end."""
        subscription = await bus.subscribe(EXCHANGE, KEYS, self.tell, max_length=_QUEUED_IN_BROKER)
        try:
            yield
        finally:
            self.end()
            await subscription.stop()

    async def tell(self, event: Event) -> None:
        """Hand an event to all who watch what it is about."""
        for topic in topics(event):
            for watcher in self._watchers.get(topic, ()):
                watcher.offer(event)

    def end(self) -> None:
        """End all watchers, present and future."""
        self._is_over = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end()

    def is_watched(self, topic: str) -> bool:
        """Whether anybody watches it."""
        return topic in self._watchers

    @contextmanager
    def watch(self, topic: str) -> Iterator[Watcher]:
        """Watch a task or run by its id, or ``EVERYTHING``, until the block is left."""
        watcher = Watcher()
        if self._is_over:
            watcher.end()
        self._watchers[topic].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[topic].discard(watcher)
            if not self._watchers[topic]:
                del self._watchers[topic]

    async def until(
        self, topic: str, look: Callable[[], Awaitable[Result | None]], *, seconds: float
    ) -> Result | None:
        """Look until there is something to see, again at each event of ``topic``; None after ``seconds``.

        The event may be lost, so there is a look now and then without one. A look that has begun is
        not given up, so the answer may be late by as long as one takes.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        with self.watch(topic) as watcher:
            for pause in _pauses():
                found = await look()
                left = deadline - clock()
                if found is not None or left <= 0 or watcher.is_over:
                    return found
                await watcher.wait(min(pause, left))
                watcher.take()
        raise AssertionError("the pauses have no end")


def _pauses() -> Iterator[float]:
    yield from _LOOKS
    while True:
        yield _LOOKS[-1]
