"""Telling the scheduler what became of an attempt, until the broker has confirmed it."""

import asyncio
from collections.abc import Sequence
from typing import NoReturn, Protocol

from filemill_common.events import AttemptEvent, Event

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


class Publisher(Protocol):
    """What is asked of the bus."""

    async def publish(self, events: Sequence[Event], /) -> tuple[bool, ...]:
        """Publish events and tell of each whether it was confirmed."""
        ...


class Reports:
    """Publishes reports together that become ready together.

    What comes while one publish is under way travels with the next: no report waits for a timer, and a
    busy worker sends fewer messages.

    Args:
        publisher: The way to the scheduler.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: list[tuple[AttemptEvent, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def tell(self, report: AttemptEvent) -> None:
        """Return once the broker has confirmed a report, however long it is away."""
        told = asyncio.get_running_loop().create_future()
        self._waiting.append((report, told))
        self._arrived.set()
        await told

    async def run(self) -> NoReturn:
        """Publish what arrives, again and again until it is confirmed, with pauses that grow to 2 s."""
        pause = _FIRST_PAUSE
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            confirmed = await self._publisher.publish([report for report, _ in batch])
            for (_, told), is_confirmed in zip(batch, confirmed, strict=True):
                if is_confirmed and not told.done():
                    told.set_result(None)
            unconfirmed = [(report, told) for report, told in batch if not told.done()]
            if unconfirmed:
                self._waiting[:0] = unconfirmed
                self._arrived.set()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE
