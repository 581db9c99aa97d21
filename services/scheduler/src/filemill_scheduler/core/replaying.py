"""Plays a run's history through the fold again, event by event: a report of a fault becomes a test.

What is played is what `GET /v1/workflows/{id}/history/export` gives, and `filemill history --output` keeps::

    played = replay(read(Path("run.jsonl").read_text().splitlines()))
    assert played.difference is None
    assert played.task("thumbnail").status == "skipped"
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from filemill_common.errors import FilemillError
from filemill_common.events import EVENTS, HISTORY_FORMAT, Event, JsonObject, StoredFile, TaskStatus
from filemill_common.ids import step_task_id
from filemill_scheduler.core.fold import concerns, fold
from filemill_scheduler.core.history import Folded
from filemill_scheduler.core.memory import Memory
from filemill_scheduler.core.state import Run, Task
from filemill_scheduler.core.view import Decision, Loaded

_MOMENT: Final = TypeAdapter(datetime)
_FILES: Final = TypeAdapter(dict[str, StoredFile | None])
_COMPARED: Final = ("made", "changes", "outcome")
_RUN_COMPARED: Final = ("status", "error", "started_at", "completed_at", "duration")
_STEP_COMPARED: Final = (
    "status", "reason", "attempt", "child", "output", "error", "started_at", "completed_at",
)  # fmt: skip


class UnreadableHistoryError(FilemillError, ValueError):
    """What is to be played is no whole history of a run."""

    code = "unreadable_history"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it was kept.

    Attributes:
        at: When it was folded, by the store's time.
        decided: What became of it then: ``made``, ``changes``, ``outcome``.
        run: The run that it is about, and ``step`` the step, if it is about one.
        given: What the fold was told beside it.
    """

    event: Event
    at: datetime
    run: str
    step: str | None
    decided: JsonObject
    given: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A run's history.

    Attributes:
        root: The run that all is part of.
        state: The run and those that it started, as the gateway showed them after the last event.
    """

    root: str
    events: tuple[Recorded, ...]
    state: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """An event played again.

    Attributes:
        number: From 1.
        decided: What became of it now, in the shape of ``recorded.decided``.
        failure: What the fold raised, if it did.
    """

    number: int
    recorded: Recorded
    decided: JsonObject
    failure: str | None = None

    @property
    def difference(self) -> str | None:
        """Say in what it differs from what was recorded, if it does."""
        if self.failure is not None:
            return f"event {self.number}, {type(self.recorded.event).__name__}: {self.failure}"
        was, now = _comparable(self.recorded.decided), _comparable(self.decided)
        if was == now:
            return None
        kind = type(self.recorded.event).__name__
        return f"event {self.number}, {kind}: decided {_short(now)}; recorded {_short(was)}"


class Replay:
    """A run's history on its way through the fold.

    Attributes:
        steps: What was played so far.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._memory = Memory()
        self.steps: list[Step] = []

    def play(self, *, until: int | None = None) -> Iterator[Step]:
        """Play what is left, as far as the event with a number, one whenever the next one is asked for."""
        for recorded in self._record.events[len(self.steps) : until]:
            step = self._play(len(self.steps) + 1, recorded)
            self.steps.append(step)
            yield step

    @property
    def difference(self) -> str | None:
        """Say where it first differs from what was recorded; the state counts once all has been played."""
        found = next((said for step in self.steps if (said := step.difference)), None)
        if found is not None or len(self.steps) < len(self._record.events):
            return found
        return next(self._differing_state(), None)

    def run(self, run_id: str | None = None) -> Run:
        """Give a run as it stands, the outermost one unless another is named."""
        return self._memory.runs[run_id or self._record.root]

    def task(self, step_id: str, *, index: int | None = None, run: str | None = None) -> Task:
        """Give a step as it stands, or an item of a map; one of the outermost run unless another is named."""
        return self._memory.tasks[step_task_id(run or self._record.root, step_id, index)]

    def runs(self) -> tuple[Run, ...]:
        """Give all runs that stand, the outermost one first."""
        return tuple(run for run in self._memory.runs.values() if run.status is not None)

    def tasks(self) -> tuple[Task, ...]:
        """Give all tasks that stand, those of a run together and in the order of its definition."""
        there = (task for task in self._memory.tasks.values() if task.status is not None)
        return tuple(sorted(there, key=lambda task: (task.workflow_id or "", task.key)))

    def _play(self, number: int, recorded: Recorded) -> Step:
        given = recorded.given
        others = {each: Task(id=each, status=TaskStatus.COMPLETED) for each in given.get("taken", ())}
        files = _FILES.validate_python(given.get("files", {}))
        needs = concerns([recorded.event])
        loaded = Loaded(to_leave=frozenset(given.get("left", ())))
        while True:
            self._memory.read(needs, loaded)
            loaded.files.update({(tenant, path): files.get(path) for tenant, path in needs.files})
            loaded.tasks.update({each: task for each, task in others.items() if each in loaded.tasks})
            try:
                answer = fold(
                    loaded, [recorded.event], now=recorded.at, may_lapse=given.get("lapsed") is not False
                )
            except Exception as error:  # noqa: BLE001 - that it fails is what was found out
                return Step(number, recorded, {}, failure=f"{type(error).__name__}: {error}")
            if isinstance(answer, Decision):
                self._memory.keep(answer)
                return Step(number, recorded, _decided(answer.history))
            needs = answer

    def _differing_state(self) -> Iterator[str]:
        for shown in self._record.state:
            yield from self._differing_run(shown)

    def _differing_run(self, shown: JsonObject) -> Iterator[str]:
        run = self._memory.runs.get(shown["id"])
        if run is None or run.status is None:
            yield f"there is no workflow {shown['id']!r}, and one was recorded"
            return
        yield from _differing(f"workflow {run.id}", run.view().model_dump(mode="json"), shown, _RUN_COMPARED)
        steps = {
            task.step_id: task for task in self.tasks() if task.workflow_id == run.id and task.item is None
        }
        recorded = {step["id"]: step for step in shown["steps"]}
        if set(steps) != set(recorded):
            yield f"workflow {run.id} has the steps {sorted(map(str, steps))}; recorded {sorted(recorded)}"
        for name, step in recorded.items():
            if task := steps.get(name):
                now = task.view().model_dump(mode="json")
                yield from _differing(f"step {name!r} of workflow {run.id}", now, step, _STEP_COMPARED)


def replay(record: Record) -> Replay:
    """Play a whole history."""
    played = Replay(record)
    for _ in played.play():
        pass
    return played


def read(lines: Iterable[str]) -> Record:
    """Read an export: a line that says what it is, one for each event, and one that says how all stood then.

    Raises:
        UnreadableHistoryError: It is none, or a part of it is missing.
    """
    documents = [_object(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not documents or documents[0].get("format") != HISTORY_FORMAT:
        raise UnreadableHistoryError(
            f"this is no export of a history: the first line names no {HISTORY_FORMAT!r}"
        )
    head, *entries = documents
    if not entries or entries[-1].get("events") != len(entries) - 1:
        raise UnreadableHistoryError(
            "a part of the history is missing: the last line does not count the others"
        )
    last = entries.pop()
    try:
        events = tuple(_recorded(entry) for entry in entries)
    except (KeyError, ValidationError) as error:
        raise UnreadableHistoryError(f"an event cannot be read: {error}") from error
    if not events or events[0].event.subject != head["workflow_id"]:
        message = "it does not begin with the request for the workflow, which may be older than histories are"
        raise UnreadableHistoryError(message)
    return Record(head["workflow_id"], events, tuple(last.get("state", ())))


def recorded(folded: Folded, at: datetime) -> Recorded:
    """Give what a fold noted as it comes back from where it is kept."""
    said = folded.document()
    data = json.loads(folded.event.model_dump_json(exclude_defaults=True))
    return _recorded({**said, "at": at, "type": folded.event.type, "data": data})


def _object(number: int, line: str) -> JsonObject:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UnreadableHistoryError(f"line {number} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnreadableHistoryError(f"line {number} is no JSON object")
    return found


def _recorded(entry: Mapping[str, Any]) -> Recorded:
    return Recorded(
        event=EVENTS[entry["type"]].model_validate(entry["data"]),
        at=_MOMENT.validate_python(entry["at"]),
        run=entry["run"],
        step=entry.get("step"),
        decided={name: entry[name] for name in _COMPARED if entry.get(name)},
        given=entry.get("given") or {},
    )


def _decided(history: tuple[Folded, ...]) -> JsonObject:
    return {
        name: value for folded in history for name, value in folded.document().items() if name in _COMPARED
    }


def _comparable(decided: JsonObject) -> JsonObject:
    """Leave aside what a decision may say in any order: changes of different tasks."""
    changes = [
        {name: value for name, value in change.items() if value is not None}
        for change in decided.get("changes", ())
    ]
    ordered = sorted(changes, key=lambda change: (change.get("run", ""), change.get("task", "")))
    return {**decided, "changes": ordered}


def _short(decided: JsonObject) -> str:
    """Say in a line what was decided."""
    said = [f"{decided['made']} tasks made"] if decided.get("made") else []
    for change in decided.get("changes", ()):
        attempt = f" (attempt {change['attempt']})" if "attempt" in change else ""
        reason = f" [{change['reason']}]" if "reason" in change else ""
        name = change.get("step") or "workflow"
        said.append(f"{name}: {change.get('from')} -> {change.get('to')}{attempt}{reason}")
    said += [decided["outcome"]] if decided.get("outcome") else []
    return ", ".join(said) or "nothing"


def _differing(
    what: str, now: Mapping[str, Any], was: Mapping[str, Any], names: Iterable[str]
) -> Iterator[str]:
    for name in names:
        if now.get(name) != was.get(name):
            yield f"{name} of {what}: {_value(now.get(name))}; recorded {_value(was.get(name))}"


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"
