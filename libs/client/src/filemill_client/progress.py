"""What a live stream has told so far, as rows to show: one for each step, or one for a task of its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from filemill_client.shapes import FINAL, Failure, Json, Kind
from filemill_client.sse import StreamEvent

_URGENT: Final = ("running", "retrying", "failed", "ready", "pending", "cancelled", "completed", "skipped")
"""Statuses from what must be seen to what need not, where there is no room for all."""


@dataclass(frozen=True, slots=True)
class Row:
    """A step, or a task.

    Attributes:
        task_id: Of its task.
        percent: 0 to 100; of what was skipped 100.
        attempt: Number of the last attempt known to have run, 0 before the first.
        note: What it says of itself, or why it is where it is.
        depth: How many steps it lies in.
    """

    task_id: str
    label: str
    status: str = "pending"
    percent: float = 0.0
    attempt: int = 0
    note: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A workflow or task as far as it is known.

    Attributes:
        percent: 0 to 100.
        rows: In the order of the definition.
        document: The last whole shape that came.
    """

    kind: Kind
    title: str = ""
    status: str = "pending"
    percent: float = 0.0
    rows: tuple[Row, ...] = ()
    document: Json | None = None


def apply(shown: Shown, event: StreamEvent) -> Shown:
    """Take note of an event; a change that is older than what is known changes nothing."""
    if event.event == "change":
        return _changed(shown, event.data)
    rows = _rows(shown, event.data)
    title = str(event.data.get("name") or event.data.get("type") or "")
    return Shown(shown.kind, title, event.data["status"], _mean(rows), rows, event.data)


def select(rows: tuple[Row, ...], room: int) -> tuple[Row, ...]:
    """Choose the rows to show where there is room for ``room``, in their order: what goes on comes first."""
    if len(rows) <= room:
        return rows
    by_urgency = sorted(range(len(rows)), key=lambda index: _rank(rows[index].status))
    return tuple(rows[index] for index in sorted(by_urgency[: max(0, room)]))


def counts(rows: Iterable[Row]) -> str:
    """Say how many rows there are of each status."""
    statuses = [row.status for row in rows]
    return ", ".join(f"{statuses.count(status)} {status}" for status in _URGENT if status in statuses)


def _rank(status: str) -> int:
    return _URGENT.index(status) if status in _URGENT else 0


def _rows(shown: Shown, document: Json) -> tuple[Row, ...]:
    if shown.kind == "task":
        return (_row(Row(document["id"], document["type"]), document),)
    known = {row.task_id: row for row in shown.rows}
    steps = document.get("steps", [])
    return tuple(
        replace(_row(_of_step(step, known), step), depth=depth)
        for step, depth in zip(steps, depths(steps), strict=True)
    )


def depths(steps: Sequence[Mapping[str, Any]]) -> list[int]:
    """Say of each step in how many others it lies; what one lies in comes before it."""
    found: dict[str, int] = {}
    for step in steps:
        found[step["id"]] = found.get(step.get("parent") or "", -1) + 1
    return [found[step["id"]] for step in steps]


def _of_step(step: Json, known: Mapping[str, Row]) -> Row:
    task_id = step.get("task_id") or step["id"]
    return known.get(task_id) or Row(task_id, step["id"])


def _changed(shown: Shown, change: Json) -> Shown:
    task, run = change.get("task"), change.get("workflow")
    if run is not None and shown.kind == "workflow":
        return replace(shown, status=run["status"])
    if task is None:
        return shown
    if not any(row.task_id == task["id"] for row in shown.rows):
        shown = replace(shown, rows=(*shown.rows, Row(task["id"], task.get("step_id") or task["type"])))
    rows = tuple(
        _row(row, task) if row.task_id == task["id"] and task.get("attempt", 0) >= row.attempt else row
        for row in shown.rows
    )
    status = task["status"] if shown.kind == "task" else shown.status
    return replace(shown, rows=rows, percent=_mean(rows), status=status)


def _row(row: Row, told: Mapping[str, Any]) -> Row:
    """Bring a row up to date with a step or task; one without a message leaves the last one."""
    status = told["status"]
    return replace(
        row,
        status=status,
        percent=100.0 if status == "skipped" else float(told.get("progress") or 0),
        attempt=told.get("attempt") or 0,
        note=_note(told, row if row.status == status else replace(row, note="")),
    )


def _note(told: Mapping[str, Any], row: Row) -> str:
    failure: Failure | None = told.get("error")
    if told["status"] == "retrying":
        failure = told.get("last_error") or failure
    if failure and told["status"] in {"failed", "retrying", "cancelled"}:
        return f"{failure['message']} ({failure['code']})"
    if told.get("reason"):
        return str(told["reason"]).replace("_", " ")
    if told["status"] in FINAL:
        output = told.get("output") or {}
        return str(output.get("file", "")).removeprefix("filemill:///")
    note = str(told.get("message") or row.note)
    if told.get("type") == "wait" and told["status"] == "running" and not note.startswith("waiting"):
        return f"waiting {note}".rstrip()
    return note


def _mean(rows: tuple[Row, ...]) -> float:
    return sum(row.percent for row in rows) / len(rows) if rows else 0.0
