"""Commands that start and follow work."""

from typing import Annotated, Any, Final

import typer
from rich.live import Live
from rich.text import Text

from filemill_client import render
from filemill_client.cli.session import Exit, Session
from filemill_client.documents import Document, parse_values, read_document
from filemill_client.errors import InvalidArgumentError
from filemill_client.progress import Shown, apply
from filemill_client.shapes import Json, Kind

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a workflow or task.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Show live progress until it has ended.")]
Key = Annotated[
    str | None,
    typer.Option("--key", help="Idempotency-Key: the same key again gives the same run, not a second one."),
]


def submit(
    session: Session,
    file: Annotated[
        str | None,
        typer.Argument(help="Definition: YAML, JSON (*.json), or - for standard input.", show_default=False),
    ] = None,
    *,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[@VERSION]", help="A template instead of a FILE; the newest, or a version."
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="Input of the workflow; JSON where VALUE is some, else text. @FILE takes a whole object.",
        ),
    ] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Leave it pending until `filemill start`.")] = False,
    wait: Wait = False,
    key: Key = None,
) -> None:
    """Start a workflow.

    The file holds a definition, the flat object of the original system, or {definition, input}. A problem
    in it is shown with its line and column.
    """
    if (file is None) == (template is None):
        raise InvalidArgumentError("say what to run: a FILE, or --template NAME@VERSION")
    values = parse_values(given or (), option="--input")
    if file is None:
        body: Json = {"template": template, "input": values}
    else:
        session.document = read_document(file)
        body = _request(session.document, values)
    created = session.client.create_workflow(body, key=key, start=not hold)
    _accepted(session, "workflow", dict(created), wait=wait)


def task(
    session: Session,
    type_: Annotated[
        str, typer.Argument(metavar="TYPE", help="As `filemill task-types` lists them.", show_default=False)
    ],
    *,
    input_file: Annotated[str | None, typer.Option(help="Path or filemill:///path to work on.")] = None,
    output_file: Annotated[str | None, typer.Option(help="Path that the result shall get.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="NAME=VALUE", help="Option of the type; JSON, or else text. @FILE too."
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Label to list it by; may be repeated.")
    ] = None,
    depends_on: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Task to wait for; may be repeated.")
    ] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=10, help="0 may wait, 10 is urgent.")] = None,
    max_retries: Annotated[int | None, typer.Option(min=0, help="Tries after the first that failed.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that one attempt may run.")] = None,
    notify_email: Annotated[str | None, typer.Option(help="Address to write to once it has ended.")] = None,
    notify_webhook: Annotated[str | None, typer.Option(help="URL to tell once it has ended.")] = None,
    wait: Wait = False,
    key: Key = None,
) -> None:
    """Start a single task."""
    body: Json = {
        "type": type_,
        "input_file": input_file,
        "output_file": output_file,
        "options": parse_values(option or (), option="--option"),
        "labels": _labels(label or []),
        "depends_on": depends_on,
        "priority": priority,
        "max_retries": max_retries,
        "timeout": timeout,
        "notify_email": notify_email,
        "notify_webhook": notify_webhook,
    }
    body = {name: value for name, value in body.items() if value not in (None, {}, [])}
    _accepted(session, "task", dict(session.client.create_task(body, key=key)), wait=wait)


def watch(session: Session, of: Id) -> None:
    """Follow a workflow or task until it has ended.

    A connection that breaks is taken up again. With --json each event is a line of its own:
    {"event": "snapshot" | "change" | "end", "id", "data"}.
    """
    kind, _ = session.client.find(of)
    document = _follow(session, kind, of, lines=True)
    session.out.show(*render.outcome(kind, document))
    _leave(document)


def _request(document: Document, given: Json) -> Json:
    if "definition" in document.value or "template" in document.value:
        return document.value | {"input": (document.value.get("input") or {}) | given}
    return {"definition": document.value, "input": given}


def _labels(given: list[str]) -> dict[str, str]:
    """Read labels, whose values are always text."""
    wrong = [each for each in given if not each.partition("=")[1]]
    if wrong:
        raise InvalidArgumentError(f"--label takes name=value, not {wrong[0]!r}")
    return {name: value for name, _, value in (each.partition("=") for each in given)}


def _accepted(session: Session, kind: Kind, document: Json, *, wait: bool) -> None:
    if not wait:
        session.out.document(document)
        session.out.show(render.accepted(kind, document))
        return
    ended = _follow(session, kind, document["id"], is_new=True)
    session.out.document(ended)
    session.out.show(*render.outcome(kind, ended))
    _leave(ended)


def _follow(session: Session, kind: Kind, of: str, *, is_new: bool = False, lines: bool = False) -> Json:
    """Show what becomes of something until it has ended; give it as it is then.

    With ``lines``, ``--json`` writes each event; without, it is left to the caller what it writes.
    """
    out = session.out
    session.farewell = f"The {kind} goes on. Watch it again: filemill watch {of}"
    shown = Shown(kind)

    def draw() -> Any:
        return render.bars(shown, out.err.height)

    has_bars = out.err.is_interactive
    with Live(get_renderable=draw, console=out.err, transient=True, auto_refresh=has_bars) as live:
        if not has_bars:
            live.stop()
        for event in session.client.follow(kind, of, is_new=is_new):
            before, shown = shown, apply(shown, event)
            if lines:
                out.document({"event": event.event, "id": event.id, "data": event.data}, indent=None)
            if not has_bars:
                for line in render.changes(before, shown):
                    out.err.print(Text(line))
    return shown.document or {}


def _leave(document: Json) -> None:
    if document["status"] != "completed":
        raise typer.Exit(Exit.FAILED)


COMMANDS: Final = (
    ("submit", submit, "Example: filemill submit video.yaml --input input_file=videos/holiday.mp4 --wait"),
    ("task", task, "Example: filemill task video_convert --input-file a.mp4 --option format=webm --wait"),
    ("watch", watch, "Example: filemill watch 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10"),
)
