"""What is due, read by index; what becomes of it the fold decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from filemill_common.events import Check, Event, Saw, TaskReady, TaskStatus
from filemill_common.ids import made_at, new_id
from filemill_common.store import Document, Store, translated
from filemill_common.store.indexes import OUTBOX, TASKS, WORKFLOWS
from filemill_scheduler.repository.outbox import GRACE, entry_event
from filemill_scheduler.repository.storetime import StoreTime

_MOST: Final = 1_000
"""Checks of a kind in one look; the rest is due in the next one too."""

_COUNTED: Final = 10_000
"""The most that is counted one by one."""

_SEARCHED: Final = 200
_OPEN_RUN: Final = ("pending", "running", "paused")


@dataclass(frozen=True, slots=True)
class DueWork:
    """An entry of the outbox that this replica claimed.

    Attributes:
        deferred: Whether it waited for its time; if not, a crash or a lost broker left it behind.
    """

    entry: str
    event: Event
    deferred: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """Tasks of one type that wait for a worker: how many, and since when the oldest does."""

    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What waits and what runs, as a sweep saw it.

    Attributes:
        now: The store's time.
        queued: By type.
        running: How many run, by type.
        open_runs: How many runs there are, by status, of those that have not ended.
        owed: Events in the outbox that are not put off.
        owed_since: When the oldest of them was written.
    """

    now: datetime
    queued: Mapping[str, Queue]
    running: Mapping[str, int]
    open_runs: Mapping[str, int]
    owed: int
    owed_since: datetime | None


class Due:
    """Looks for what is due.

    Args:
        store: Where the state lies.
        clock: The store's time.
    """

    def __init__(self, store: Store, clock: StoreTime) -> None:
        self._tasks = store.collection(TASKS)
        self._outbox = store.collection(OUTBOX)
        self._runs = store.collection(WORKFLOWS)
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
        is_due: Document = {"due_at": {"$lte": now}}
        claim = new_id()
        with translated():
            due = await self._outbox.find(is_due, {"_id": True}).sort("due_at", 1).limit(_MOST).to_list(None)
            if not due:
                return ()
            these: Document = {"_id": {"$in": [entry["_id"] for entry in due]}}
            mine = {"$set": {"due_at": now + GRACE, "claim": claim}}
            await self._outbox.update_many({**these, **is_due}, mine)
            claimed = await self._outbox.find({**these, "claim": claim}).sort("_id", 1).to_list(None)
        return tuple(DueWork(entry["_id"], entry_event(entry), entry["deferred"]) for entry in claimed)

    async def standing(self) -> Standing:
        """Look at what waits and what runs."""
        queued = await self._count("ready_at", TaskStatus.READY)
        running = await self._count("lease_until", TaskStatus.RUNNING)
        owed, owed_since = await self._owed()
        return Standing(
            now=await self._clock.now(),
            queued={each["_id"]: Queue(each["count"], each["since"]) for each in queued},
            running={each["_id"]: each["count"] for each in running},
            open_runs=await self._open_runs(),
            owed=owed,
            owed_since=owed_since,
        )

    async def stuck(self, *, for_at_least: timedelta) -> int:
        """Count runs that stand still: none of their steps is under way, and nothing of them is waited for.

        Looks at the oldest few hundred that nothing happened to lately; a healthy one among them has a task
        that waits for a worker or runs, or a wait.
        """
        now = await self._clock.now()
        still: list[Document] = [
            {
                "$match": {
                    "tenant": {"$gte": ""},
                    "status": "running",
                    "updated_at": {"$lt": now - for_at_least},
                }
            },
            {"$limit": _SEARCHED},
            {
                "$lookup": {
                    "from": TASKS,
                    "localField": "_id",
                    "foreignField": "workflow_id",
                    "pipeline": [
                        {"$match": {"status": {"$in": ["ready", "running", "retrying"]}}},
                        {"$limit": 1},
                        {"$project": {"_id": True}},
                    ],
                    "as": "under_way",
                }
            },
            {"$match": {"under_way": []}},
            {"$count": "count"},
        ]
        with translated():
            found = await self._runs.aggregate(still).to_list(None)
        return int(found[0]["count"]) if found else 0

    async def _open_runs(self) -> dict[str, int]:
        """Count the runs that have not ended, by status, over the index of tenant and status."""
        counts: dict[str, int] = {}
        with translated():
            for status in _OPEN_RUN:
                condition = {"tenant": {"$gte": ""}, "status": status}
                counts[status] = await self._runs.count_documents(condition, limit=_COUNTED)
        return counts

    async def _owed(self) -> tuple[int, datetime | None]:
        """Count the events owed, and tell when the oldest was written, which its id says."""
        owed = {"deferred": False}
        with translated():
            count = await self._outbox.count_documents(owed, limit=_COUNTED)
            oldest = await self._outbox.find_one(owed, {"_id": True}, sort=[("_id", 1)])
        return count, made_at(oldest["_id"]) if oldest else None

    async def _count(self, moment: str, status: TaskStatus) -> list[Document]:
        """Count by type, over the index of ``moment``."""
        tasks: list[Document] = [
            {"$match": {moment: {"$type": "date"}, "status": status.value}},
            {"$group": {"_id": "$type", "count": {"$sum": 1}, "since": {"$min": f"${moment}"}}},
        ]
        with translated():
            return await self._tasks.aggregate(tasks).to_list(None)

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
