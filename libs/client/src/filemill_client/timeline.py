"""What a run did when: its steps, their attempts and what was sent, as parts of one stretch of time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from filemill_client.progress import depths
from filemill_client.shapes import Json, is_final

ITEMS: Final = 20
"""Items of a map that are shown; the others are counted."""


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a trace.

    Attributes:
        depth: In how many others it lies.
        asked: When it could have begun, as far as is known.
        began: When it began; null if it never did.
        ended: When it ended; null if it has not.
    """

    label: str
    status: str
    depth: int = 0
    asked: datetime | None = None
    began: datetime | None = None
    ended: datetime | None = None
    note: str = ""

    def document(self) -> Json:
        """Write it for programs."""
        times = {name: getattr(self, name) for name in ("asked", "began", "ended")}
        return {
            "label": self.label,
            "status": self.status,
            "depth": self.depth,
            **{name: time.isoformat() if time else None for name, time in times.items()},
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """A run or a task with all that is known about it.

    Attributes:
        tasks: The tasks of a run, items of maps too.
        deliveries: What was sent about it.
        children: The runs that its steps started, by their id.
    """

    document: Mapping[str, Any]
    tasks: Sequence[Json] = ()
    deliveries: Sequence[Json] = ()
    children: Mapping[str, "Run"] | None = None


def parts(run: Run, depth: int = 0) -> Iterator[Part]:
    """Tell of a run what it did when, what lies in others below these."""
    document = run.document
    yield _part(document, str(document.get("name") or document["type"]), depth, document["created_at"])
    steps = document.get("steps")
    if steps is None:
        yield from _attempts(document, depth + 1)
    else:
        yield from _steps(run, steps, depth + 1)
    for delivery in sorted(run.deliveries, key=lambda each: str(each["created_at"])):
        yield from _sent(delivery, depth + 1)


def _steps(run: Run, steps: Sequence[Json], depth: int) -> Iterator[Part]:
    tasks = {task["id"]: task for task in run.tasks}
    items: dict[str, list[Json]] = {}
    for task in run.tasks:
        if task.get("item") is not None:
            items.setdefault(str(task.get("parent")), []).append(task)
    ends = {step.get("task_id"): step.get("completed_at") for step in steps}
    for step, inside in zip(steps, depths(steps), strict=True):
        task = tasks.get(step.get("task_id") or "", {})
        waited = [ends.get(each) for each in task.get("depends_on", ())]
        waited += [each.get("completed_at") for each in task.get("attempts", ())]
        asked = max(filter(None, waited), default=run.document.get("started_at"))
        yield _part(step, step["id"], depth + inside, asked)
        yield from _attempts(task, depth + inside + 1)
        yield from _items(items.get(step["id"], ()), depth + inside + 1)
        child = (run.children or {}).get(step.get("child") or "")
        if child is not None:
            yield from parts(child, depth + inside + 1)


def _items(items: Iterable[Json], depth: int) -> Iterator[Part]:
    ordered = sorted(items, key=lambda task: int(task["item"]))
    for task in ordered[:ITEMS]:
        yield _part(task, f"item {task['item']}", depth, None)
        yield from _attempts(task, depth + 1)
    if ordered[ITEMS:]:
        yield Part(f"... and {len(ordered) - ITEMS} more items", "", depth)


def _attempts(task: Mapping[str, Any], depth: int) -> Iterator[Part]:
    """Tell of the attempts that were closed, if there were several; the last one is the task's own line."""
    for each in task.get("attempts") or ():
        error = each.get("error") or {}
        note = f"{error['message']} ({error['code']})" if error else ""
        yield Part(
            f"attempt {each['number']}",
            each["outcome"],
            depth,
            began=_time(each.get("started_at")),
            ended=_time(each.get("completed_at")),
            note=note,
        )


def _sent(delivery: Json, depth: int) -> Iterator[Part]:
    tries = delivery.get("tries") or []
    last = _time(tries[-1]["at"]) if tries else None
    told = str(delivery["event_type"]).removeprefix("io.filemill.").removesuffix(".v1")
    codes = ", ".join(str(each["code"]) for each in tries)
    yield Part(
        str(delivery["channel"]),
        str(delivery["status"]),
        depth,
        asked=_time(delivery["created_at"]),
        began=_time(tries[0]["at"]) if tries else None,
        ended=last if delivery["status"] != "pending" else None,
        note=f"{told}: {codes}" if codes else told,
    )


def _part(told: Mapping[str, Any], label: str, depth: int, asked: str | None) -> Part:
    error = told.get("error")
    note = f"{error['message']} ({error['code']})" if error else str(told.get("reason") or "")
    return Part(
        label,
        told["status"],
        depth,
        asked=_time(asked),
        began=_time(told.get("started_at")),
        ended=_time(told.get("completed_at")) if is_final(told) else None,
        note=note.replace("_", " ") if not error else note,
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
