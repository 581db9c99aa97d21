"""Keeping the lease of a long attempt, so that the scheduler does not take its worker for lost."""

import asyncio
from contextlib import suppress
from typing import NoReturn

from filemill_common.clock import utc_now
from filemill_worker.core.attempts import Pace, Standing, Take
from filemill_worker.reports import Publisher


class Lease:
    """Tells how far one attempt is: soon when it came further, and now and then when it did not.

    Args:
        take: Whose lease it is.
        publisher: The way to the scheduler. A report that gets lost is made good by the next one.
    """

    def __init__(self, take: Take, publisher: Publisher) -> None:
        self._take = take
        self._publisher = publisher
        self._standing = Standing()
        self._moved = asyncio.Event()

    def report(self, progress: float, message: str | None) -> float:
        """Take in what the processor says, to be told when it is due; give by how many percent it moved."""
        before, self._standing = self._standing, self._standing.further(progress, message)
        if before != self._standing:
            self._moved.set()
        return self._standing.progress - before.progress

    async def renew(self) -> NoReturn:
        """Renew the lease until cancelled; it counts as renewed when this begins."""
        clock = asyncio.get_running_loop().time
        pace = Pace.of(self._take.ready.lease)
        renewed = clock()
        sequence = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(renewed + pace.silent):
                    await self._moved.wait()
                    await asyncio.sleep(renewed + pace.moving - clock())
            self._moved.clear()
            renewed = clock()
            sequence += 1
            await self._publisher.publish([self._take.progressed(self._standing, sequence, utc_now())])
