"""What is due, read by index; what becomes of it the fold decides."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from filemill_common.events import Check, Event, Saw, TaskReady, TaskStatus
from filemill_common.store import Document, Store, translated
from filemill_common.store.indexes import OUTBOX, TASKS
from filemill_scheduler.repository.outbox import GRACE, entry_event
from filemill_scheduler.repository.storetime import StoreTime

_MOST: Final = 1_000
"""Checks of a kind in one look; the rest is due in the next one too."""


@dataclass(frozen=True, slots=True)
class DueWork:
    """An entry of the outbox that this replica claimed.

    Attributes:
        deferred: Whether it waited for its time; if not, a crash or a lost broker left it behind.
    """

    entry: str
    event: Event
    deferred: bool


class Due:
    """Looks for what is due.

    Args:
        store: Where the state lies.
        clock: The store's time.
    """

    def __init__(self, store: Store, clock: StoreTime) -> None:
        self._tasks = store.collection(TASKS)
        self._outbox = store.collection(OUTBOX)
        self._clock = clock

    async def timers(self) -> tuple[Check, ...]:
        """Look for retries, waits, time-outs and stubs whose time has come."""
        now = await self._clock.now()
        by_due = await self._find({"due_at": {"$lte": now}}, "due_at")
        overdue = await self._find({"deadline": {"$lte": now}}, "deadline")
        return (
            *(self._check(each, _due_kind(each), "due_at", now) for each in by_due),
            *(self._check(each, Saw.OVERDUE, "deadline", now) for each in overdue),
        )

    async def lapsed(self) -> tuple[Check, ...]:
        """Look for long tasks whose worker is silent."""
        now = await self._clock.now()
        found = await self._find({"lease_until": {"$lt": now}}, "lease_until")
        return tuple(self._check(each, Saw.LEASE_LAPSED, "lease_until", now) for each in found)

    async def untaken(self, *, for_at_least: timedelta) -> tuple[tuple[str, Check], ...]:
        """Look for tasks that have been ready for long; gives the type of each beside its check.

        One whose offer is still owed is not lost: after an absence of the broker or of all schedulers, each
        that waited would be offered twice.
        """
        now = await self._clock.now()
        found = await self._find({"ready_at": {"$lt": now - for_at_least}}, "ready_at")
        owed = {"type": TaskReady.type, "subject": {"$in": [each["_id"] for each in found]}}
        with translated():
            entries = await self._outbox.find(owed, {"subject": True}).to_list(None) if found else []
        coming = {entry["subject"] for entry in entries}
        return tuple(
            (each["type"], self._check(each, Saw.UNTAKEN, "ready_at", now))
            for each in found
            if each["_id"] not in coming
        )

    async def outbox(self) -> tuple[DueWork, ...]:
        """Claim entries of the outbox whose time has come, so that no other replica sends them too."""
        now = await self._clock.now()
        claimed: list[DueWork] = []
        with translated():
            while len(claimed) < _MOST:
                entry = await self._outbox.find_one_and_update(
                    {"due_at": {"$lte": now}}, {"$set": {"due_at": now + GRACE}}, sort=[("due_at", 1)]
                )
                if entry is None:
                    break
                claimed.append(DueWork(entry["_id"], entry_event(entry), entry["deferred"]))
        return tuple(claimed)

    async def queued(self) -> Counter[str]:
        """Count the tasks of each type that wait for a worker."""
        return await self._count("ready_at", TaskStatus.READY)

    async def running(self) -> Counter[str]:
        """Count the tasks of each type that a worker has for longer than a moment."""
        return await self._count("lease_until", TaskStatus.RUNNING)

    async def _count(self, moment: str, status: TaskStatus) -> Counter[str]:
        """Count by type, over the index of ``moment``."""
        tasks: list[Document] = [
            {"$match": {moment: {"$type": "date"}, "status": status.value}},
            {"$group": {"_id": "$type", "count": {"$sum": 1}}},
        ]
        with translated():
            found = await self._tasks.aggregate(tasks).to_list(None)
        return Counter({each["_id"]: each["count"] for each in found})

    async def _find(self, condition: Document, moment: str) -> list[Document]:
        seen: dict[str, Any] = dict.fromkeys(
            ("attempt", "partition_key", "status", "kind", "type", moment), True
        )
        with translated():
            return await self._tasks.find(condition, seen).sort(moment, 1).limit(_MOST).to_list(None)

    def _check(self, task: Document, saw: Saw, moment: str, now: datetime) -> Check:
        return Check(
            task_id=task["_id"],
            attempt=task.get("attempt", 1),
            saw=saw,
            at=task[moment],
            time=now,
            partition_key=task["partition_key"],
        )


def _due_kind(task: Document) -> Saw:
    if task.get("status") is None:
        return Saw.STUB_EXPIRED
    return Saw.WAIT_OVER if task.get("kind") == "wait" else Saw.RETRY_DUE
