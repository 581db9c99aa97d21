"""What the gateway reads in MongoDB, as views; it writes no state of tasks and workflows."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from pymongo import DESCENDING

from filemill_common.clock import rfc3339
from filemill_common.events import JsonObject, StoredFile, TaskStatus, TaskView, WorkflowStatus, WorkflowView
from filemill_common.store import (
    Document,
    Session,
    Store,
    task_view,
    translated,
    workflow_input,
    workflow_view,
)
from filemill_common.store.documents import decode_json, history_entries, history_of, history_place
from filemill_common.store.indexes import DELIVERIES, FILE_METADATA, HISTORY, TASKS, WORKFLOWS
from filemill_gateway.core.cursors import Cursor
from filemill_gateway.core.history import HistoryItem, Place, items, write_place
from filemill_gateway.core.workflows import StepShape, WorkflowShape, step_shape, workflow_shape

View = TypeVar("View", TaskView, WorkflowView)
Item = TypeVar("Item")

_UNSHOWN: Final = {"definition": 0, "subworkflows": 0, "outputs": 0, "dependents": 0}
_CHAPTERS: Final = 20
"""Documents of a history that are read at once; one has 1 MB at the most, or one event that is larger."""
_WORK: Final[Document] = {"kind": {"$in": [None, "task"]}}


@dataclass(frozen=True, slots=True)
class Stored(Generic[View]):
    """A task or run as it is stored.

    Attributes:
        view: As it is shown; None for what was deleted.
        commands: Ids of the last commands it took.
        input: What it reads, once that is resolved.
    """

    id: str
    view: View | None
    version: int
    body_digest: str
    partition_key: str
    commands: tuple[str, ...] = ()
    input: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run with its steps, and the version of each."""

    shape: WorkflowShape
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """A run and those that it started, as they stood after one document of their history.

    Attributes:
        last: The place of that document.
    """

    shapes: tuple[WorkflowShape, ...]
    last: int


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list, and where it goes on."""

    items: tuple[Item, ...]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks, runs or deliveries are listed.

    Attributes:
        equal: Field to the value it must have.
        labels: All of these must be there.
        search: What the name or type has somewhere in it, in whatever case, or the id at its beginning.
        alone: Whether steps of runs are left out.
        after: Created at or after this.
        before: Created before this.
    """

    statuses: Sequence[str] = ()
    equal: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    search: str = ""
    alone: bool = False
    after: datetime | None = None
    before: datetime | None = None


class Queries:
    """Reads of one tenant's tasks, runs, deliveries and metadata.

    Every method raises StoreUnavailableError if MongoDB cannot be reached.
    """

    def __init__(self, store: Store, *, tenant: str = "default") -> None:
        self._store = store
        self._history = store.collection(HISTORY)
        self._tasks = store.collection(TASKS)
        self._workflows = store.collection(WORKFLOWS)
        self._deliveries = store.collection(DELIVERIES)
        self._metadata = store.collection(FILE_METADATA)
        self._tenant = tenant

    async def task(self, task_id: str) -> Stored[TaskView] | None:
        """Give a task, or what is left of it; None if there is none, or only others that wait for it."""
        with translated():
            document = await self._tasks.find_one({"_id": task_id, "tenant": self._tenant}, _UNSHOWN)
        if document is None or (document.get("status") is None and document.get("created_at") is None):
            return None
        return _stored(document, task_view(document) if document.get("status") else None)

    async def workflow(self, workflow_id: str) -> Stored[WorkflowView] | None:
        """Give a run without its steps, or what is left of it; None if there is none."""
        with translated():
            document = await self._workflows.find_one({"_id": workflow_id, "tenant": self._tenant}, _UNSHOWN)
        if document is None:
            return None
        return _stored(document, workflow_view(document) if document.get("status") else None)

    async def snapshot(self, workflow_id: str) -> Snapshot | None:
        """Give a run with its steps; None if there is none, or it was deleted."""
        return await self._snapshot(workflow_id)

    async def _snapshot(self, workflow_id: str, session: Session | None = None) -> Snapshot | None:
        of = {"_id": workflow_id, "tenant": self._tenant}
        with translated():
            # The run first: what ends it is stored with it, so steps read later are no older.
            run = await self._workflows.find_one(of, _UNSHOWN, session=session)
            if run is None or run.get("status") is None:
                return None
            found = self._tasks.find(_steps_of(workflow_id), _UNSHOWN, session=session)
            tasks = await found.sort("index", 1).to_list(None)
        steps = tuple(_step(task) for task in tasks)
        versions = {document["_id"]: int(document["version"]) for document in (run, *tasks)}
        return Snapshot(workflow_shape(workflow_view(run), workflow_input(run), steps), versions)

    async def definition(self, workflow_id: str) -> JsonObject | None:
        """Give the definition that a run was started with; None if there is none, or it was deleted."""
        with translated():
            run = await self._workflows.find_one(
                {"_id": workflow_id, "tenant": self._tenant}, {"definition": 1}
            )
        found: JsonObject | None = decode_json((run or {}).get("definition"))
        return found

    async def items(self, workflow_id: str) -> Mapping[str, Mapping[str, int]]:
        """Count the items of each map of a run by status."""
        of: Document = {"workflow_id": workflow_id, "status": {"$ne": None}, "item": {"$ne": None}}
        counted: list[Document] = [
            {"$match": of},
            {"$group": {"_id": {"map": "$parent", "status": "$status"}, "count": {"$sum": 1}}},
        ]
        with translated():
            found = await self._tasks.aggregate(counted).to_list(None)
        items: dict[str, dict[str, int]] = {}
        for each in found:
            items.setdefault(each["_id"]["map"], {})[each["_id"]["status"]] = int(each["count"])
        return items

    async def items_of(self, workflow_id: str, step_id: str, *, limit: int) -> tuple[TaskView, ...]:
        """Give the first items of a map, in their order."""
        of = {"workflow_id": workflow_id, "parent": step_id, "item": {"$ne": None}, "status": {"$ne": None}}
        with translated():
            found = self._tasks.find({**of, "tenant": self._tenant}, _UNSHOWN).sort("item", 1).limit(limit)
            return tuple(task_view(document) for document in await found.to_list(None))

    async def position(self, workflow_id: str) -> int:
        """Give the sum of the versions of a run and its steps: cheaper than to read them."""
        with translated():
            run = await self._workflows.find_one({"_id": workflow_id}, {"version": 1})
            steps = [{"$match": _steps_of(workflow_id)}]
            total = [{"$group": {"_id": None, "sum": {"$sum": "$version"}}}]
            sums = await self._tasks.aggregate([*steps, *total]).to_list(1)
        return int(run["version"] if run else 0) + int(sums[0]["sum"] if sums else 0)

    async def tasks(self, wanted: Filter, *, limit: int, cursor: Cursor | None = None) -> Page[TaskView]:
        """List tasks, newest first: those that are work, not the steps that only decide or wait."""
        everything = [status.value for status in TaskStatus]
        found = await self._list(self._tasks, wanted, everything, limit, cursor, _WORK)
        return _page([task_view(document) for document in found], found, limit)

    async def workflows(
        self, wanted: Filter, *, limit: int, cursor: Cursor | None = None
    ) -> Page[WorkflowView]:
        """List runs without their steps, newest first."""
        everything = [status.value for status in WorkflowStatus]
        found = await self._list(self._workflows, wanted, everything, limit, cursor)
        return _page([workflow_view(document) for document in found], found, limit)

    async def deliveries(
        self, wanted: Filter, *, limit: int, cursor: Cursor | None = None
    ) -> Page[JsonObject]:
        """List what the notifier sent, or tries to, newest first."""
        found = await self._list(self._deliveries, wanted, (), limit, cursor)
        return _page([_plain(document) for document in found], found, limit)

    async def history(
        self, root: str, *, of: str | None, limit: int, start: Place | None = None
    ) -> Page[HistoryItem]:
        """List what happened to a run and those that it started, or to one of these alone, in order.

        Args:
            root: The outermost run.
            of: The run whose events are wanted; None for all.
            limit: The most of them.
            start: Where to go on; None to begin.
        """
        start = start or Place()
        found: list[HistoryItem] = []
        condition = history_of(root, first=start.document) | ({} if of is None else {"runs": of})
        with translated():
            async for document in self._history.find(condition).sort("_id", 1).batch_size(_CHAPTERS):
                place = history_place(document["_id"])
                for index, item in items(history_entries(document), document["at"], of=of):
                    if place == start.document and index < start.index:
                        continue
                    if len(found) == limit:
                        return Page(tuple(found), write_place(Place(place, index), document["at"]))
                    found.append(item)
        return Page(tuple(found), None)

    async def whole_history(self, root: str, *, last: int) -> AsyncIterator[HistoryItem]:
        """Give all that happened to a run and those that it started, as far as the document at a place."""
        with translated():
            found = self._history.find(history_of(root, last=last)).sort("_id", 1).batch_size(_CHAPTERS)
            async for document in found:
                for _, item in items(history_entries(document), document["at"], of=None):
                    yield item

    async def standing(self, root: str) -> Standing:
        """Show a run and those that it started as they stand, and how far their history goes with that."""

        async def look(session: Session) -> Standing:
            shapes: list[WorkflowShape] = []
            rest = [root]
            while rest:
                run = rest.pop(0)
                snapshot = await self._snapshot(run, session)
                if snapshot is not None:
                    shapes.append(snapshot.shape)
                    started = {"workflow_id": run, "child": {"$ne": None}, "status": {"$ne": None}}
                    children = self._tasks.find(started, {"child": 1}, session=session).sort("index", 1)
                    rest += [each["child"] for each in await children.to_list(None)]
            newest = await self._history.find_one(
                history_of(root), {"_id": 1}, sort=[("_id", DESCENDING)], session=session
            )
            return Standing(tuple(shapes), history_place(newest["_id"]) if newest else -1)

        return await self._store.in_transaction(look)

    async def metadata(self, digest: str, *, now: datetime) -> JsonObject | None:
        """Give what a probe found out about the content with a digest; None if that is not known."""
        with translated():
            # The server removes what expired once a minute, so what it still has may be over.
            document = await self._metadata.find_one(
                {"_id": f"{self._tenant}:{digest}", "expires_at": {"$gt": now}}
            )
        return None if document is None else _object(document["metadata"])

    async def _list(
        self,
        collection: Any,
        wanted: Filter,
        everything: Iterable[str],
        limit: int,
        cursor: Cursor | None,
        *more: Document,
    ) -> list[Document]:
        """Read a page and one document more, which tells whether there is another page."""
        conditions: list[Document] = [{"tenant": self._tenant}, *more]
        statuses = list(wanted.statuses or everything)  # a stub or tombstone has none, and is not shown
        if statuses:
            conditions.append({"status": {"$in": statuses}})
        conditions += ({name: {"$eq": value}} for name, value in wanted.equal.items())
        conditions += (
            {"labels": {"$elemMatch": {"k": {"$eq": key}, "v": {"$eq": value}}}}
            for key, value in wanted.labels.items()
        )
        if wanted.search:
            text = re.escape(wanted.search)
            anywhere = {"$regex": text, "$options": "i"}
            by_id = {"_id": {"$regex": f"^{text}"}}
            conditions.append({"$or": [by_id, {"name": anywhere}, {"type": anywhere}]})
        if wanted.alone:
            conditions.append({"workflow_id": None})
        if wanted.after is not None:
            conditions.append({"created_at": {"$gte": wanted.after}})
        if wanted.before is not None:
            conditions.append({"created_at": {"$lt": wanted.before}})
        if cursor is not None:
            older = {"created_at": {"$lt": cursor.created_at}}
            conditions.append({"$or": [older, {"created_at": cursor.created_at, "_id": {"$lt": cursor.id}}]})
        order = [("created_at", DESCENDING), ("_id", DESCENDING)]
        with translated():
            found = collection.find({"$and": conditions}, _UNSHOWN).sort(order).limit(limit + 1)
            documents: list[Document] = await found.to_list(None)
        return documents


def _stored(document: Document, view: View | None) -> Stored[View]:
    given = document.get("input")
    return Stored(
        id=document["_id"],
        view=view,
        version=int(document["version"]),
        body_digest=document.get("body_digest") or "",
        partition_key=document.get("partition_key") or document["_id"],
        commands=tuple(document.get("commands") or ()),
        input=StoredFile(**given) if given else None,
    )


def _steps_of(workflow_id: str) -> Document:
    """Find the steps of a run; the items of a map are none."""
    return {"workflow_id": workflow_id, "status": {"$ne": None}, "item": None}


def _step(document: Document) -> StepShape:
    return step_shape(task_view(document), order=document.get("order"))


def _page(items: Sequence[Item], documents: Sequence[Document], limit: int) -> Page[Item]:
    if len(documents) <= limit:
        return Page(tuple(items), None)
    last = documents[limit - 1]
    return Page(tuple(items[:limit]), Cursor(created_at=last["created_at"], id=last["_id"]))


def _object(value: Any) -> JsonObject:
    found: JsonObject = decode_json(value) if isinstance(value, str) else value
    return found


def _plain(document: Document) -> JsonObject:
    """Show a document as it is, under the names of JSON."""
    shown: JsonObject = _jsonable({key: value for key, value in document.items() if key != "_id"})
    return {"id": str(document["_id"]), **shown}


def _jsonable(value: Any) -> Any:
    match value:
        case datetime():
            return rfc3339(value)
        case dict():
            return {key: _jsonable(item) for key, item in value.items()}
        case list():
            return [_jsonable(item) for item in value]
        case _:
            return value
