"""Tasks and workflows are read: one by one, in lists, and when they are too new to be there."""

import asyncio
import time
from datetime import timedelta

import httpx
import pytest

from filemill_common.events import TaskCreated, TaskSpec
from filemill_common.store import Files, Store, StoreUnavailableError
from filemill_gateway.queries import Queries
from filemill_gateway.testing import BEGINNING, World


class TestATask:
    async def test_is_shown_with_all_its_fields(self, world: World) -> None:
        await world.put_task(status="running", ran=2, options={"$n": 1}, labels={"a.b": "c"}, progress=40.5)
        answer = await world.client.get("/v1/tasks/t1")

        task = answer.json()
        assert answer.status_code == 200
        assert (task["id"], task["status"], task["attempt"], task["progress"]) == ("t1", "running", 2, 40.5)
        assert (task["options"], task["labels"]) == ({"$n": 1}, {"a.b": "c"})
        assert task["created_at"] == "2026-11-05T10:00:00.000Z"

    async def test_that_is_very_new_is_waited_for(self, world: World) -> None:
        async def scheduler() -> None:
            await asyncio.sleep(0.06)
            await world.put_task()
            await world.hub.tell(TaskCreated(task_id="t1", task=TaskSpec(type="echo")))

        answer, _ = await asyncio.gather(world.client.get("/v1/tasks/t1"), scheduler())

        assert answer.status_code == 200

    async def test_that_does_not_come_is_not_found(self, client: httpx.AsyncClient) -> None:
        began = time.monotonic()
        answer = await client.get("/v1/tasks/none")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert 0.25 < time.monotonic() - began < 2

    async def test_that_only_others_wait_for_is_not_shown(self, world: World) -> None:
        await world.put_task(status=None, created_at=None, dependents=["t2"])

        assert (await world.client.get("/v1/tasks/t1")).status_code == 404
        assert (await world.client.get("/v1/tasks")).json() == {"items": [], "next": None}

    async def test_that_was_deleted_is_not_found_at_once(self, world: World) -> None:
        await world.put_task(status=None)
        began = time.monotonic()

        assert (await world.client.get("/v1/tasks/t1")).status_code == 404
        assert time.monotonic() - began < 0.25


class TestAList:
    async def test_goes_on_where_the_page_before_ended(self, world: World) -> None:
        for number in range(5):
            await world.put_task(f"t{number}", created_at=BEGINNING + timedelta(seconds=number // 2))
        pages, cursor = [], ""
        while True:
            page = (await world.client.get(f"/v1/tasks?limit=2{cursor}")).json()
            pages.append([task["id"] for task in page["items"]])
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"

        assert pages == [["t4", "t3"], ["t2", "t1"], ["t0"]]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {"a", "b", "c"}),
            ("status=failed", {"b"}),
            ("status=failed&status=running", {"b", "c"}),
            ("type=sleep", {"c"}),
            ("workflow_id=w1", {"c"}),
            ("label=team:x", {"a", "b"}),
            ("label=team:x&label=env.name:dev", {"b"}),
            ("label=team:y", set()),
            ("created_after=2026-11-05T10:00:01Z", {"b", "c"}),
            ("created_before=2026-11-05T10:00:01Z", {"a"}),
            ("created_after=2026-11-05T12:00:01%2B02:00&created_before=2026-11-05T10:00:02Z", {"b"}),
        ],
    )
    async def test_is_filtered(self, world: World, query: str, found: set[str]) -> None:
        await world.put_task("a", labels={"team": "x"})
        await world.put_task(
            "b",
            status="failed",
            labels={"team": "x", "env.name": "dev"},
            created_at=BEGINNING + timedelta(seconds=1),
        )
        await world.put_task(
            "c", status="running", type="sleep", workflow_id="w1", created_at=BEGINNING + timedelta(seconds=2)
        )

        assert {
            task["id"] for task in (await world.client.get(f"/v1/tasks?{query}")).json()["items"]
        } == found

    async def test_of_tasks_has_only_those_that_are_work(self, world: World) -> None:
        await world.put_task("a")
        await world.put_task("b", kind="task", item=3, workflow_id="w1")
        for kind in ("condition", "parallel", "map", "wait", "subworkflow"):
            await world.put_task(kind, kind=kind, type=kind, workflow_id="w1")

        listed = (await world.client.get("/v1/tasks")).json()["items"]
        assert {task["id"] for task in listed} == {"a", "b"}

    async def test_of_workflows_has_no_steps(self, world: World) -> None:
        await world.put_workflow("w1", counts={"total": 2, "completed": 1})
        await world.put_workflow("w2", status="failed", name="other")

        answer = (await world.client.get("/v1/workflows?status=pending&name=films")).json()
        assert [(run["id"], run["counts"]["completed"]) for run in answer["items"]] == [("w1", 1)]

    async def test_of_deliveries_is_filtered(self, world: World, store: Store) -> None:
        delivery = {"tenant": "default", "created_at": BEGINNING, "status": "delivered", "task_id": "t1"}
        await store.collection("deliveries").insert_many(
            [{"_id": "d1", **delivery}, {"_id": "d2", **delivery, "task_id": "t2", "status": "failed"}]
        )

        answer = (await world.client.get("/v1/deliveries?task_id=t1&status=delivered")).json()
        assert answer["items"] == [
            {
                "id": "d1",
                "tenant": "default",
                "created_at": "2026-11-05T10:00:00.000Z",
                "status": "delivered",
                "task_id": "t1",
            }
        ]


class TestAWorkflow:
    async def test_is_shown_with_its_steps_in_the_order_of_the_definition(self, world: World) -> None:
        await world.put_workflow(status="running", run_input={"n": 1}, started_at=BEGINNING)
        steps = {"workflow_id": "w1", "type": "echo"}
        await world.put_task("t2", step_id="b", index=1, status="skipped", reason="run_failed", **steps)
        await world.put_task(
            "t1", step_id="a", index=0, order=7, progress=50, status="running", ran=1, **steps
        )

        assert (await world.client.get("/v1/workflows/w1")).json() == {
            "id": "w1",
            "name": "films",
            "description": "",
            "user_id": None,
            "parent_task_id": None,
            "status": "running",
            "progress": 75.0,
            "input": {"n": 1},
            "error": None,
            "created_at": "2026-11-05T10:00:00.000Z",
            "updated_at": "2026-11-05T10:00:00.000Z",
            "started_at": "2026-11-05T10:00:00.000Z",
            "completed_at": None,
            "duration": None,
            "steps": [
                _step("a", "t1", order=7, status="running", attempt=1, progress=50.0),
                _step("b", "t2", status="skipped", reason="run_failed", progress=0.0),
            ],
        }

    async def test_has_steps_in_steps_but_no_items(self, world: World) -> None:
        run = {"workflow_id": "w1", "status": "running"}
        await world.put_workflow(status="running")
        await world.put_task("t0", step_id="both", index=0, kind="parallel", type="parallel", **run)
        await world.put_task("t1", step_id="in", index=1, parent="both", progress=100, **run)
        await world.put_task(
            "t2", step_id="all", index=2, kind="map", type="map", progress=50, output={"total": 2}, **run
        )
        await world.put_task("t3", step_id="all[0]", index=2, parent="all", item=0, progress=100, **run)
        await world.put_task(
            "t4", step_id="sub", index=3, kind="subworkflow", type="subworkflow", child="w2", **run
        )
        await world.put_task(
            "t5", step_id="go", index=4, kind="wait", type="wait", message="waiting for 'go'", **run
        )

        shown = (await world.client.get("/v1/workflows/w1")).json()
        assert shown["progress"] == 30.0
        assert [(step["id"], step["type"], step["parent"]) for step in shown["steps"]] == [
            ("both", "parallel", None),
            ("in", "task", "both"),
            ("all", "map", None),
            ("sub", "subworkflow", None),
            ("go", "wait", None),
        ]
        assert (shown["steps"][3]["child"], shown["steps"][4]["message"]) == ("w2", "waiting for 'go'")


def _step(name: str, task_id: str, **fields: object) -> dict[str, object]:
    return {
        "id": name,
        "name": None,
        "order": None,
        "type": "task",
        "reason": None,
        "parent": None,
        "child": None,
        "message": None,
        "attempt": 0,
        "task_id": task_id,
        "output": None,
        "error": None,
        "started_at": None,
        "completed_at": None,
        **fields,
    }


class TestTheStore:
    async def test_being_away_is_said(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        async def away(*_: object, **__: object) -> None:
            raise StoreUnavailableError("MongoDB is not available")

        for name in ("task", "tasks", "workflow", "workflows"):
            monkeypatch.setattr(Queries, name, away)
        for path in ("/v1/tasks/t1", "/v1/tasks", "/v1/workflows/w1", "/v1/workflows", "/v1/tasks/t1/events"):
            answer = await world.client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert answer.headers["retry-after"] == "2"

    async def test_being_away_refuses_no_work(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        async def away(*_: object, **__: object) -> None:
            raise StoreUnavailableError("MongoDB is not available")

        monkeypatch.setattr(Queries, "task", away)
        monkeypatch.setattr(Files, "get", away)
        body = {"type": "probe", "input_file": "a.mp4"}
        answer = await world.client.post("/v1/tasks", json=body, headers={"Idempotency-Key": "k"})

        assert (answer.status_code, len(world.published)) == (202, 1)
