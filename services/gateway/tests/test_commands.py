"""Commands: what is sent to the scheduler, and what the door refuses."""

from typing import Any

import httpx
import pytest

from filemill_common.events import TaskCommand, WorkflowCommand
from filemill_common.ids import step_task_id
from filemill_gateway.testing import World


class TestOfATask:
    @pytest.mark.parametrize(
        ("method", "path", "status", "command"),
        [
            ("POST", "/v1/tasks/t1/cancel", "running", "cancel"),
            ("POST", "/v1/tasks/t1/retry", "failed", "retry"),
            ("POST", "/v1/tasks/t1/retry", "cancelled", "retry"),
            ("DELETE", "/v1/tasks/t1", "completed", "delete"),
            ("DELETE", "/v1/tasks/t1", "running", "delete"),
        ],
    )
    async def test_is_sent(self, world: World, method: str, path: str, status: str, command: str) -> None:
        await world.put_task(status=status)
        answer = await world.client.request(method, path)

        (event,) = world.published
        assert isinstance(event, TaskCommand)
        assert (answer.status_code, answer.json()["status"]) == (202, status)
        assert (event.command, event.task_id, event.partition_key) == (command, "t1", "t1")
        assert event.sequence > 0

    @pytest.mark.parametrize(
        ("command", "fields", "code"),
        [
            ("cancel", {"status": "completed"}, "already_final"),
            ("cancel", {"status": "failed"}, "already_final"),
            ("retry", {"status": "running"}, "not_retryable_status"),
            ("retry", {"status": "completed"}, "not_retryable_status"),
            ("retry", {"status": "failed", "workflow_id": "w1"}, "step_of_workflow"),
        ],
    )
    async def test_is_refused_if_it_cannot_apply(
        self, world: World, command: str, fields: dict[str, str], code: str
    ) -> None:
        await world.put_task(**fields)
        answer = await world.client.post(f"/v1/tasks/t1/{command}")

        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert world.published == []

    async def test_does_not_delete_a_step(self, world: World) -> None:
        await world.put_task(workflow_id="w1")
        answer = await world.client.delete("/v1/tasks/t1")

        assert (answer.status_code, answer.json()["code"]) == (409, "step_of_workflow")

    async def test_cancels_once(self, world: World) -> None:
        await world.put_task(status="cancelled")
        answer = await world.client.post("/v1/tasks/t1/cancel")

        assert (answer.status_code, world.published) == (202, [])

    async def test_goes_to_the_partition_of_the_run(self, world: World) -> None:
        await world.put_task(status="running", workflow_id="w1")
        await world.client.post("/v1/tasks/t1/cancel")

        assert [event.partition_key for event in world.published] == ["w1"]

    async def test_with_a_key_is_the_same_command_again(self, world: World) -> None:
        await world.put_task(status="failed")
        headers = {"Idempotency-Key": "k"}
        for _ in range(2):
            assert (await world.client.post("/v1/tasks/t1/retry", headers=headers)).status_code == 202
        first, second = world.published
        assert first.id == second.id

        await world.put_task(status="running", commands=[first.id])
        again = await world.client.post("/v1/tasks/t1/retry", headers=headers)
        assert (again.status_code, again.json()["status"], len(world.published)) == (202, "running", 2)

    @pytest.mark.parametrize("path", ["tasks/none/cancel", "tasks/none/retry", "workflows/none/start"])
    async def test_of_nothing_is_not_found(self, world: World, path: str) -> None:
        assert (await world.client.post(f"/v1/{path}")).status_code == 404


class TestOfAWorkflow:
    @pytest.mark.parametrize(
        ("method", "path", "status", "command"),
        [
            ("POST", "/v1/workflows/w1/start", "pending", "start"),
            ("POST", "/v1/workflows/w1/cancel", "running", "cancel"),
            ("POST", "/v1/workflows/w1/pause", "pending", "pause"),
            ("POST", "/v1/workflows/w1/pause", "paused", "pause"),
            ("POST", "/v1/workflows/w1/resume", "running", "resume"),
            ("POST", "/v1/workflows/w1/rerun", "completed", "rerun"),
            ("POST", "/v1/workflows/w1/rerun", "cancelled", "rerun"),
            ("DELETE", "/v1/workflows/w1", "failed", "delete"),
        ],
    )
    async def test_is_sent(self, world: World, method: str, path: str, status: str, command: str) -> None:
        await world.put_workflow(status=status)
        answer = await world.client.request(method, path)

        (event,) = world.published
        assert isinstance(event, WorkflowCommand)
        assert (answer.status_code, answer.json()["status"]) == (202, status)
        assert (event.command, event.workflow_id, event.partition_key) == (command, "w1", "w1")

    @pytest.mark.parametrize(
        ("command", "status"),
        [
            ("start", "failed"),
            ("cancel", "completed"),
            ("pause", "cancelled"),
            ("resume", "failed"),
            ("signals/go", "completed"),
        ],
    )
    async def test_is_refused_if_it_has_ended(self, world: World, command: str, status: str) -> None:
        await world.put_workflow(status=status)
        answer = await world.client.post(f"/v1/workflows/w1/{command}")

        assert (answer.status_code, answer.json()["code"]) == (409, "already_final")

    async def test_goes_to_the_partition_of_its_root(self, world: World) -> None:
        await world.put_workflow(status="running", partition_key="root", parent_task_id="t0")
        answer = await world.client.post("/v1/workflows/w1/cancel")

        assert answer.json()["parent_task_id"] == "t0"
        assert [event.partition_key for event in world.published] == ["root"]

    @pytest.mark.parametrize(
        ("command", "status"),
        [
            ("pause", "running"),
            ("resume", "paused"),
            ("rerun", "failed"),
        ],
    )
    async def test_that_stands_for_a_step_is_refused_where_it_goes_with_it(
        self, world: World, command: str, status: str
    ) -> None:
        await world.put_workflow(status=status, parent_task_id="t0")
        answer = await world.client.post(f"/v1/workflows/w1/{command}")

        assert (answer.status_code, answer.json()["code"]) == (409, "step_of_workflow")
        assert (answer.json()["detail"].count("t0"), world.published) == (1, [])

    @pytest.mark.parametrize(("command", "status"), [("start", "running"), ("cancel", "cancelled")])
    async def test_does_nothing_if_it_is_so_already(self, world: World, command: str, status: str) -> None:
        await world.put_workflow(status=status)
        answer = await world.client.post(f"/v1/workflows/w1/{command}")

        assert (answer.status_code, world.published) == (202, [])


DEFINITION = {
    "name": "films",
    "steps": [
        {"id": "probe", "task": "echo"},
        {"id": "all", "type": "map", "items": "[1, 2]", "step": {"task": "echo"}},
        {
            "id": "both",
            "type": "parallel",
            "branches": {"one": [{"id": "approve", "type": "wait", "signal": {"name": "go", "schema": {
                "type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}}}]},
        },
        {"id": "again", "type": "wait", "signal": "done"},
        {"id": "later", "type": "map", "items": "[1]", "step": {"type": "wait", "signal": "each"}},
    ],
}  # fmt: skip


def arguments(world: World) -> list[Any]:
    return [event.arguments for event in world.published if isinstance(event, WorkflowCommand)]


class TestRerun:
    @pytest.fixture
    async def ended(self, world: World) -> World:
        await world.put_workflow(status="failed", definition=DEFINITION)
        item = step_task_id("w1", "all", 1)
        await world.put_task(item, status="failed", workflow_id="w1", step_id="all[1]", parent="all", item=1)
        return world

    @pytest.mark.parametrize(
        "body",
        [{}, {"step": "probe"}, {"step": "approve"}, {"step": "all", "index": 1}],
    )
    async def test_says_what_is_run_again(self, ended: World, body: dict[str, Any]) -> None:
        answer = await ended.client.post("/v1/workflows/w1/rerun", json=body)

        assert (answer.status_code, arguments(ended)) == (202, [body])

    async def test_needs_no_body(self, ended: World) -> None:
        assert (await ended.client.post("/v1/workflows/w1/rerun")).status_code == 202
        assert (await ended.client.post("/v1/workflows/w1/rerun", json={"step": None})).status_code == 202
        assert arguments(ended) == [{}, {}]

    @pytest.mark.parametrize(
        ("body", "code", "pointer", "suggestion"),
        [
            ({"step": "prob"}, "unknown_step", "/step", "did you mean 'probe'?"),
            ({"step": "probe", "index": 0}, "invalid_value", "/index", None),
            ({"step": "all", "index": 2}, "invalid_value", "/index", None),
            ({"step": "all", "index": -1}, "invalid_value", "/index", None),
            ({"step": "all", "index": True}, "wrong_type", "/index", None),
            ({"index": 1}, "missing_field", "/step", None),
            ({"stpe": "all"}, "unknown_field", "/stpe", "did you mean 'step'?"),
            ([], "wrong_type", "", None),
        ],
    )
    async def test_of_what_is_not_there_is_refused(
        self, ended: World, body: Any, code: str, pointer: str, suggestion: str | None
    ) -> None:
        answer = await ended.client.post("/v1/workflows/w1/rerun", json=body)

        (problem,) = answer.json()["problems"]
        assert (answer.status_code, answer.json()["code"], problem["pointer"]) == (422, code, pointer)
        assert problem.get("suggestion") == suggestion
        assert ended.published == []

    @pytest.mark.parametrize("status", ["pending", "running", "paused"])
    async def test_is_only_of_what_has_ended(self, world: World, status: str) -> None:
        await world.put_workflow(status=status, definition=DEFINITION)
        answer = await world.client.post("/v1/workflows/w1/rerun")

        assert (answer.status_code, answer.json()["code"]) == (409, "command_not_applicable")
        assert status in answer.json()["detail"]

    async def test_with_a_key_is_the_same_also_while_it_runs_again(self, ended: World) -> None:
        headers = {"Idempotency-Key": "k"}
        await ended.client.post("/v1/workflows/w1/rerun", headers=headers)
        (command,) = ended.published
        await ended.put_workflow(status="running", definition=DEFINITION, commands=[command.id])
        again = await ended.client.post("/v1/workflows/w1/rerun", headers=headers)

        assert (again.status_code, len(ended.published)) == (202, 1)


class TestASignal:
    @pytest.fixture
    async def waiting(self, world: World) -> World:
        await world.put_workflow(status="running", definition=DEFINITION)
        return world

    @pytest.mark.parametrize(
        ("name", "payload"),
        [("go", {"ok": True}), ("done", {"any": ["thing"]}), ("each", {})],
    )
    async def test_is_sent_with_what_comes_with_it(self, waiting: World, name: str, payload: Any) -> None:
        answer = await waiting.client.post(f"/v1/workflows/w1/signals/{name}", json=payload)

        (event,) = waiting.published
        assert isinstance(event, WorkflowCommand)
        assert (answer.status_code, event.command) == (202, "signal")
        assert event.arguments == {"name": name, "payload": payload}

    async def test_may_come_with_nothing(self, waiting: World) -> None:
        assert (await waiting.client.post("/v1/workflows/w1/signals/done")).status_code == 202
        assert arguments(waiting) == [{"name": "done", "payload": {}}]

    async def test_that_nothing_waits_for_is_not_found(self, waiting: World) -> None:
        answer = await waiting.client.post("/v1/workflows/w1/signals/gone")

        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_signal")
        assert answer.json()["detail"].endswith("it waits for 'done', 'each', 'go'")
        assert waiting.published == []

    async def test_must_fit_what_the_wait_asks_for(self, waiting: World) -> None:
        answer = await waiting.client.post("/v1/workflows/w1/signals/go", json={"ok": "yes"})

        (problem,) = answer.json()["problems"]
        assert (answer.status_code, problem["pointer"], problem["code"]) == (422, "/ok", "wrong_type")
        assert waiting.published == []

    @pytest.mark.parametrize(
        ("content", "status", "code"),
        [
            (b"[]", 422, "wrong_type"),
            (b"{", 422, "invalid_json"),
            (b'{"a": "%s"}' % (b"x" * (64 << 10)), 413, "too_large"),
        ],
    )
    async def test_comes_with_a_small_object(
        self, waiting: World, content: bytes, status: int, code: str
    ) -> None:
        headers = {"content-type": "application/json"}
        answer: httpx.Response = await waiting.client.post(
            "/v1/workflows/w1/signals/done", content=content, headers=headers
        )

        assert (answer.status_code, answer.json()["code"]) == (status, code)

    async def test_to_nothing_is_not_found(self, world: World) -> None:
        answer = await world.client.post("/v1/workflows/none/signals/go")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
