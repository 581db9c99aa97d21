"""Commands for what has happened to a workflow: to read it, and to play it again."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from filemill_client import render, render_history
from filemill_client.cli.looks import Cursor, Limit, pages
from filemill_client.cli.session import AsJson, Exit, Output, Session
from filemill_client.errors import InvalidArgumentError
from filemill_client.shapes import Json

_GROUP: Final = "filemill.replay"


def history(
    session: Session,
    of: Annotated[str, typer.Argument(metavar="ID", help="Id of a workflow.", show_default=False)],
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all of it to a file, for `filemill replay`.")
    ] = None,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> None:
    """Show what happened to a workflow, and what each event decided.

    The oldest first, with what happened to the workflows that its steps started. A try is shown by its number
    from the second one on.
    """
    if output is not None:
        size = session.client.export_history(of, output)
        session.out.document({"workflow_id": of, "file": str(output), "size": size})
        session.out.show(
            f"{render.plain(output)}  {render.size(size)}\n  filemill replay {render.plain(output)}"
        )
        return
    page = pages(lambda at, most: session.client.history(of, limit=most, cursor=at), limit, cursor)
    session.out.document(page)
    session.out.show(
        render_history.history(page["items"], root=of) if page["items"] else "nothing has been kept of it"
    )
    if page["next"]:
        session.out.notice(f"There is more: filemill history {of} --cursor {page['next']}")


def replay(
    file: Annotated[
        str, typer.Argument(help="What `filemill history --output` wrote, or -.", show_default=False)
    ],
    *,
    until: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Stop after the event with this number, and show how all stands."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play a workflow's history through the scheduler's rules, event by event.

    Needs neither a gateway nor a broker or database, but the scheduler's package. Each event is shown with
    what it decides now, and then whether all of that is what was recorded; if not, where it first differs.
    With --json each event is a line of its own.
    """
    out = Output(as_json=as_json)
    with _sentences(out):
        tell, lines = _player(), _read(file)
        root = ""
        last: Json = {}
        for item in tell(lines, until=until):
            root = root or item.get("run", "")
            last = item
            out.document(item, indent=None)
            if "number" in item:
                out.show(*render_history.played(item, root=root))
    if until is not None:
        out.show(*render_history.standing(last["workflows"]))
    if last["difference"]:
        out.fail(f"differs from what was recorded: {render.plain(last['difference'])}")
        raise typer.Exit(Exit.FAILED)
    is_whole = last["played"] == last["events"]
    events = f"{last['played']} events" if is_whole else f"{last['played']} of {last['events']} events"
    out.show(f"{events}, as they were recorded" + (", and all stands as it did" if is_whole else ""))


@contextmanager
def _sentences(out: Output) -> Iterator[None]:
    """Say what is wrong with a file in a sentence."""
    try:
        yield
    except (InvalidArgumentError, OSError, ValueError) as error:
        wrong = InvalidArgumentError(str(error))
        out.document(wrong.document(), indent=None)
        out.fail(str(wrong))
        raise typer.Exit(Exit.USAGE) from error


def _player() -> Any:
    """Find who can play a history: the scheduler, whose rules this package does not have."""
    found = next(iter(entry_points(group=_GROUP)), None)
    if found is None:
        message = (
            "to play a history takes the scheduler's rules: install the package filemill-scheduler beside "
            "filemill-client, such as by `pip install filemill-scheduler`"
        )
        raise InvalidArgumentError(message)
    return cast("Any", found.load())


def _read(file: str) -> list[str]:
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    return text.split("\n")


COMMANDS: Final = (
    ("history", history, "Example: filemill history 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10 --output run.jsonl"),
)
EXAMPLE: Final = "Example: filemill replay run.jsonl --until 12"
