"""Commands for what no service could use: look why, send it back, or drop it."""

from typing import Annotated, Final

import typer

from filemill_client import render
from filemill_client.cli.looks import Cursor, Limit, pages
from filemill_client.cli.session import Session
from filemill_client.errors import InvalidArgumentError
from filemill_client.shapes import Json

HELP: Final = """Look at messages that no service could use.

Each lies in the parking lot with the reason. Repair the cause, then send it back with redrive; or drop it.

\b
Examples:
  filemill parked list --code invalid_event
  filemill parked show 5f0c2b9a41d7e6a80b3c9d1e2f405162
  filemill parked redrive --queue scheduler.intake
  filemill parked drop 5f0c2b9a41d7e6a80b3c9d1e2f405162
"""

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Ids, as `filemill parked list` shows them.", show_default=False),
]
Code = Annotated[str | None, typer.Option(help="Those that were parked for this reason.")]
Queue = Annotated[str | None, typer.Option(help="Those that came from this queue.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def list_(
    session: Session, *, code: Code = None, queue: Queue = None, limit: Limit = 20, cursor: Cursor = None
) -> None:
    """List parked messages, newest first.

    At most the thousand that lie there longest are looked at; how many are behind them is said.
    """
    page = pages(
        lambda at, most: session.client.parked(code=code, queue=queue, limit=most, cursor=at), limit, cursor
    )
    session.out.document(page)
    session.out.show(render.parked(page["items"]) if page["items"] else "nothing is parked")
    if page.get("beyond"):
        session.out.notice(f"{page['beyond']} more lie behind the oldest thousand")


def show(
    session: Session,
    of: Annotated[str, typer.Argument(metavar="ID", help="Id of a parked message.", show_default=False)],
) -> None:
    """Show a parked message: why it is there, its headers and its body."""
    message = session.client.parked_message(of)
    session.out.document(message)
    session.out.show(*render.parked_message(message))


def redrive(
    session: Session, ids: Ids = None, *, code: Code = None, queue: Queue = None, all_: All = False
) -> None:
    """Send messages back to the queues they came from.

    They keep their ids, so what was done with them already is not done again. What is refused again is
    parked again.
    """
    _check(ids, code, queue, all_=all_)
    if ids:
        moved = _sum([session.client.redrive(each) for each in ids])
    else:
        moved = session.client.redrive_many(code=code, queue=queue)
    session.out.document(moved)
    session.out.show(f"{moved['redriven']} sent back")
    if moved["left"]:
        session.out.notice(f"{moved['left']} stay: the queue that they came from is not there")
    _tell_beyond(session, moved)


def drop(
    session: Session,
    ids: Ids = None,
    *,
    code: Code = None,
    queue: Queue = None,
    all_: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether many shall go.")] = False,
) -> None:
    """Forget messages for ever.

    Before many are dropped it asks.
    """
    _check(ids, code, queue, all_=all_)
    if ids:
        moved = _sum([session.client.drop(each) for each in ids])
    else:
        which = "".join(
            f" of the {name} {value!r}" for name, value in (("code", code), ("queue", queue)) if value
        )
        if not yes:
            typer.confirm(f"Forget all parked messages{which} for ever?", abort=True, err=True)
        moved = session.client.drop_many(code=code, queue=queue)
    session.out.document(moved)
    session.out.show(f"{moved['dropped']} dropped")
    _tell_beyond(session, moved)


def _check(ids: list[str] | None, code: str | None, queue: str | None, *, all_: bool) -> None:
    """Let nothing be chosen in two ways, nor all of it by leaving something out."""
    by_what = code is not None or queue is not None
    if [bool(ids), by_what, all_].count(True) != 1:
        raise InvalidArgumentError("say which: ids, or --code and --queue, or --all")


def _sum(moved: list[Json]) -> Json:
    """Put together what came of several; what lies behind them is as the last one says."""
    names = moved[-1].keys() - {"beyond"}
    return {name: sum(each[name] for each in moved) for name in sorted(names)} | {
        "beyond": moved[-1]["beyond"]
    }


def _tell_beyond(session: Session, moved: Json) -> None:
    if moved["beyond"]:
        session.out.notice(f"{moved['beyond']} were not looked at; run it again")


COMMANDS: Final = (
    ("list", list_, "Example: filemill parked list --queue scheduler.intake --json"),
    ("show", show, None),
    ("redrive", redrive, "Example: filemill parked redrive --code unknown_task"),
    ("drop", drop, "Example: filemill parked drop --code undecodable --yes"),
)
