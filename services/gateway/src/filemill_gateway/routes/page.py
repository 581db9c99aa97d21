"""The page for people: runs, a run, a task, and the beginning of a file."""

import asyncio
import codecs
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from filemill_common.events import TaskStatus, TaskView, WorkflowStatus
from filemill_common.language import Definition, InvalidDefinitionError
from filemill_common.language.document import read
from filemill_common.storage import normalise
from filemill_gateway.core.commands import Send, judge_task, judge_workflow
from filemill_gateway.core.cursors import Cursor, read_cursor, write_cursor
from filemill_gateway.core.forms import fields_of
from filemill_gateway.core.graph import DRAWN, graph_of, signals_awaited
from filemill_gateway.core.results import FileShown, file_at, files_in
from filemill_gateway.core.workflows import StepShape, WorkflowShape
from filemill_gateway.dependencies import TENANT, Dependencies, Needs
from filemill_gateway.page.rendering import PageRoute, page
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Filter, Stored
from filemill_gateway.routes.tasks import known_task
from filemill_gateway.routes.workflows import known_workflow

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LISTED: Final = 25
_DELIVERIES: Final = 50
_ITEMS: Final = 200
_BEGINNING: Final = 16_384
"""Bytes of a text that are shown."""

_URGENT: Final = ("failed", "running", "retrying", "ready", "cancelled", "pending", "completed", "skipped")


Status = Annotated[str, Query(max_length=20)]
Search = Annotated[str, Query(max_length=200)]
Where = Annotated[str, Query(max_length=500)]


@router.get("/")
async def show_runs(
    request: Request, needs: Needs, *, status: Status = "", q: Search = "", cursor: Where = ""
) -> Response:
    """List runs, newest first."""
    listed = _List(status, q.strip(), cursor, tuple(each.value for each in WorkflowStatus))
    found = await needs.queries.workflows(listed.wanted, limit=_LISTED, cursor=listed.at)
    values = listed.values(found.next)
    return page(request, "runs.html", now=needs.now(), runs=found.items, **values)


@router.get("/tasks")
async def show_tasks(
    request: Request, needs: Needs, *, status: Status = "", q: Search = "", cursor: Where = ""
) -> Response:
    """List tasks that are no steps, newest first."""
    listed = _List(status, q.strip(), cursor, tuple(each.value for each in TaskStatus))
    found = await needs.queries.tasks(replace(listed.wanted, alone=True), limit=_LISTED, cursor=listed.at)
    values = listed.values(found.next)
    return page(request, "tasks.html", now=needs.now(), tasks=found.items, **values)


@dataclass(frozen=True, slots=True)
class _List:
    """What somebody wants of a list; a status that there is not counts as none."""

    status: str
    search: str
    cursor: str
    statuses: tuple[str, ...]

    @property
    def wanted(self) -> Filter:
        statuses = [self.status] if self.status in self.statuses else []
        return Filter(statuses=statuses, search=self.search)

    @property
    def at(self) -> Cursor | None:
        return read_cursor(self.cursor) if self.cursor else None

    def values(self, then: Cursor | None) -> dict[str, Any]:
        """Give what the page shows beside what is listed."""
        return {
            "statuses": self.statuses,
            "status": self.status if self.status in self.statuses else "",
            "search": self.search,
            "cursor": self.cursor,
            "next": write_cursor(then) if then else None,
        }


@router.get("/runs/{workflow_id}")
async def show_run(workflow_id: str, request: Request, needs: Needs) -> Response:
    """Show a run: its steps as a picture, what it made, and who was told."""
    _, run = await known_workflow(workflow_id, needs)
    steps, definition = _of_note(run.steps), await _definition(workflow_id, needs)
    items = await needs.queries.items(workflow_id) if any(step.type == "map" for step in steps) else {}
    is_whole = len(steps) == len(run.steps)
    signals = signals_awaited(definition, steps) if definition and run.status == "running" else {}
    told = await needs.queries.deliveries(Filter(equal={"workflow_id": workflow_id}), limit=_DELIVERIES)
    return page(
        request,
        "run.html",
        now=needs.now(),
        run=run,
        graph=await asyncio.to_thread(graph_of, definition if is_whole else None, steps, items),
        total=len(run.steps),
        inputs=_inputs(run),
        results=files_in((step.name or step.id, step.output) for step in run.steps),
        signals={name: fields_of(schema) for name, schema in signals.items()},
        actions=_actions(run),
        deliveries=told.items,
    )


@router.get("/tasks/{task_id}")
async def show_task(task_id: str, request: Request, needs: Needs) -> Response:
    """Show a task or step: its tries, its files, what it was told and what it says."""
    stored, task = await known_task(task_id, needs)
    run = await needs.queries.workflow(task.workflow_id) if task.workflow_id else None
    items: tuple[TaskView, ...] = ()
    if task.kind == "map" and task.workflow_id and task.step_id:
        items = await needs.queries.items_of(task.workflow_id, task.step_id, limit=_ITEMS)
    told = await needs.queries.deliveries(Filter(equal={"task_id": task_id}), limit=_DELIVERIES)
    is_own = task.workflow_id is None
    return page(
        request,
        "task.html",
        now=needs.now(),
        task=task,
        run=run.view if run else None,
        input=_input(stored, task),
        results=files_in([("", task.output)]),
        options={name: value for name, value in task.options.items() if value is not None},
        items=items,
        total_items=(task.output or {}).get("total", len(items)),
        can_cancel=isinstance(judge_task("cancel", task), Send) and is_own,
        can_retry=isinstance(judge_task("retry", task), Send),
        can_rerun=bool(run and run.view and run.view.status.is_final),
        rerun=_rerun(task),
        deliveries=told.items,
    )


@router.get("/beginning/{path:path}")
async def show_beginning(path: str, request: Request, needs: Needs) -> Response:
    """Show how a text begins."""
    file = await needs.aliases.get(TENANT, normalise(path))
    if file is None:
        raise ProblemError("not_found", f"there is no file {path[:200]!r}")
    chunks = [chunk async for chunk in needs.storage.read(file.object, 0, min(_BEGINNING, file.size))]
    # What was cut in the middle of a character ends before it.
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(b"".join(chunks))
    return page(request, "beginning.html", text=text, path=path, is_cut=file.size > _BEGINNING)


async def _definition(workflow_id: str, needs: Dependencies) -> Definition | None:
    document = await needs.queries.definition(workflow_id)
    try:
        return None if document is None else await asyncio.to_thread(read, document)
    except InvalidDefinitionError:  # what an older version took
        return None


def _of_note(steps: tuple[StepShape, ...]) -> tuple[StepShape, ...]:
    """Give all steps, or of very many those that somebody wants to see."""
    if len(steps) <= DRAWN:
        return steps
    return tuple(sorted(steps, key=lambda step: _URGENT.index(step.status.value))[:DRAWN])


def _inputs(run: WorkflowShape) -> tuple[FileShown, ...]:
    """Give the files that a run was started with, as far as their names tell."""
    named = (file_at(value) for name, value in run.input.items() if name.endswith("file") and value)
    return tuple(file for file in named if file)


def _input(stored: Stored[TaskView], task: TaskView) -> FileShown | None:
    if stored.input is not None:
        return file_at(
            stored.input.path or task.input_file,
            content_type=stored.input.content_type,
            size=stored.input.size,
        )
    return file_at(task.input_file)


def _actions(run: WorkflowShape) -> frozenset[str]:
    """Name what can be done with a run as it stands."""
    possible = {
        verb
        for verb in ("start", "pause", "resume", "cancel", "rerun", "delete")
        if isinstance(judge_workflow(verb, run), Send)
    }
    if run.status is not WorkflowStatus.PENDING:
        possible -= {"start"}
    possible -= {"pause"} if run.status is not WorkflowStatus.RUNNING else {"resume"}
    possible -= {"resume"} if run.status is not WorkflowStatus.PAUSED else set()
    if run.status is WorkflowStatus.COMPLETED:
        possible -= {"rerun"}  # nothing failed; a step can be run again on its own page
    return frozenset(possible)


def _rerun(task: TaskView) -> dict[str, Any]:
    """Say what a rerun of a task asks for."""
    if task.item is not None:
        return {"step": task.parent, "index": task.item}
    return {"step": task.step_id}
