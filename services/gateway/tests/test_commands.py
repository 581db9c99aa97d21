"""Commands: what is sent to the scheduler, and what the door refuses."""

import pytest

from filemill_common.events import TaskCommand, WorkflowCommand
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

    @pytest.mark.parametrize(("command", "status"), [("start", "failed"), ("cancel", "completed")])
    async def test_is_refused_if_it_has_ended(self, world: World, command: str, status: str) -> None:
        await world.put_workflow(status=status)
        answer = await world.client.post(f"/v1/workflows/w1/{command}")

        assert (answer.status_code, answer.json()["code"]) == (409, "already_final")

    @pytest.mark.parametrize(("command", "status"), [("start", "running"), ("cancel", "cancelled")])
    async def test_does_nothing_if_it_is_so_already(self, world: World, command: str, status: str) -> None:
        await world.put_workflow(status=status)
        answer = await world.client.post(f"/v1/workflows/w1/{command}")

        assert (answer.status_code, world.published) == (202, [])
