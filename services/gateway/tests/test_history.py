"""What happened to a run is read in order, a page at a time or whole, by whom the run itself may be read."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from filemill_common.events import AttemptSucceeded, WorkflowCreated
from filemill_common.store.documents import history_id
from filemill_gateway.core.cursors import Cursor, write_cursor
from filemill_gateway.testing import BEGINNING, World


def event(number: int, run: str = "w1", **fields: Any) -> dict[str, Any]:
    """An event as the scheduler keeps it: a step of a run has succeeded."""
    return {
        "run": run,
        "step": f"s{number}",
        "type": AttemptSucceeded.type,
        "data": {"task_id": f"t{number}", "output": {"$n": number}},
        "changes": [
            {
                "run": run,
                "step": f"s{number}",
                "task": f"t{number}",
                "from": "ready",
                "to": "completed",
                "attempt": 1,
            }
        ],
        **fields,
    }


async def keep(world: World, place: int, *entries: dict[str, Any], runs: tuple[str, ...] = ()) -> None:
    """Store a part of the history of ``w1`` as the scheduler does."""
    document = {
        "_id": history_id("w1", place),
        "workflow_id": "w1",
        "tenant": "default",
        "at": BEGINNING + timedelta(seconds=place),
        "entries": json.dumps(entries),
    }
    await world.store.collection("history").insert_one(document | ({"runs": list(runs)} if runs else {}))


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


class TestAHistory:
    async def test_shows_what_happened_and_what_it_decided(self, world: World) -> None:
        await world.put_workflow()
        await keep(world, 1, event(1))

        answer = await world.client.get("/v1/workflows/w1/history")

        assert answer.json() == {
            "items": [
                {
                    "at": "2026-11-05T10:00:01.000Z",
                    "event": "AttemptSucceeded",
                    "type": "io.filemill.attempt.succeeded.v1",
                    "run": "w1",
                    "step": "s1",
                    "changes": [
                        {
                            "run": "w1",
                            "step": "s1",
                            "task": "t1",
                            "from": "ready",
                            "to": "completed",
                            "attempt": 1,
                            "reason": None,
                        }
                    ],
                    "made": 0,
                    "outcome": None,
                    "data": {"task_id": "t1", "output": {"$n": 1}, "partition_key": "w1"},
                    "given": {},
                }
            ],
            "next": None,
        }

    async def test_goes_on_where_the_page_before_ended_the_oldest_first(self, world: World) -> None:
        await world.put_workflow()
        await keep(world, 1, event(1), event(2), event(3))
        await keep(world, 2, event(4))
        await keep(world, 1 << 20, event(5))
        pages, cursor = [], ""
        while True:
            page = (await world.client.get(f"/v1/workflows/w1/history?limit=2{cursor}")).json()
            pages.append([item["step"] for item in page["items"]])
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"

        assert pages == [["s1", "s2"], ["s3", "s4"], ["s5"]]

    async def test_of_a_run_that_a_step_started_is_only_its_own(self, world: World) -> None:
        await world.put_workflow(partition_key="w1")
        await world.put_workflow("w2", partition_key="w1")
        await keep(world, 1, event(1), event(2, "w2"), event(3, changes=[{"run": "w2"}]), runs=("w2",))
        await keep(world, 2, event(4))

        whole = (await world.client.get("/v1/workflows/w1/history")).json()["items"]
        its_own = (await world.client.get("/v1/workflows/w2/history")).json()["items"]

        assert [item["step"] for item in whole] == ["s1", "s2", "s3", "s4"]
        assert [item["step"] for item in its_own] == ["s2", "s3"]

    @pytest.mark.parametrize("path", ["/v1/workflows/w1/history", "/v1/workflows/w1/history/export"])
    async def test_is_hidden_with_its_run(self, world: World, path: str) -> None:
        await keep(world, 1, event(1))
        unknown = await world.client.get(path)
        await world.put_workflow(status=None)
        deleted = await world.client.get(path)

        assert [(each.status_code, each.json()["code"]) for each in (unknown, deleted)] == [
            (404, "not_found")
        ] * 2

    @pytest.mark.parametrize("where", ["w1", "1", "1.-1", "x.0", f"{1 << 70:x}.0"])
    async def test_goes_on_at_no_cursor_of_another_list(self, world: World, where: str) -> None:
        await world.put_workflow()
        cursor = write_cursor(Cursor(created_at=BEGINNING, id=where))

        answer = await world.client.get(f"/v1/workflows/w1/history?cursor={cursor}")

        assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "invalid_cursor")

    async def test_that_was_not_kept_is_empty(self, world: World) -> None:
        await world.put_workflow()

        assert (await world.client.get("/v1/workflows/w1/history")).json() == {"items": [], "next": None}


class TestAnExport:
    async def test_has_all_events_and_how_all_stood_after_them(self, world: World) -> None:
        await world.put_workflow(partition_key="w1", status="running")
        await world.put_workflow("w2", partition_key="w1", name="sub")
        steps: dict[str, Any] = {"workflow_id": "w1", "status": "running"}
        await world.put_task("t1", step_id="s1", index=0, kind="subworkflow", child="w2", **steps)
        asked: dict[str, Any] = {
            "type": WorkflowCreated.type,
            "data": {"workflow_id": "w1"},
            "changes": [],
            "made": 1,
        }
        await keep(world, 1, event(0, **asked))
        await keep(world, 2, event(1, given={"files": {"a.mp4": None}}))

        answer = await world.client.get("/v1/workflows/w1/history/export")

        head, *events, last = lines(answer)
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        assert (head["format"], head["workflow_id"]) == ("filemill-history/1", "w1")
        assert [each["event"] for each in events] == ["WorkflowCreated", "AttemptSucceeded"]
        assert events[1]["given"] == {"files": {"a.mp4": None}}
        assert last["events"] == 2
        assert [(run["id"], run["name"]) for run in last["state"]] == [("w1", "films"), ("w2", "sub")]
        assert last["state"][0] == (await world.client.get("/v1/workflows/w1")).json()

    async def test_of_a_run_within_another_is_that_of_the_outermost(self, world: World) -> None:
        await world.put_workflow(partition_key="w1")
        await world.put_workflow("w2", partition_key="w1")
        await keep(world, 1, event(1))

        head, _, last = lines(await world.client.get("/v1/workflows/w2/history/export"))

        assert (head["workflow_id"], last["events"]) == ("w1", 1)

    async def test_of_what_was_not_kept_has_no_events(self, world: World) -> None:
        await world.put_workflow()

        _, last = lines(await world.client.get("/v1/workflows/w1/history/export"))

        assert last["events"] == 0
