"""Which replica runs timers and sweeps; two at once do no harm, so a lease is enough."""

from datetime import timedelta

from filemill_common.store import ConflictError, Store, translated
from filemill_common.store.indexes import LOCKS
from filemill_scheduler.repository.storetime import StoreTime


class Lock:
    """A lease in the store, renewed by asking for it again.

    Args:
        store: Where it lies.
        clock: The store's time.
        name: What it is about.
        owner: Who asks.
        life: How long it is held after each time it was asked for.
    """

    def __init__(self, store: Store, clock: StoreTime, *, name: str, owner: str, life: timedelta) -> None:
        self._locks = store.collection(LOCKS)
        self._clock = clock
        self._name = name
        self._owner = owner
        self._life = life

    async def held(self) -> bool:
        """Take or renew it; tell whether it is ours.

        Raises:
            StoreUnavailableError: MongoDB cannot be reached.
        """
        now = await self._clock.now()
        try:
            with translated():
                await self._locks.update_one(
                    {"_id": self._name, "$or": [{"owner": self._owner}, {"until": {"$lt": now}}]},
                    {"$set": {"owner": self._owner, "until": now + self._life}},
                    upsert=True,
                )
        except ConflictError:  # somebody else holds it, so the upsert found its id taken
            return False
        return True

    async def release(self) -> None:
        """Give it back, so that another replica need not wait for its end."""
        with translated():
            await self._locks.delete_one({"_id": self._name, "owner": self._owner})
