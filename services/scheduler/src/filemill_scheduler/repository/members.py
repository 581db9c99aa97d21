"""Which schedulers are alive: each says so now and then, in the store."""

from datetime import timedelta

from filemill_common.store import Store, translated
from filemill_common.store.indexes import LOCKS
from filemill_scheduler.repository.storetime import StoreTime

_PREFIX = "scheduler:"


class Members:
    """The schedulers that said lately that they are there.

    Args:
        store: Where they say so.
        clock: The store's time.
        member: Who speaks.
        life: How long one counts as alive after it said so.
    """

    def __init__(self, store: Store, clock: StoreTime, *, member: str, life: timedelta) -> None:
        self._locks = store.collection(LOCKS)
        self._clock = clock
        self._id = _PREFIX + member
        self._life = life

    async def alive(self) -> int:
        """Say that we are alive; tell how many are, we included, and forget those that are not.

        Raises:
            StoreUnavailableError: MongoDB cannot be reached.
        """
        now = await self._clock.now()
        schedulers = {"_id": {"$gte": _PREFIX, "$lt": _PREFIX + "\uffff"}}
        with translated():
            await self._locks.update_one(
                {"_id": self._id}, {"$set": {"until": now + self._life}}, upsert=True
            )
            await self._locks.delete_many({**schedulers, "until": {"$lt": now}})
            return int(await self._locks.count_documents(schedulers))

    async def leave(self) -> None:
        """Say that we go, so that nobody need wait for it to show."""
        with translated():
            await self._locks.delete_one({"_id": self._id})
