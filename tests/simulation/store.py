"""A virtual MongoDB, as far as the repositories ask: snapshots, conflicts, commits that nobody heard of."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from filemill_common.store import Store
from tests.simulation.world import PROCESS, Process, World

Document = dict[str, Any]
Key = tuple[str, str]
"""Collection and id."""

_NAMES: Final = ("tasks", "workflows", "outbox", "locks", "files", "file_metadata", "deliveries")
_TRANSIENT: Final = "TransientTransactionError"


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit made of a document.

    Attributes:
        since: When its transaction began, for which the writer had just looked at the clock.
    """

    collection: str
    id: str
    old: Document | None
    new: Document | None
    since: float


@dataclass(eq=False)
class Session:
    """A transaction: what it saw, what it holds, and what it would write."""

    database: "Database"
    process: Process
    since: float = 0.0
    began: int | None = None
    seen: dict[str, dict[str, Document]] = field(default_factory=dict)
    written: dict[Key, Document | None] = field(default_factory=dict)
    active_at: float = 0.0
    is_open: bool = True
    is_kept: bool = False

    def start_transaction(self, **_: object) -> None:
        """Begin; what is seen is decided by the first read."""
        self.since = self.database.world.loop.time()

    def snapshot(self) -> None:
        if self.began is None:
            self.began = self.database.clock
            self.seen = {name: dict(documents) for name, documents in self.database.collections.items()}
            self.database.open.append(self)

    def end(self) -> None:
        """Let go of everything."""
        self.is_open = False
        for key in self.written:
            self.database.held.pop(key, None)
        if self in self.database.open:
            self.database.open.remove(self)

    async def commit_transaction(self) -> None:
        """Keep what was written; sometimes nobody hears that it was."""
        world = self.database.world
        await self.process.point("commit.before")
        await asyncio.sleep(0.001 + world.luck.random() * 0.002)
        if self.is_open:
            self.database.check_away()
            changes = [self.database.put(key, new, since=self.since) for key, new in self.written.items()]
            self.end()
            self.database.committed(self.process, changes)
            self.is_kept = True
        elif not self.is_kept:
            raise labelled(_TRANSIENT)
        await self.process.point("commit.after")
        if world.faults_on and world.luck.chance(world.faults.unknown_commit):
            world.note(self.process.name, "does not hear of its commit")
            raise labelled("UnknownTransactionCommitResult")

    async def end_session(self) -> None:
        if self.is_open and not self.database.world.is_over:
            self.end()


class Database:
    """Collections, and who holds what."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.collections: dict[str, dict[str, Document]] = {name: {} for name in _NAMES}
        self.stamps: dict[Key, int] = {}
        self.held: dict[Key, Session] = {}
        self.open: list[Session] = []
        self.clock = 0
        self.away_until = 0.0
        self.watchers: list[Callable[[Process, Sequence[Change]], None]] = []

    def check_away(self) -> None:
        if self.world.loop.time() < self.away_until:
            raise AutoReconnect("the store is away")

    def put(self, key: Key, new: Document | None, *, since: float | None = None) -> Change:
        """Let a document be like this from now on."""
        documents = self.collections.setdefault(key[0], {})
        old = documents.get(key[1])
        if new is None:
            documents.pop(key[1], None)
        else:
            documents[key[1]] = new
        self.clock += 1
        self.stamps[key] = self.clock
        return Change(*key, old, new, self.world.loop.time() if since is None else since)

    def committed(self, process: Process, changes: Sequence[Change]) -> None:
        """Show all that watch what was kept together."""
        for watch in self.watchers:
            watch(process, changes)

    def end_abandoned(self, idle: timedelta) -> int:
        """End transactions that nobody goes on with."""
        before = self.world.loop.time() - idle / timedelta(seconds=1)
        abandoned = [each for each in self.open if each.active_at < before]
        for session in abandoned:
            session.end()
        return len(abandoned)


class VirtualStore(Store):
    """The real client's transactions and translations, over a virtual database."""

    def __init__(self, *_: object, app_name: str) -> None:
        self._app_name = app_name
        self._process = PROCESS.get()
        self._world = self._process.world
        self._base: Database = self._world.database
        self._client: Any = SimpleNamespace(
            start_session=self._start_session,
            admin=SimpleNamespace(command=self._command),
            close=lambda: None,
        )

    def collection(self, name: str) -> Any:
        return Collection(self._base, self._process, name)

    async def end_abandoned(self, *, idle: timedelta) -> int:
        await self._process.point("store.kill")
        return self._base.end_abandoned(idle)

    async def _start_session(self) -> Session:
        return Session(self._base, self._process)

    async def _command(self, _: str) -> Document:
        await self._process.point("store.clock")
        self._base.check_away()
        return {"localTime": self._world.loop.moment()}


class Cursor:
    """What a search will find."""

    def __init__(self, collection: "Collection", condition: Document, session: Session | None) -> None:
        self._collection = collection
        self._condition = condition
        self._session = session
        self._order: tuple[str, int] | None = None

    def sort(self, field: str, direction: int) -> "Cursor":
        self._order = (field, direction)
        return self

    def limit(self, _: int) -> "Cursor":
        return self

    async def to_list(self, _: None) -> list[Document]:
        await self._collection.enter(self._session, "store.read")
        found = self._collection.search(self._condition, self._session)
        if self._order is not None:
            field, direction = self._order
            found.sort(key=lambda each: each[field], reverse=direction < 0)
        return found


class Collection:
    """A collection, as a process sees it."""

    def __init__(self, database: Database, process: Process, name: str) -> None:
        self._database = database
        self._process = process
        self._name = name

    async def enter(self, session: Session | None, point: str) -> None:
        """Get to the server, which may be away or have ended our transaction."""
        world = self._database.world
        await self._process.point(point)
        if session is not None or point != "store.read":
            await asyncio.sleep(world.luck.random() * 0.002)
        if not self._process.is_alive or self._process.is_frozen:
            await self._process.point(point)
        self._database.check_away()
        if world.faults_on:
            if world.luck.chance(world.faults.store_away):
                raise AutoReconnect("a line to the store was cut")
            if session is not None and world.luck.chance(world.faults.conflict):
                raise labelled(_TRANSIENT)
        if session is not None:
            if not session.is_open:
                raise labelled(_TRANSIENT)
            session.active_at = world.loop.time()
            session.snapshot()

    def find(
        self, condition: Document, _: Document | None = None, *, session: Session | None = None
    ) -> Cursor:
        return Cursor(self, condition, session)

    async def find_one(
        self, condition: Document, _: Document | None = None, *, session: Session | None = None
    ) -> Document | None:
        await self.enter(session, "store.read")
        return next(iter(self.search(condition, session)), None)

    def aggregate(self, pipeline: Sequence[Document]) -> SimpleNamespace:
        """Count by a field what matches: the one thing that is asked for so."""
        match, group = pipeline
        field = group["$group"]["_id"].removeprefix("$")

        async def to_list(_: None) -> list[Document]:
            found = await self.find(match["$match"]).to_list(None)
            return [{"_id": kind, "count": n} for kind, n in Counter(each[field] for each in found).items()]

        return SimpleNamespace(to_list=to_list)

    async def bulk_write(
        self, writes: Sequence[Any], *, ordered: bool = True, session: Session | None = None
    ) -> SimpleNamespace:
        await self.enter(session, "store.write")
        matched = inserted = 0
        upserted: dict[int, str] = {}
        for place, write in enumerate(writes):
            condition = getattr(write, "_filter", None)
            if condition is None:
                self._insert(write._doc, session)
                inserted += 1
                continue
            touched, new = self._update(condition, write._doc, session, upsert=bool(write._upsert))
            matched += touched
            if new is not None:
                upserted[place] = new
        await self._left(session)
        return SimpleNamespace(matched_count=matched, inserted_count=inserted, upserted_ids=upserted)

    async def update_one(
        self, condition: Document, change: Document, *, upsert: bool = False
    ) -> SimpleNamespace:
        await self.enter(None, "store.write")
        touched, _ = self._update(condition, change, None, upsert=upsert)
        await self._left(None)
        return SimpleNamespace(matched_count=touched)

    async def update_many(
        self, condition: Document, change: Document, *, session: Session | None = None
    ) -> None:
        await self.enter(session, "store.write")
        for each in self.search(condition, session):
            self._write(each["_id"], changed(each, change), session)
        await self._left(session)

    async def find_one_and_update(
        self,
        condition: Document,
        change: Document,
        *,
        sort: list[tuple[str, int]],
        return_document: bool = False,
    ) -> Document | None:
        await self.enter(None, "store.write")
        found = sorted(self.search(condition, None), key=lambda each: each[sort[0][0]])
        if not found:
            return None
        new = changed(found[0], change)
        self._write(new["_id"], new, None)
        await self._left(None)
        return new if return_document else found[0]

    async def insert_many(
        self, documents: Sequence[Document], *, ordered: bool = True, session: Session | None = None
    ) -> None:
        await self.enter(session, "store.write")
        for document in documents:
            self._insert(document, session)
        await self._left(session)

    async def delete_many(self, condition: Document, *, session: Session | None = None) -> None:
        await self.enter(session, "store.write")
        for each in self.search(condition, session):
            self._write(each["_id"], None, session)
        await self._left(session)

    async def delete_one(self, condition: Document) -> None:
        await self.delete_many(condition)

    def search(self, condition: Document, session: Session | None) -> list[Document]:
        """Find what matches, as this session sees it."""
        documents = (session.seen if session else self._database.collections).get(self._name, {})
        wanted = condition.get("_id")
        if isinstance(wanted, str):
            candidates = [documents[wanted]] if wanted in documents else []
        elif isinstance(wanted, dict) and "$in" in wanted:
            candidates = [documents[each] for each in sorted(wanted["$in"]) if each in documents]
        else:
            candidates = list(documents.values())
        return [each for each in candidates if matches(each, condition)]

    async def _left(self, session: Session | None) -> None:
        if session is None:
            await self._process.point("store.written")

    def _insert(self, document: Document, session: Session | None) -> None:
        seen = session.seen if session else self._database.collections
        if document["_id"] in seen.get(self._name, {}):
            raise BulkWriteError({"writeErrors": [{"code": 11000}]})
        self._write(document["_id"], document, session)

    def _update(
        self, condition: Document, change: Document, session: Session | None, *, upsert: bool
    ) -> tuple[int, str | None]:
        found = self.search(condition, session)
        if found:
            self._write(found[0]["_id"], changed(found[0], change), session)
            return 1, None
        if not upsert:
            return 0, None
        fresh = {name: value for name, value in condition.items() if not isinstance(value, (dict, list))}
        self._insert(changed({**fresh, **change.get("$setOnInsert", {})}, change), session)
        return 0, fresh["_id"]

    def _write(self, identity: str, new: Document | None, session: Session | None) -> None:
        key = (self._name, identity)
        database = self._database
        holder = database.held.get(key)
        if session is None:
            if holder is not None:  # a real server makes it wait for the transaction, which then conflicts
                holder.end()
            database.committed(self._process, [database.put(key, new)])
            return
        is_stale = database.stamps.get(key, 0) > (session.began or 0)
        if is_stale or (holder is not None and holder is not session):
            raise labelled(_TRANSIENT)
        database.held[key] = session
        session.written[key] = new
        documents = session.seen.setdefault(self._name, {})
        if new is None:
            documents.pop(identity, None)
        else:
            documents[identity] = new


def labelled(label: str) -> OperationFailure:
    """Make an error as the server labels it."""
    return OperationFailure(label, 112, {"errorLabels": [label]})


def matches(document: Mapping[str, Any], condition: Document) -> bool:
    """Tell whether a document is what is looked for."""
    for name, wanted in condition.items():
        if name == "$or":
            if not any(matches(document, each) for each in wanted):
                return False
            continue
        value = document.get(name)
        if not isinstance(wanted, dict):
            if value != wanted:
                return False
            continue
        for operator, operand in wanted.items():
            if not _OPERATORS[operator](value, operand):
                return False
    return True


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$in": lambda value, operand: value in operand,
    "$nin": lambda value, operand: value not in operand,
    "$lte": lambda value, operand: value is not None and value <= operand,
    "$lt": lambda value, operand: value is not None and value < operand,
    "$gte": lambda value, operand: value is not None and value >= operand,
    "$type": lambda value, _: isinstance(value, datetime),
}


def changed(document: Document, change: Document) -> Document:
    """Give a document as an update leaves it."""
    new = {**document, **change.get("$set", {})}
    for name in change.get("$unset", {}):
        new.pop(name, None)
    for name, step in change.get("$inc", {}).items():
        new[name] = new.get(name, 0) + step
    return new
