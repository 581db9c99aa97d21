"""What is told twice, or late, changes nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from filemill_common.clock import utc_now
from filemill_common.events import AttemptFailed, AttemptSucceeded, TaskCreated, TaskSpec
from filemill_common.health import Health
from filemill_common.messaging import Bus, Topology
from filemill_local.stack import Stack
from filemill_local.user import User


@pytest.fixture
async def bus(stack: Stack) -> AsyncIterator[Bus]:
    async with Bus(stack.plan.rabbit_url, service="test", topology=Topology(), health=Health()) as bus:
        yield bus


def stored(stack: Stack, task_id: str) -> dict[str, Any]:
    with MongoClient[dict[str, Any]](stack.plan.mongo_url) as client:
        return client["filemill"]["tasks"].find_one({"_id": task_id}) or {}


class TestAReport:
    async def test_that_comes_twice_or_late_changes_nothing(self, stack: Stack, user: User, bus: Bus) -> None:
        task = user.task("echo", options={"x": 1})
        done = user.ended_task(task)
        before = stored(stack, task)
        now = utc_now()
        told: dict[str, Any] = {
            "task_id": task,
            "attempt": 1,
            "execution": "another",
            "worker": "stranger",
            "started_at": now - timedelta(seconds=1),
            "completed_at": now,
            "partition_key": task,
        }

        await bus.publish_or_raise(
            AttemptSucceeded(**told, output={"x": 2}),
            AttemptFailed(**told, code="late", message="late", retryable=False),
        )
        later = user.ended_task(user.task("echo"))

        assert later["status"] == "completed"  # it was behind the late reports in the same queue
        assert user.get_task(task) == done
        assert stored(stack, task) == before

    async def test_of_creation_that_comes_twice_makes_one_task(
        self, stack: Stack, user: User, bus: Bus
    ) -> None:
        created = TaskCreated(
            task_id="told-twice", task=TaskSpec(type="echo"), partition_key="told-twice", time=utc_now()
        )

        await bus.publish_or_raise(created, created)
        done = user.ended_task("told-twice")
        await bus.publish_or_raise(created)
        user.ended_task(user.task("echo"))

        assert user.get_task("told-twice") == done


class TestAKey:
    def test_repeated_with_the_same_request_is_the_same_workflow(self, user: User) -> None:
        definition = {"name": "keyed", "steps": [{"id": "a", "type": "task", "task": "echo"}]}

        first = user.workflow(definition, key="same")
        again = user.workflow(definition, key="same")
        other = user.http.post(
            "/v1/workflows",
            json={"definition": {**definition, "name": "another"}, "input": {}},
            headers={"Idempotency-Key": "same"},
        )

        assert first == again
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
