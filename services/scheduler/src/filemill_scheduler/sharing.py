"""Lets several schedulers share the partitions, where there are several of both."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from filemill_common.store import StoreUnavailableError
from filemill_scheduler.core.sharing import to_let_go

_ACTIVE: Final = 10.0
"""Seconds since the last message of a partition, after which it counts as idle."""

_log = structlog.get_logger(__name__)


class Partition(Protocol):
    """The consumption of one partition."""

    def is_active(self, *, within: float) -> bool:
        """Whether we got a message of it in the last so many seconds."""
        ...

    def stand_back(self) -> None:
        """Let another scheduler have it."""
        ...


class Members(Protocol):
    """The schedulers that are alive."""

    async def alive(self) -> int:
        """Say that we are alive; tell how many are."""
        ...

    async def leave(self) -> None:
        """Say that we go."""
        ...


class Sharing:
    """Looks now and then whether we are busy with more than our share, and lets one go then.

    Args:
        partitions: What we consume, by the number of the partition.
        members: The schedulers that are alive.
    """

    def __init__(self, partitions: Sequence[Partition], members: Members) -> None:
        self._partitions = partitions
        self._members = members

    async def run(self, *, every: float = 5.0) -> None:
        """Look for ever, each ``every`` seconds; says at the end that we go."""
        try:
            while True:
                try:
                    await self.look()
                except StoreUnavailableError as error:
                    _log.warning("sharing partitions must wait", error=str(error))
                await asyncio.sleep(every)
        finally:
            with suppress(StoreUnavailableError):  # it shows by itself, only later
                await self._members.leave()

    async def look(self) -> None:
        """Let one partition go if we are busy with more than our share of them."""
        replicas = await self._members.alive()
        active = [n for n, each in enumerate(self._partitions) if each.is_active(within=_ACTIVE)]
        number = to_let_go(active, partitions=len(self._partitions), replicas=replicas)
        if number is not None:
            _log.info("let a partition go", partition=number, busy_with=len(active), schedulers=replicas)
            self._partitions[number].stand_back()
