"""Live streams over HTTP, as server-sent events."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from filemill_common.events import TaskView, WorkflowView
from filemill_gateway.core.changes import EVERYTHING, Latest, Position, Versions, read_position
from filemill_gateway.dependencies import Dependencies, Needs
from filemill_gateway.live import Watcher
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Filter
from filemill_gateway.routes.listing import Listed, listed
from filemill_gateway.streams import Shown, Source, follow

router = APIRouter(tags=["events"])

_LISTED = 50

LastEventId = Annotated[str | None, Header(description="The `id` of the last event that was seen.")]


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream about to begin: watched first, then looked at, so nothing between is missed."""

    source: Source
    watcher: Watcher
    shown: Shown
    position: Position
    repair: float

    def events(self) -> AsyncIterator[ServerSentEvent]:
        """Tell all that becomes of it."""
        return follow(self.source, self.watcher, self.shown, position=self.position, repair=self.repair)


async def _opened(source: Source, last_event_id: str | None, needs: Dependencies) -> AsyncIterator[Opened]:
    limits = needs.limits
    least = read_position(last_event_id)

    async def caught_up() -> Shown | None:
        """Look until the store shows all that the client saw before."""
        shown = await source.look()
        return shown if shown and (sum(shown.versions.values()) >= least or not shown.versions) else None

    with needs.hub.watch(source.topic) as watcher:
        shown = await needs.hub.until(source.topic, caught_up, seconds=limits.appear.total_seconds())
        shown = shown or await source.look()
        if shown is None:
            raise ProblemError("not_found", f"there is nothing with the id {source.topic[:80]!r}")
        position = Versions(shown.versions) if shown.versions else Latest(needs.now())
        yield Opened(source, watcher, shown, position, limits.repair.total_seconds())


class _Task:
    def __init__(self, task_id: str, needs: Dependencies) -> None:
        self.topic = task_id
        self._needs = needs

    async def look(self) -> Shown | None:
        stored = await self._needs.queries.task(self.topic)
        if stored is None or stored.view is None:
            return None
        view = stored.view
        return Shown(view.model_dump_json(), {view.id: stored.version}, is_final=view.status.is_final)

    async def has_moved(self, position: int, _: Shown) -> bool:
        stored = await self._needs.queries.task(self.topic)
        return stored is None or stored.version > position


class _Workflow:
    def __init__(self, workflow_id: str, needs: Dependencies) -> None:
        self.topic = workflow_id
        self._queries = needs.queries

    async def look(self) -> Shown | None:
        snapshot = await self._queries.snapshot(self.topic)
        if snapshot is None:
            return None
        shape = snapshot.shape
        return Shown(shape.model_dump_json(), snapshot.versions, is_final=shape.status.is_final)

    async def has_moved(self, position: int, _: Shown) -> bool:
        return await self._queries.position(self.topic) != position


class _Everything:
    topic = EVERYTHING

    def __init__(self, needs: Dependencies) -> None:
        self._queries = needs.queries

    async def look(self) -> Shown | None:
        tasks: Listed[TaskView] = listed(await self._queries.tasks(Filter(), limit=_LISTED))
        runs: Listed[WorkflowView] = listed(await self._queries.workflows(Filter(), limit=_LISTED))
        return Shown(f'{{"workflows":{runs.model_dump_json()},"tasks":{tasks.model_dump_json()}}}', {})

    async def has_moved(self, _: int, last: Shown) -> bool:
        return await self.look() != last


async def _of_task(task_id: str, needs: Needs, last_event_id: LastEventId = None) -> AsyncIterator[Opened]:
    async for opened in _opened(_Task(task_id, needs), last_event_id, needs):
        yield opened


async def _of_workflow(
    workflow_id: str, needs: Needs, last_event_id: LastEventId = None
) -> AsyncIterator[Opened]:
    async for opened in _opened(_Workflow(workflow_id, needs), last_event_id, needs):
        yield opened


async def _of_everything(needs: Needs) -> AsyncIterator[Opened]:
    async for opened in _opened(_Everything(needs), None, needs):
        yield opened


@router.get("/v1/tasks/{task_id}/events", response_class=EventSourceResponse)
async def follow_task(stream: Annotated[Opened, Depends(_of_task)]) -> AsyncIterator[ServerSentEvent]:
    """Follow a task: `snapshot`, then `change`s, then `end`, each `snapshot` and `end` as GET shows it."""
    async for event in stream.events():
        yield event


@router.get("/v1/workflows/{workflow_id}/events", response_class=EventSourceResponse)
async def follow_workflow(stream: Annotated[Opened, Depends(_of_workflow)]) -> AsyncIterator[ServerSentEvent]:
    """Follow a workflow and its steps: `snapshot`, then `change`s, then `end`."""
    async for event in stream.events():
        yield event


@router.get("/v1/events", response_class=EventSourceResponse)
async def follow_everything(
    stream: Annotated[Opened, Depends(_of_everything)],
) -> AsyncIterator[ServerSentEvent]:
    """Follow all tasks and workflows: a `snapshot` of the newest, then `change`s without end."""
    async for event in stream.events():
        yield event
