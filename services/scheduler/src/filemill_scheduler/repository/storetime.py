"""The store's clock, without asking it for every batch."""

import time
from datetime import datetime, timedelta
from typing import Final

from filemill_common.store import Store

_TRUSTED: Final = 10.0
"""Seconds that a reading serves: clocks drift by less than a millisecond meanwhile."""


class StoreTime:
    """Tells the store's time: read now and then, counted on by this machine's steady clock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read_at = float("-inf")
        self._was: datetime | None = None

    async def now(self) -> datetime:
        """Tell the store's time, to the millisecond.

        Raises:
            StoreUnavailableError: It must be read anew and cannot be.
        """
        steady = time.monotonic()
        if self._was is None or steady - self._read_at > _TRUSTED:
            self._was = await self._store.now()
            self._read_at = steady = time.monotonic()
        return self._was + timedelta(milliseconds=int((steady - self._read_at) * 1000))
