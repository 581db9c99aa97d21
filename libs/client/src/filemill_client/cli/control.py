"""Commands to what runs, or has run."""

import json
from typing import Annotated, Final

import typer

from filemill_client.cli.runs import Id, Key
from filemill_client.cli.session import Session
from filemill_client.documents import parse_values
from filemill_client.errors import InvalidArgumentError
from filemill_client.shapes import Json

Run = Annotated[str, typer.Argument(metavar="ID", help="Id of a workflow.", show_default=False)]


def start(session: Session, of: Run, key: Key = None) -> None:
    """Start a pending workflow."""
    _told(session, f"workflow {of} is to be started", session.client.start(of, key=key))


def pause(session: Session, of: Run, key: Key = None) -> None:
    """Let nothing new start in a workflow.

    What workers have already is finished. One that is pending is paused once it is started.
    """
    _told(session, f"workflow {of} is to be paused", session.client.pause(of, key=key))


def resume(session: Session, of: Run, key: Key = None) -> None:
    """Let a paused workflow go on."""
    _told(session, f"workflow {of} is to go on", session.client.resume(of, key=key))


def cancel(session: Session, of: Id, key: Key = None) -> None:
    """Stop a workflow with all its tasks, or a task.

    The `finally` steps of a workflow run all the same.
    """
    kind, _ = session.client.find(of)
    _told(session, f"{kind} {of} is to be cancelled", session.client.cancel(kind, of, key=key))


def rerun(
    session: Session,
    of: Run,
    *,
    step: Annotated[str | None, typer.Option(help="Run this step again, and what depends on it.")] = None,
    index: Annotated[
        int | None, typer.Option(min=0, help="Only this item of the map STEP, counted from 0.")
    ] = None,
    key: Key = None,
) -> None:
    """Run an ended workflow again, from what failed.

    All that failed, was cancelled, or was skipped because of it runs again, with what depends on it; or
    from a step, or an item of a map. `finally` runs again too. All else keeps its results.
    """
    if index is not None and step is None:
        raise InvalidArgumentError("--index counts the items of a map: say which by --step")
    item = "" if index is None else f"item {index} of "
    which = f"from {item}step {step}" if step else "from what failed"
    _told(
        session,
        f"workflow {of} is to run again {which}",
        session.client.rerun(of, step=step, index=index, key=key),
    )


def signal(
    session: Session,
    of: Run,
    name: Annotated[str, typer.Argument(help="As the workflow's `wait` step calls it.", show_default=False)],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...",
            help="What comes with it; JSON where VALUE is some, else text. @FILE takes a whole object.",
        ),
    ] = None,
    *,
    data: Annotated[
        str | None, typer.Option(metavar="JSON", help="What comes with it, as one JSON object.")
    ] = None,
    key: Key = None,
) -> None:
    """Send a signal to a workflow.

    The step that waits for it goes on, and what comes with it is its output. A signal that is there before
    the workflow waits for it counts too.
    """
    payload = _payload(values or [], data)
    _told(
        session, f"signal {name} is sent to workflow {of}", session.client.signal(of, name, payload, key=key)
    )


def retry(session: Session, of: Id, key: Key = None) -> None:
    """Give a failed or cancelled task another try."""
    kind, _ = session.client.find(of)
    if kind == "workflow":
        raise InvalidArgumentError(f"{of} is a workflow: filemill rerun {of}")
    _told(session, f"task {of} gets another try", session.client.retry(of, key=key))


def delete(session: Session, of: Id) -> None:
    """Hide a workflow or task.

    One that has not ended is cancelled.
    """
    kind, _ = session.client.find(of)
    _told(session, f"{kind} {of} is deleted", session.client.delete(kind, of))


def _payload(values: list[str], data: str | None) -> Json:
    if data is None:
        return parse_values(values, option="a signal")
    if values:
        raise InvalidArgumentError("say what comes with the signal by --data or by NAME=VALUE, not by both")
    try:
        found = json.loads(data)
    except ValueError as error:
        raise InvalidArgumentError(f"--data is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidArgumentError(f"--data takes a JSON object, not {data[:80]!r}")
    return found


def _told(session: Session, sentence: str, document: Json) -> None:
    session.out.document(document)
    session.out.show(sentence)


COMMANDS: Final = (
    ("start", start, None),
    ("pause", pause, None),
    ("resume", resume, None),
    ("cancel", cancel, None),
    (
        "rerun",
        rerun,
        "Example: filemill rerun 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10 --step renditions --index 2",
    ),
    ("signal", signal, "Example: filemill signal 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10 approve by=anna"),
    ("retry", retry, None),
    ("delete", delete, None),
)
