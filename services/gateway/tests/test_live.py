"""Live streams: a snapshot, changes, an end; and what happens when something gets lost on the way."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from filemill_common.events import TaskCreated, TaskSpec, TaskStarted
from filemill_common.store import StoreUnavailableError, task_view
from filemill_gateway.core.changes import EVERYTHING
from filemill_gateway.live import Hub
from filemill_gateway.queries import Queries
from filemill_gateway.testing import BEGINNING, World


def parsed(text: str) -> list[tuple[str, dict[str, Any], int]]:
    """Read server-sent events: kind, data and id."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines["event"], json.loads(lines["data"]), int(lines["id"])))
    return found


async def watching(world: World, topic: str) -> None:
    async with asyncio.timeout(5):
        while not world.hub.is_watched(topic):
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)  # the snapshot is read


async def followed(
    world: World,
    path: str,
    topic: str,
    play: Callable[[], Awaitable[None]],
    *,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Follow a stream to its end, while ``play`` happens after its snapshot."""

    async def played() -> None:
        await watching(world, topic)
        await play()

    answer, _ = await asyncio.gather(world.client.get(path, headers=headers or {}), played())
    return answer


class TestATask:
    async def test_is_followed_to_its_end(self, world: World) -> None:
        await world.put_task(status="running", version=3)

        async def play() -> None:
            await world.task_becomes(status="running", version=4, progress=50)
            await world.task_becomes(status="completed", version=5, progress=100)

        answer = await followed(world, "/v1/tasks/t1/events", "t1", play)

        events = parsed(answer.text)
        shown = (await world.client.get("/v1/tasks/t1")).json()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert [(kind, position) for kind, _, position in events] == [
            ("snapshot", 3),
            ("change", 4),
            ("change", 5),
            ("end", 5),
        ]
        assert events[1][1]["type"] == "io.filemill.task.progressed.v1"
        assert events[1][1]["time"] == "2026-11-05T10:00:00.000Z"
        assert events[1][1]["task"]["progress"] == 50
        assert events[3][1] == shown

    async def test_that_has_ended_is_shown_and_that_is_all(self, world: World) -> None:
        await world.put_task(status="failed", version=9)
        answer = await world.client.get("/v1/tasks/t1/events")

        assert [kind for kind, _, _ in parsed(answer.text)] == ["snapshot", "end"]

    async def test_is_not_told_of_what_the_snapshot_showed(self, world: World) -> None:
        await world.put_task(status="running", version=5, progress=80)

        async def play() -> None:
            late = task_view(await world.put_task(status="running", version=5, progress=20))
            await world.hub.tell(TaskStarted(task=late, sequence=5))
            await world.hub.tell(TaskCreated(task_id="t1", task=TaskSpec(type="echo")))
            await world.task_becomes(status="completed", version=6)

        answer = await followed(world, "/v1/tasks/t1/events", "t1", play)

        assert [position for _, _, position in parsed(answer.text)] == [5, 6, 6]

    async def test_whose_event_was_lost_is_looked_at_again(self, world: World) -> None:
        await world.put_task(status="running", version=1)

        async def play() -> None:
            await world.put_task(status="running", version=2, progress=50)
            await asyncio.sleep(0.5)
            await world.put_task(status="completed", version=3)

        answer = await followed(world, "/v1/tasks/t1/events", "t1", play)

        assert [(kind, position) for kind, _, position in parsed(answer.text)] == [
            ("snapshot", 1),
            ("snapshot", 2),
            ("end", 3),
        ]

    async def test_that_is_deleted_ends_the_stream(self, world: World) -> None:
        await world.put_task(status="running")

        async def play() -> None:
            await world.put_task(status=None, version=2)

        answer = await followed(world, "/v1/tasks/t1/events", "t1", play)

        assert [kind for kind, _, _ in parsed(answer.text)] == ["snapshot"]

    async def test_that_is_not_there_is_not_found(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/tasks/none/events")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_is_not_shown_older_than_the_client_saw_it(self, world: World) -> None:
        await world.put_task(status="running", version=3)

        async def play() -> None:
            await world.put_task(status="completed", version=7)

        answer = await followed(world, "/v1/tasks/t1/events", "t1", play, headers={"Last-Event-ID": "7"})

        assert [(kind, position) for kind, _, position in parsed(answer.text)] == [
            ("snapshot", 7),
            ("end", 7),
        ]

    async def test_goes_on_when_the_store_was_away(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.put_task(status="running", version=1)

        async def away(*_: object) -> None:
            raise StoreUnavailableError("MongoDB is not available")

        async def play() -> None:
            with monkeypatch.context() as patch:
                patch.setattr(Queries, "task", away)
                await world.task_becomes(status="completed", version=2)
                await asyncio.sleep(0.4)

        answer = await followed(world, "/v1/tasks/t1/events", "t1", play)

        assert [kind for kind, _, _ in parsed(answer.text)] == ["snapshot", "change", "end"]


class TestAWorkflow:
    async def test_is_followed_with_its_steps(self, world: World) -> None:
        await world.put_workflow(status="running", version=2)
        step = {"workflow_id": "w1", "step_id": "a"}
        await world.put_task("t1", status="ready", version=1, **step)

        async def play() -> None:
            await world.task_becomes("t1", status="completed", version=4, progress=100, **step)
            await world.workflow_becomes(status="completed", version=5)

        answer = await followed(world, "/v1/workflows/w1/events", "w1", play)

        events = parsed(answer.text)
        assert [(kind, position) for kind, _, position in events] == [
            ("snapshot", 3),
            ("change", 6),
            ("change", 9),
            ("end", 9),
        ]
        assert events[1][1]["task"]["step_id"] == "a"
        assert events[2][1]["workflow"]["status"] == "completed"
        assert events[3][1] == (await world.client.get("/v1/workflows/w1")).json()
        assert events[3][1]["steps"][0]["progress"] == 100

    async def test_whose_step_moved_unseen_is_looked_at_again(self, world: World) -> None:
        await world.put_workflow(status="running", version=1)
        step = {"workflow_id": "w1", "step_id": "a"}
        await world.put_task("t1", version=1, **step)

        async def play() -> None:
            await world.put_task("t1", version=2, status="running", **step)
            await asyncio.sleep(0.5)
            await world.workflow_becomes(status="failed", version=2)

        answer = await followed(world, "/v1/workflows/w1/events", "w1", play)

        assert [(kind, position) for kind, _, position in parsed(answer.text)] == [
            ("snapshot", 2),
            ("snapshot", 3),
            ("change", 4),
            ("end", 4),
        ]


class TestEverything:
    async def test_is_followed_until_the_gateway_stops(self, world: World) -> None:
        await world.put_task(status="running")

        async def play() -> None:
            await world.hub.tell(TaskCreated(task_id="t2", task=TaskSpec(type="sleep"), time=BEGINNING))
            await world.workflow_becomes(status="running", version=1)
            await asyncio.sleep(0.05)
            world.hub.end()

        answer = await followed(world, "/v1/events", EVERYTHING, play)

        events = parsed(answer.text)
        assert [kind for kind, _, _ in events] == ["snapshot", "change", "change"]
        assert [task["id"] for task in events[0][1]["tasks"]["items"]] == ["t1"]
        assert events[0][1]["workflows"] == {"items": [], "next": None}
        assert (events[1][1]["task"]["id"], events[1][1]["task"]["status"]) == ("t2", "pending")
        assert events[2][1]["workflow"]["id"] == "w1"


class TestAWatcher:
    async def test_that_reads_too_slowly_is_told_that_it_missed_something(self) -> None:
        hub = Hub()
        with hub.watch("t1") as watcher:
            for _ in range(257):
                await hub.tell(TaskCreated(task_id="t1", task=TaskSpec(type="echo")))

            assert watcher.take() is None
            assert watcher.take() == ()

    async def test_leaves_nothing_behind(self) -> None:
        hub = Hub()
        with hub.watch("t1"):
            assert hub.is_watched("t1")

        assert not hub.is_watched("t1")

    async def test_of_a_stopped_gateway_ends_at_once(self) -> None:
        hub = Hub()
        hub.end()
        with hub.watch("t1") as watcher:
            assert await watcher.wait(1)
            assert watcher.is_over
