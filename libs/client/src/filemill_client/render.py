"""What people read: tables, bars and sentences. Programs read JSON instead."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from filemill_client.documents import Document, yaml_of
from filemill_client.errors import ClientError, RefusedError
from filemill_client.progress import Row, Shown, counts, depths, select
from filemill_client.shapes import Json, Kind, Problem, StoredFile, Template, Validation, is_final
from filemill_client.timeline import Part
from filemill_client.transfers import Downloaded

_STYLES: Final[Mapping[str, str]] = {
    "running": "cyan",
    "ready": "blue",
    "retrying": "yellow",
    "paused": "yellow",
    "completed": "green",
    "delivered": "green",
    "failed": "bold red",
    "cancelled": "magenta",
}
_DETAILS: Final = (
    "id", "name", "type", "description", "status", "reason", "progress", "message", "attempt", "retry_count",
    "max_retries", "parent_task_id", "workflow_id", "step_id", "depends_on", "input", "input_file",
    "output_file", "options", "output", "error", "last_error", "labels", "user_id", "created_at",
    "started_at", "completed_at", "duration",
)  # fmt: skip
_DELIVERY: Final = ("id", "channel", "target", "event_type", "status", "tried", "last_try", "created_at")
_PARKED: Final = ("id", "parked_at", "queue", "code", "event_type", "reason")
_BAR_WIDTH: Final = 24


def plain(value: object) -> str:
    """Write a value so that it stays in its line and cannot steer a terminal, whoever made it up."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def size(count: float) -> str:
    """Write a number of bytes for people: ``1.2 MB``, by powers of 1,000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def seconds(count: float | None) -> str:
    """Write a duration in seconds for people."""
    if count is None:
        return "-"
    if count < 60:
        return f"{count:.1f} s"
    minutes, rest = divmod(round(count), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def status(name: str) -> Text:
    """Write a status in its colour."""
    return Text(plain(name), style=_STYLES.get(name, ""))


def bars(shown: Shown, room: int) -> RenderableType:
    """Draw a bar for each step, as far as there is room for so many lines."""
    rows = select(shown.rows, room - 2)
    table = Table.grid(padding=(0, 1))
    for row in rows:
        table.add_row(*_bar(row))
    left = len(shown.rows) - len(rows)
    lines: list[RenderableType] = [table]
    if left:
        lines.append(Text(f"... and {left} more: {counts(shown.rows)}", style="dim"))
    return Group(*lines)


def _bar(row: Row) -> tuple[RenderableType, ...]:
    bar = ProgressBar(total=100, completed=row.percent, width=_BAR_WIDTH)
    bar.complete_style = bar.finished_style = _STYLES.get(row.status, "dim")
    attempt = f"attempt {row.attempt}" if row.attempt > 1 else ""
    return (
        Text(f"{'  ' * row.depth}{plain(row.label)}"),
        bar,
        Text(f"{row.percent:3.0f}%"),
        status(row.status),
        Text(attempt, style="yellow"),
        Text(plain(row.note) if row.note else "", style="dim", overflow="ellipsis", no_wrap=True),
    )


def changes(before: Shown, after: Shown) -> Iterator[str]:
    """Say in a line each which steps are elsewhere than they were, for where bars cannot be drawn."""
    known = {row.task_id: row for row in before.rows}
    for row in after.rows:
        old = known.get(row.task_id, Row(row.task_id, row.label))
        if (old.status, old.attempt) != (row.status, row.attempt):
            attempt = f" (attempt {row.attempt})" if row.attempt > 1 else ""
            note = f": {plain(row.note)}" if row.note else ""
            yield f"{'  ' * row.depth}{plain(row.label)}: {row.status}{attempt}{note}"


def outcome(kind: Kind, document: Json) -> Iterator[Text]:
    """Say how a workflow or task ended, and what it made."""
    lasted = f" in {seconds(document['duration'])}" if document.get("duration") is not None else ""
    name = plain(document.get("name") or document.get("type"))
    yield Text.assemble(f"{kind} {name} ", status(document["status"]), f"{lasted}  {document['id']}")
    if document.get("error"):
        yield Text(f"  {_failure(document['error'])}")
    steps = document.get("steps") or [document]
    width = max(len(_label(step)) for step in steps)
    for step in steps:
        if step.get("error") and step is not document:
            yield Text(f"  {_label(step):<{width}}  {_failure(step['error'])}")
        file = (step.get("output") or {}).get("file")
        if file:
            yield Text(f"  {_label(step):<{width}}  {plain(file).removeprefix('filemill:///')}")


def details(document: Json) -> Iterator[RenderableType]:
    """Show all of a workflow or task that is set."""
    table = Table.grid(padding=(0, 2))
    for name in _DETAILS:
        value = document.get(name)
        if value not in (None, "", [], {}):
            table.add_row(Text(name, style="dim"), _detail(name, value))
    yield table
    if document.get("steps"):
        yield Text()
        steps = document["steps"]
        indented = [
            step | {"id": f"{'  ' * depth}{step['id']}"}
            for step, depth in zip(steps, depths(steps), strict=True)
        ]
        kinds = ("type",) if any(step["type"] != "task" for step in steps) else ()
        yield listing(indented, ("id", *kinds, "status", "progress", "attempt", "task_id", "result"))


def _detail(name: str, value: Any) -> Text:
    match name, value:
        case "status", _:
            return status(value)
        case "duration", _:
            text = seconds(value)
        case "progress", _:
            text = f"{value:.0f}%"
        case (("error" | "last_error"), _):
            text = _failure(value)
        case _, dict():
            text = ", ".join(f"{plain(key)}={plain(item)}" for key, item in value.items())
        case _, list():
            text = ", ".join(map(plain, value))
        case _:
            text = plain(value)
    return Text(text)


def listing(items: Sequence[Json], columns: Sequence[str]) -> Table:
    """Lay items out as a table, a line each."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.upper(), no_wrap=column in {"id", "task_id", "status"}, overflow="fold")
    for item in items:
        table.add_row(*(_cell(item, column) for column in columns))
    return table


def _cell(item: Json, column: str) -> Text:
    match column:
        case "status":
            return status(item["status"])
        case "progress":
            return Text(f"{item.get('progress') or 0:.0f}%")
        case "duration":
            return Text(seconds(item.get("duration")))
        case "result":
            return Text(_result(item))
        case _:
            return Text(plain(item.get(column)))


def _result(item: Json) -> str:
    if item.get("error"):
        return _failure(item["error"])
    file = (item.get("output") or {}).get("file")
    child = f"workflow {item['child']}" if item.get("child") else None
    said = None if is_final(item) else item.get("message")
    return plain(file or item.get("reason") or child or said).removeprefix("filemill:///")


def trace(parts: Sequence[Part], now: datetime, width: int) -> RenderableType:
    """Draw when each part waited (thin) and ran (thick), all on one scale.

    Args:
        parts: Of one run.
        now: Until when what has not ended goes on.
        width: Columns for the stretch of time.
    """
    times = [time for part in parts for time in (part.asked, part.began, part.ended) if time]
    first, last = min(times), max(times)
    if any(part.began and not part.ended for part in parts):
        last = max(last, now)
    table = Table.grid(padding=(0, 1))
    for part in parts:
        took = (part.ended or last) - part.began if part.began else None
        table.add_row(
            Text(f"{'  ' * part.depth}{plain(part.label)}", no_wrap=True),
            _stretch(part, first, last, width),
            Text(_took(took), justify="right"),
            status(part.status) if part.status else Text(),
            Text(plain(part.note) if part.note else "", style="dim", overflow="ellipsis", no_wrap=True),
        )
    return table


def _took(time: timedelta | None) -> str:
    if time is None:
        return "-"
    count = time / timedelta(seconds=1)
    return f"{count * 1000:.0f} ms" if count < 1 else seconds(count)


def _stretch(part: Part, first: datetime, last: datetime, width: int) -> Text:
    def column(time: datetime) -> int:
        return round((time - first) / max(last - first, timedelta(milliseconds=1)) * width)

    began = column(part.began) if part.began else None
    asked = column(part.asked) if part.asked else began
    if began is None or asked is None:
        return Text(" " * width)
    ended = min(width, max(began + 1, column(part.ended or last)))
    began = min(began, ended - 1)
    waited = max(0, began - asked)
    line = Text(" " * (began - waited) + "·" * waited, style="dim")
    line.append("━" * (ended - began), style=_STYLES.get(part.status, ""))
    return line.append(" " * (width - ended))


def deliveries(items: Sequence[Json]) -> Table:
    """Lay deliveries out as a table, with what the last try of each came to."""
    return listing([item | {"last_try": _last_code(item)} for item in items], _DELIVERY)


def _last_code(delivery: Json) -> str | None:
    tries = delivery.get("tries") or [{}]
    code: str | None = tries[-1].get("code")
    return code


def parked(items: Sequence[Json]) -> Table:
    """Lay parked messages out as a table."""
    return listing(items, _PARKED)


def parked_message(message: Json) -> Iterator[RenderableType]:
    """Show a parked message with its headers and body, which anybody may have written."""
    table = Table.grid(padding=(0, 2))
    for name in (*_PARKED, "event_id", "size", "content_type"):
        table.add_row(Text(name, style="dim"), Text(plain(message[name])))
    for name, value in message["headers"].items():
        table.add_row(Text(plain(name), style="dim"), Text(plain(value)))
    yield table
    yield Text()
    text = message["base64"] if message["text"] is None else message["text"]
    yield Text("\n".join(map(plain, text.splitlines())))
    if message["is_cut"]:
        yield Text(f"... the first of {size(message['size'])}", style="dim")


def template(shown: Template) -> Iterator[RenderableType]:
    """Show a version of a template: what is known of it as comments, then its definition as YAML."""
    versions = ", ".join(map(str, shown["versions"]))
    yield f"# {plain(shown['name'])}@{shown['version']}, put {shown['created_at']}; versions: {versions}"
    if shown["uses"]:
        yield f"# uses {', '.join(map(plain, shown['uses']))}"
    yield Text(yaml_of(shown["definition"]).rstrip())


def task_types(items: Sequence[Json]) -> Table:
    """Lay task types out as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("TYPE", "INPUT", "OPTIONS", "WHAT IT DOES"):
        table.add_column(column, overflow="fold", no_wrap=column in {"TYPE", "INPUT"})
    for item in items:
        options = ", ".join(map(plain, item["options"].get("properties", {})))
        needs = "file" if item["needs_input"] else "-"
        table.add_row(plain(item["name"]), needs, options or "-", plain(item["title"]))
    return table


def stored(file: StoredFile) -> str:
    """Say where a file lies now."""
    return f"{plain(file['uri'])}  {size(file['size'])}  {plain(file['content_type'])}  {file['digest']}"


def downloaded(file: Downloaded) -> str:
    """Say what has arrived."""
    checked = "digest is right" if file.is_checked else "the gateway named no digest to compare"
    return f"{plain(file.target)}  {size(file.size)}  {checked}"


def accepted(kind: Kind, document: Json) -> str:
    """Say that something was accepted, and how to see what becomes of it."""
    if is_final(document):
        return f"{kind} {document['id']} is {document['status']} already"
    return f"{kind} {document['id']}\n  filemill watch {document['id']}"


def refusal(error: ClientError, document: Document | None, *, sent: str = "") -> Iterator[str]:
    """Say what went wrong, and each problem with its place, in the user's own file if it is from there.

    Args:
        error: What went wrong.
        document: The file, if it was read here and sent otherwise.
        sent: Name of the file, if it was sent as it is.
    """
    yield f"{plain(error)} ({plain(error.code)})"
    for problem in error.problems if isinstance(error, RefusedError) else ():
        suggestion = f"; {plain(problem['suggestion'])}" if problem.get("suggestion") else ""
        code = "" if problem["code"] == error.code else f" ({plain(problem['code'])})"
        where = _line(problem, sent) if sent else _where(problem["pointer"], document)
        yield f"  {where}{plain(problem['message'])}{suggestion}{code}"


def checked(file: str, found: Validation) -> Iterator[str]:
    """Say what is wrong with a file, a line each as compilers write them, or that nothing is."""
    if found["valid"]:
        yield f"{plain(file)}: no problems"
    for problem in found["problems"]:
        suggestion = f" ({plain(problem['suggestion'])})" if problem.get("suggestion") else ""
        yield f"{_line(problem, file)}{plain(problem['message'])}{suggestion} [{plain(problem['code'])}]"


def _line(problem: Problem, file: str) -> str:
    place = f"{problem['line']}:{problem.get('column') or 1}: " if problem.get("line") else ""
    return f"{plain(file)}:{place or ' '}"


def _where(pointer: str, document: Document | None) -> str:
    place = None
    if document is not None and "definition" in document.value:
        place = document.place(pointer)
    elif document is not None and (pointer == "/definition" or pointer.startswith("/definition/")):
        pointer = pointer.removeprefix("/definition")
        place = document.place(pointer)
    at = f"{document.name}:{place[0]}:{place[1]}: " if document is not None and place else ""
    return f"{at}{plain(pointer)}: " if pointer else at


def _label(step: Json) -> str:
    return plain(step["id"] if "task_id" in step else step.get("type"))


def _failure(failure: Mapping[str, Any]) -> str:
    return f"{plain(failure.get('message'))} ({plain(failure.get('code'))})"
