"""Commands that only look."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from filemill_client import render
from filemill_client.cli.runs import Id
from filemill_client.cli.session import Session
from filemill_client.errors import InvalidArgumentError
from filemill_client.shapes import Json, Kind, Page
from filemill_client.timeline import Run, parts

Limit = Annotated[int, typer.Option(min=1, help="The most to list.")]
Statuses = Annotated[list[str] | None, typer.Option("--status", help="Only of this status; may be repeated.")]
Cursor = Annotated[str | None, typer.Option(help="Go on where a list ended: its `next`.")]

_PAGE: Final = 200
_MOST: Final = 10_000
"""Tasks of a run that are looked at."""


def list_(
    session: Session,
    *,
    workflows: Annotated[
        bool | None,
        typer.Option(
            "--workflows/--tasks", help="What to list. Without it workflows, or tasks by --type and --label."
        ),
    ] = None,
    status: Statuses = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only tasks of this type.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only tasks with this label; may be repeated."),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> None:
    """List workflows or tasks, newest first."""
    of_tasks = type_ is not None or bool(label)
    if workflows and of_tasks:
        raise InvalidArgumentError("workflows have no type and no labels: leave --workflows out")
    if workflows is False or of_tasks:
        labels = [each.replace("=", ":", 1) for each in label or []]
        page = pages(
            lambda at, most: session.client.tasks(
                status=status, type=type_, label=labels, limit=most, cursor=at
            ),
            limit,
            cursor,
        )
        columns: tuple[str, ...] = ("id", "type", "status", "progress", "created_at", "duration", "result")
    else:
        page = pages(
            lambda at, most: session.client.workflows(status=status, limit=most, cursor=at), limit, cursor
        )
        columns = ("id", "name", "status", "created_at", "duration", "result")
    session.out.document(page)
    session.out.show(render.listing(page["items"], columns) if page["items"] else "nothing to list")


def show(session: Session, of: Id) -> None:
    """Show a workflow with its steps, or a task."""
    _, document = session.client.find(of)
    session.out.document(document)
    session.out.show(*render.details(dict(document)))


def trace(session: Session, of: Id) -> None:
    """Show what a workflow or task did when.

    Steps, their attempts, runs within, and what was sent: thin lines waited, thick ones ran. The times are
    those that were stored, so no tracing backend is needed.
    """
    kind, document = session.client.find(of)
    run = _run(session, kind, dict(document))
    found = tuple(parts(run))
    session.out.document({"id": document["id"], "parts": [part.document() for part in found]})
    session.out.show(render.trace(found, datetime.now(UTC), width=40))


def _run(session: Session, kind: Kind, document: Json) -> Run:
    of = document["id"]
    tasks: list[Json] = []
    if kind == "workflow":
        tasks = pages(
            lambda at, most: session.client.tasks(workflow_id=of, limit=most, cursor=at), _MOST, None
        )["items"]
    about = {"workflow_id" if kind == "workflow" else "task_id": of}
    sent = session.client.deliveries(**about, limit=_PAGE)["items"]
    children = [each["child"] for each in document.get("steps", []) if each.get("child")]
    return Run(
        document,
        tasks,
        sent,
        {child: _run(session, "workflow", dict(session.client.workflow(child))) for child in children},
    )


def deliveries(
    session: Session,
    *,
    status: Statuses = None,
    task: Annotated[str | None, typer.Option(metavar="ID", help="Only those about this task.")] = None,
    workflow: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those about this workflow.")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> None:
    """List emails, webhooks and callbacks.

    Those that were sent, and those that are still tried; newest first.
    """
    page = pages(
        lambda at, most: session.client.deliveries(
            status=status, task_id=task, workflow_id=workflow, limit=most, cursor=at
        ),
        limit,
        cursor,
    )
    session.out.document(page)
    session.out.show(render.deliveries(page["items"]) if page["items"] else "nothing to list")


def task_types(session: Session) -> None:
    """List the types of tasks.

    With --json, the options of each come as JSON Schema.
    """
    items = session.client.task_types()
    session.out.document({"items": items})
    session.out.show(render.task_types(items))


def pages(ask: Callable[[str | None, int], Page], limit: int, cursor: str | None) -> Page:
    """Ask for pages until there are ``limit`` items, or no more."""
    items: list[Json] = []
    while True:
        page = ask(cursor, min(_PAGE, limit - len(items)))
        items += page["items"]
        cursor = page["next"]
        if cursor is None or len(items) >= limit:
            page["items"] = items
            return page


COMMANDS: Final = (
    ("list", list_, "Example: filemill list --tasks --status failed --label album=summer --json"),
    ("show", show, None),
    ("trace", trace, "Example: filemill trace 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10"),
    ("deliveries", deliveries, None),
    ("task-types", task_types, None),
)
