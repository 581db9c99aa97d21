"""What a fold looks at and changes: a working copy of what was loaded, which asks for what is missing."""

from collections import deque
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from filemill_common.events import Event, JsonObject, StoredFile
from filemill_common.language.model import MAX_STEPS
from filemill_scheduler.core.history import Change, Folded
from filemill_scheduler.core.state import Run, Task, replace

FileKey = tuple[str, str]
"""Tenant and path."""
Span = tuple[str, int, int]
"""A run, and the first and the last index of some of its steps."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be read before the fold can answer; it is then asked again from the beginning.

    Attributes:
        runs_open_tasks: Runs of which every task that has not ended is needed.
        spans: Steps, of which every task is needed, ended or not, a map's items too.
        subworkflows: Runs whose frozen templates are needed.
    """

    tasks: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    files: frozenset[FileKey] = frozenset()
    runs_open_tasks: frozenset[str] = frozenset()
    spans: frozenset[Span] = frozenset()
    subworkflows: frozenset[str] = frozenset()

    def __or__(self, other: "Needs") -> "Needs":
        """Need both."""
        return Needs(
            self.tasks | other.tasks,
            self.runs | other.runs,
            self.files | other.files,
            self.runs_open_tasks | other.runs_open_tasks,
            self.spans | other.spans,
            self.subworkflows | other.subworkflows,
        )

    def __bool__(self) -> bool:
        """Whether anything is needed."""
        return self != _NOTHING


_NOTHING = Needs()


@dataclass(slots=True)
class Loaded:
    """What was read, in one snapshot; None stands for what is not there.

    Attributes:
        to_leave: Only when an event is played again: what was left to a `Check` (`View.left`), since the fold
            of then could read no more.
    """

    tasks: dict[str, Task | None] = field(default_factory=dict)
    runs: dict[str, Run | None] = field(default_factory=dict)
    files: dict[FileKey, StoredFile | None] = field(default_factory=dict)
    open_tasks: dict[str, frozenset[str]] = field(default_factory=dict)
    spans: dict[Span, frozenset[str]] = field(default_factory=dict)
    subworkflows: dict[str, JsonObject] = field(default_factory=dict)
    to_leave: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that was put off too often, and why nobody waits for it any more."""

    event: Event
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a batch of events changed, and the events it now owes.

    Attributes:
        taken: How many of the events were folded; the rest belongs to the next batch.
        tasks: Those that changed, each with the version it was read with.
        runs: Likewise.
        aliases: Tenant and file for each path that was set, in order.
        purged: Runs whose tasks are deleted with them.
        metadata: Tenant, file digest and metadata, from probes.
        owed: Events to store with the state and to send after it; transient ones are only sent.
        deferred: Events that came too early, with the moment to look at them again.
        parked: Events that were put off too often.
        retold: Requests that are stored now, to be told to whoever listens.
        ignored: How many reports were about closed attempts or known facts.
        history: What became of each event that is about a run, in their order.
    """

    taken: int = 0
    tasks: tuple[Task, ...] = ()
    runs: tuple[Run, ...] = ()
    aliases: tuple[tuple[str, StoredFile], ...] = ()
    purged: tuple[str, ...] = ()
    metadata: tuple[tuple[str, Task], ...] = ()
    owed: tuple[Event, ...] = ()
    deferred: tuple[tuple[Event, datetime], ...] = ()
    parked: tuple[Parked, ...] = ()
    retold: tuple[Event, ...] = ()
    ignored: int = 0
    history: tuple[Folded, ...] = ()

    @property
    def stores_nothing(self) -> bool:
        """Whether no document changes and nothing is owed that must not be lost; history may be kept."""
        return not (self.tasks or self.runs or self.aliases or self.purged or self.deferred or self.durable)

    @property
    def durable(self) -> tuple[Event, ...]:
        """The events owed that must reach somebody."""
        return tuple(event for event in self.owed if not event.transient)


class MissingError(Exception):
    """The view does not hold what was asked for; never seen outside the core."""

    def __init__(self, needs: Needs) -> None:
        super().__init__("more must be read")
        self.needs = needs


Mark = dict[str, Any]
"""What a view held at one moment."""

_UNDONE = (
    "owed", "deferred", "parked", "retold", "purged", "metadata", "ignored", "ended", "due", "burying",
    "changes", "_tasks", "_runs", "_files",
)  # fmt: skip
_key = attrgetter("key")


class View:
    """A working copy for one fold; what is put is seen by what follows.

    Args:
        loaded: What was read.
        now: The store's time.
        may_lapse: Whether a lease that is over counts as lost. Not so for one lease after the owner
            of the partition began to read, since renewals may still be queued.
        may_ask: Whether more can be read. In the last round it cannot: what would follow is then
            left to a `Check`.
    """

    def __init__(
        self, loaded: Loaded, *, now: datetime, may_lapse: bool = True, may_ask: bool = True
    ) -> None:
        self.now = now
        self.may_lapse = may_lapse
        self.may_ask = may_ask
        self.owed: list[Event] = []
        self.deferred: list[tuple[Event, datetime]] = []
        self.parked: list[Parked] = []
        self.retold: list[Event] = []
        self.purged: list[str] = []
        self.metadata: list[tuple[str, Task]] = []
        self.ignored = 0
        self.ended: deque[str] = deque()
        """Tasks that ended and are not settled yet."""
        self.due: deque[str] = deque()
        """Tasks that may be able to begin."""
        self.burying: list[str] = []
        """Runs that are deleted once all of them has ended."""
        self.history: list[Folded] = []
        self.changes: list[Change] = []
        """What the event in hand did to statuses and tries so far."""
        self.told: dict[str, StoredFile | None] = {}
        """What paths stood for when it asked."""
        self.taken: list[str] = []
        """Ids in the place of steps that are those of other tasks."""
        self.left: list[str] = []
        """What it left to a `Check`, as ``settle:<task>`` and ``begin:<task>``."""
        self.to_leave = loaded.to_leave
        self._loaded = loaded
        self._tasks: dict[str, Task] = {}
        self._runs: dict[str, Run] = {}
        self._files: dict[FileKey, StoredFile] = {}
        self._opened: dict[str, list[str]] = {}

    def mark(self) -> "Mark":
        """Remember how all stands, so that what follows can be undone."""
        return {name: copy(getattr(self, name)) for name in _UNDONE}

    def back_to(self, mark: "Mark") -> None:
        """Undo all that was done since a mark was set, which is used up."""
        for name, value in mark.items():
            setattr(self, name, value)

    @property
    def changed(self) -> int:
        """How many documents would be written."""
        return len(self._tasks) + len(self._runs) + len(self._files)

    def has_ended(self, subject: str) -> bool:
        """Whether a task or run is final by what this fold made of it."""
        known = self._tasks.get(subject) or self._runs.get(subject)
        return known is not None and known.status is not None and known.status.is_final

    def task(self, task_id: str) -> Task | None:
        """Give a task as it now stands, or None if there is none."""
        return self.tasks((task_id,))[0]

    def tasks(self, task_ids: Iterable[str]) -> list[Task | None]:
        """Give tasks as they now stand; asks for all that are missing at once."""
        found: list[Task | None] = []
        missing: list[str] = []
        for task_id in task_ids:
            if task_id in self._tasks:
                found.append(self._tasks[task_id])
            elif task_id in self._loaded.tasks:
                found.append(self._loaded.tasks[task_id])
            else:
                missing.append(task_id)
        if missing:
            raise MissingError(Needs(tasks=frozenset(missing)))
        return found

    def run(self, run_id: str) -> Run | None:
        """Give a run as it now stands, or None if there is none."""
        if run_id in self._runs:
            return self._runs[run_id]
        if run_id not in self._loaded.runs:
            raise MissingError(Needs(runs=frozenset({run_id})))
        return self._loaded.runs[run_id]

    def knows(self, run_id: str) -> bool:
        """Whether it can be said, without reading more, whether there is such a run."""
        return run_id in self._runs or run_id in self._loaded.runs

    def runs(self, run_ids: Iterable[str]) -> list[Run | None]:
        """Give runs as they now stand; asks for all that are missing at once."""
        wanted = tuple(run_ids)
        missing = {
            run_id for run_id in wanted if run_id not in self._runs and run_id not in self._loaded.runs
        }
        if missing:
            raise MissingError(Needs(runs=frozenset(missing)))
        return [self.run(run_id) for run_id in wanted]

    def run_of(self, step: Task) -> Run:
        """Give the run of a step."""
        run = self.run(step.workflow_id or "")
        if run is None:
            raise LookupError(f"the run {step.workflow_id!r} of a step is not there")
        return run

    def file(self, tenant: str, path: str) -> StoredFile | None:
        """Tell what a path stands for now; a path set earlier in the same fold counts."""
        key = (tenant, path)
        if key not in self._files and key not in self._loaded.files:
            raise MissingError(Needs(files=frozenset({key})))
        found = self.told[path] = self._files.get(key) or self._loaded.files[key]
        return found

    def open_tasks(self, run_id: str) -> list[Task]:
        """Give all tasks of a run that have not ended, in the order of its definition."""
        stored = self._loaded.open_tasks.get(run_id)
        if stored is None:
            run = self.run(run_id)
            if run is not None and run.version > 0:
                raise MissingError(Needs(runs_open_tasks=frozenset({run_id})))
            stored = frozenset()
        known = self.tasks(stored.union(self._put_in(run_id)))
        return sorted((task for task in known if task is not None and task.is_open), key=_key)

    def steps(self, run_id: str, first: int = 0, last: int = MAX_STEPS) -> list[Task]:
        """Give the tasks of a run's steps from one index to another, in the order of its definition."""
        run, span = self.run(run_id), (run_id, first, last)
        stored = self._loaded.spans.get(span)
        if stored is None:
            if run is not None and run.version > 0:
                raise MissingError(Needs(spans=frozenset({span})))
            stored = frozenset()
        known = self.tasks(stored.union(self._put_in(run_id)))
        found = (task for task in known if task is not None and first <= task.index <= last)
        return sorted(found, key=_key)

    def _put_in(self, run_id: str) -> Iterable[str]:
        """Name the tasks of a run that came to be, or came to be open again, in this fold."""
        return (task_id for task_id in self._opened.get(run_id, ()) if task_id in self._tasks)

    def subworkflow(self, root_id: str, reference: str) -> JsonObject | None:
        """Give a template as it was frozen into the run that all is part of, or None."""
        if root_id not in self._loaded.subworkflows:
            root = self.run(root_id)
            if root is None or root.version > 0:
                raise MissingError(Needs(subworkflows=frozenset({root_id})))
            return (root.subworkflows or {}).get(reference)
        return self._loaded.subworkflows[root_id].get(reference)

    def put(self, task: Task) -> Task:
        """Let a task stand like this from now on."""
        task = replace(task, updated_at=self.now)
        before = self._tasks.get(task.id) or self._loaded.tasks.get(task.id)
        if task.workflow_id is not None:
            if before is None or not before.is_open:
                self._opened.setdefault(task.workflow_id, []).append(task.id)
            if before is None or task.status is not before.status or task.attempt != before.attempt:
                self.changes.append((before, task))
        self._tasks[task.id] = task
        return task

    def put_run(self, run: Run) -> Run:
        """Let a run stand like this from now on."""
        run = replace(run, updated_at=self.now)
        before = self._runs.get(run.id) or self._loaded.runs.get(run.id)
        if before is None or run.status is not before.status:
            self.changes.append((before, run))
        self._runs[run.id] = run
        return run

    def alias(self, tenant: str, file: StoredFile) -> None:
        """Let ``file.path`` stand for ``file`` from now on."""
        self._files[(tenant, file.path or "")] = file

    def owe(self, *events: Event) -> None:
        """Owe events, in this order."""
        self.owed.extend(events)

    def decision(self, taken: int) -> Decision:
        """Say what all this came to."""
        return Decision(
            taken=taken,
            tasks=tuple(self._tasks.values()),
            runs=tuple(self._runs.values()),
            aliases=tuple((tenant, file) for (tenant, _), file in self._files.items()),
            purged=tuple(self.purged),
            metadata=tuple(self.metadata),
            owed=tuple(self.owed),
            deferred=tuple(self.deferred),
            parked=tuple(self.parked),
            retold=tuple(self.retold),
            ignored=self.ignored,
            history=tuple(self.history),
        )
