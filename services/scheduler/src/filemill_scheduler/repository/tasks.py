"""Tasks and runs in MongoDB: state and the events owed are kept together, or not at all."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from pymongo import UpdateOne

from filemill_common.errors import FilemillError
from filemill_common.events import Event
from filemill_common.ids import new_id
from filemill_common.store import (
    ConflictError,
    Files,
    Session,
    Store,
    StoreUnavailableError,
    alias_update,
    translated,
)
from filemill_common.store.documents import decode_json, history_of
from filemill_common.store.indexes import FILE_METADATA, FILES, HISTORY, OUTBOX, TASKS, WORKFLOWS
from filemill_scheduler.core import Decision, Loaded, Needs, Task, concerns
from filemill_scheduler.core.policy import TOMBSTONE_LIFE
from filemill_scheduler.repository.documents import RUN_SHAPE, TASK_SHAPE, Write, metadata_update
from filemill_scheduler.repository.history import Historian
from filemill_scheduler.repository.outbox import entry_document
from filemill_scheduler.repository.storetime import StoreTime

READS: Final = 20
"""Rounds of reading that one fold gets."""

_RACES: Final = 50
_ABANDONED: Final = timedelta(seconds=2)
"""A transaction of ours goes on within milliseconds; one that did not for so long has lost its process."""
_UNSEEN: Final = {"definition": False, "subworkflows": False}
"""Up to 4 MB, and hardly ever needed to decide."""
_OPEN: Final = ["pending", "ready", "running", "retrying"]

_log = structlog.get_logger(__name__)

Fold = Callable[[Loaded, Sequence[Event], datetime, bool], Decision | Needs]
"""From what was read, the events, the store's time and whether more may be asked for."""


class ContendedError(FilemillError):
    """Others kept saving these tasks first; trying later may help.

    Attributes:
        rounds: How many times it was loaded and folded before giving up.
    """

    code = "contended"
    retryable = True

    def __init__(self, events: int, *, rounds: int) -> None:
        """Say how much had to wait."""
        super().__init__(f"{events} events lost {rounds} races to save what they change")
        self.rounds = rounds


@dataclass(frozen=True, slots=True)
class Updated:
    """What was decided and stored.

    Attributes:
        entries: Ids of the outbox entries of ``decision.durable``, in that order.
        before: The tasks that were read, as they were.
    """

    decision: Decision
    entries: tuple[str, ...]
    before: Mapping[str, Task | None]


class Repository:
    """The state that the scheduler alone writes.

    Args:
        store: Where it lies.
        clock: The store's time.
        metadata_life: How long the metadata of a file is kept.
    """

    def __init__(self, store: Store, clock: StoreTime, *, metadata_life: timedelta) -> None:
        self._store = store
        self._files = Files(store)
        self._clock = clock
        self._metadata_life = metadata_life
        self._historian = Historian()
        self._confirmed: list[str] = []
        self._has_confirmed = asyncio.Event()

    async def update(self, events: Sequence[Event], fold: Fold) -> Updated:
        """Load what the events are about, let ``fold`` say what becomes of it, store the answer.

        State and events owed are written in one transaction, so both are kept or neither is. It commits
        only if nobody stored a newer version meanwhile; otherwise everything is loaded and folded anew.

        ``fold`` must be pure: it may run several times, and its last answer counts. The ``now`` that it
        is handed is the store's.

        Raises:
            ContendedError: The race was lost every time; trying later may help.
            StoreUnavailableError: MongoDB cannot be reached; nothing is known to be stored.
        """
        for lost in range(_RACES):
            confirmed, self._confirmed = self._confirmed, []
            try:
                now = await self._clock.now()
                once = partial(self._once, events=events, fold=fold, now=now, confirmed=confirmed)
                return await self._store.in_transaction(once)
            except ConflictError:
                self._confirmed += confirmed
                await asyncio.sleep(random.uniform(0.001, 0.005) * min(lost + 1, 20))  # noqa: S311
            except BaseException:
                self._confirmed += confirmed
                raise
        if ended := await self._store.end_abandoned(idle=_ABANDONED):
            _log.warning("ended transactions that nobody went on with", count=ended)
        raise ContendedError(len(events), rounds=_RACES)

    def confirmed(self, entries: Sequence[str]) -> None:
        """Note that the broker has these; the next transaction, or `forget`, deletes them."""
        if entries:
            self._confirmed.extend(entries)
            self._has_confirmed.set()

    async def forget_when_idle(self, *, after: float = 0.05) -> None:
        """For ever: delete what the broker has, when no transaction did it for ``after`` seconds."""
        while True:
            await self._has_confirmed.wait()
            await asyncio.sleep(after)
            self._has_confirmed.clear()
            try:
                await self.forget()
            except StoreUnavailableError as error:
                self._has_confirmed.set()
                _log.warning("what was sent cannot be forgotten yet", error=str(error))

    async def forget(self) -> None:
        """Delete what the broker has, so that an idle system owes nothing.

        Raises:
            StoreUnavailableError: MongoDB cannot be reached; they stay noted.
        """
        confirmed, self._confirmed = self._confirmed, []
        if not confirmed:
            return
        try:
            with translated():
                await self._store.collection(OUTBOX).delete_many({"_id": {"$in": confirmed}})
        except BaseException:
            self._confirmed += confirmed
            raise

    async def _once(
        self, session: Session, *, events: Sequence[Event], fold: Fold, now: datetime, confirmed: list[str]
    ) -> Updated:
        """Read, fold until nothing more is needed, and write; the caller commits."""
        loaded = Loaded()
        needs = concerns(events)
        for reads in range(READS):
            await self._read(session, needs, loaded)
            answer = fold(loaded, events, now, reads < READS - 1)
            if isinstance(answer, Decision):
                entries = await self._write(session, loaded, answer, now, confirmed)
                return Updated(answer, entries, loaded.tasks)
            needs = answer
        raise AssertionError("the fold asked for more in its last round")

    async def _read(self, session: Session, needs: Needs, loaded: Loaded) -> None:
        if needs.tasks or needs.runs_open_tasks or needs.spans:
            await self._read_tasks(session, needs, loaded)
        if needs.runs:
            found = self._store.collection(WORKFLOWS).find(
                {"_id": {"$in": list(needs.runs)}}, _UNSEEN, session=session
            )
            loaded.runs.update(dict.fromkeys(needs.runs))
            loaded.runs.update({each["_id"]: RUN_SHAPE.read(each) for each in await found.to_list(None)})
        for run_id in needs.subworkflows:
            frozen = await self._store.collection(WORKFLOWS).find_one(
                {"_id": run_id}, {"subworkflows": True}, session=session
            )
            loaded.subworkflows[run_id] = decode_json((frozen or {}).get("subworkflows")) or {}
        if needs.files:
            loaded.files.update(dict.fromkeys(needs.files))
            loaded.files.update(await self._files.get_many(needs.files, session=session))

    async def _read_tasks(self, session: Session, needs: Needs, loaded: Loaded) -> None:
        tasks = self._store.collection(TASKS)
        loaded.tasks.update(dict.fromkeys(needs.tasks))
        if needs.tasks:
            found = tasks.find({"_id": {"$in": list(needs.tasks)}}, session=session)
            loaded.tasks.update({each["_id"]: TASK_SHAPE.read(each) for each in await found.to_list(None)})
        for run_id in needs.runs_open_tasks:
            found = tasks.find({"workflow_id": run_id, "status": {"$in": _OPEN}}, session=session)
            still_open = {each["_id"]: TASK_SHAPE.read(each) for each in await found.to_list(None)}
            loaded.tasks.update(still_open)
            loaded.open_tasks[run_id] = frozenset(still_open)
        for span in needs.spans:
            run_id, first, last = span
            found = tasks.find(
                {"workflow_id": run_id, "index": {"$gte": first, "$lte": last}}, session=session
            )
            steps = {each["_id"]: TASK_SHAPE.read(each) for each in await found.to_list(None)}
            loaded.tasks.update(steps)
            loaded.spans[span] = frozenset(steps)

    async def _write(
        self, session: Session, loaded: Loaded, decision: Decision, now: datetime, confirmed: list[str]
    ) -> tuple[str, ...]:
        tasks: list[Any] = [TASK_SHAPE.write(loaded.tasks.get(task.id), task) for task in decision.tasks]
        await self._guarded(session, TASKS, tasks)
        await self._guarded(
            session, WORKFLOWS, [RUN_SHAPE.write(loaded.runs.get(run.id), run) for run in decision.runs]
        )
        await self._unguarded(
            session, FILES, [alias_update(tenant, file, at=now) for tenant, file in decision.aliases]
        )
        await self._unguarded(
            session,
            FILE_METADATA,
            [
                metadata_update(tenant, probe, at=now, life=self._metadata_life)
                for tenant, probe in decision.metadata
            ],
        )
        for run_id in decision.purged:
            await self._store.collection(TASKS).update_many(
                {"workflow_id": run_id},
                {
                    "$unset": {"status": ""},
                    "$set": {"expires_at": now + TOMBSTONE_LIFE},
                    "$inc": {"version": 1},
                },
                session=session,
            )
        await self._write_history(session, loaded, decision, now)
        return await self._write_outbox(session, decision, now, confirmed)

    async def _write_history(
        self, session: Session, loaded: Loaded, decision: Decision, now: datetime
    ) -> None:
        history = self._store.collection(HISTORY)
        documents = self._historian.documents(decision.history, loaded, now=now, without=decision.purged)
        if documents:
            await history.insert_many(documents, ordered=False, session=session)
        for run_id in decision.purged:
            # Only marked: to remove what may be many documents is not for a transaction that others wait for.
            await history.update_many(history_of(run_id), {"$set": {"expires_at": now}}, session=session)

    async def _write_outbox(
        self, session: Session, decision: Decision, now: datetime, confirmed: list[str]
    ) -> tuple[str, ...]:
        outbox = self._store.collection(OUTBOX)
        owed = [entry_document(new_id(), event, now=now) for event in decision.durable]
        deferred = [
            entry_document(new_id(), event, now=now, not_before=moment) for event, moment in decision.deferred
        ]
        if owed or deferred:
            await outbox.insert_many([*owed, *deferred], ordered=False, session=session)
        if confirmed:
            await outbox.delete_many({"_id": {"$in": confirmed}}, session=session)
        return tuple(entry["_id"] for entry in owed)

    async def _guarded(self, session: Session, collection: str, writes: Sequence[Write]) -> None:
        """Write what nobody else wrote meanwhile; one guard that does not match undoes all."""
        if not writes:
            return
        result = await self._store.collection(collection).bulk_write(
            list(writes), ordered=False, session=session
        )
        if result.matched_count + result.inserted_count != len(writes):
            raise ConflictError(f"others wrote {collection} meanwhile")

    async def _unguarded(self, session: Session, collection: str, writes: Sequence[UpdateOne]) -> None:
        if writes:
            await self._store.collection(collection).bulk_write(list[Any](writes), session=session)
