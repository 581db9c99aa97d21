"""Whatever is killed in the middle of fifty workflows: all complete, once, and in order."""

import time
from collections import Counter
from typing import Any

import pytest
from pymongo import MongoClient

from filemill_local.stack import Stack
from filemill_local.user import User

DIAMOND = {
    "name": "diamond",
    "steps": [
        {"id": "a", "type": "task", "task": "echo", "with": {"n": "${{ input.n }}"}},
        {"id": "b", "type": "task", "task": "sleep", "with": {"seconds": 0.1}, "depends_on": ["a"]},
        {"id": "c", "type": "task", "task": "echo", "depends_on": ["a"]},
        {
            "id": "d",
            "type": "task",
            "task": "echo",
            "with": {"n": "${{ steps.a.output.n }}"},
            "depends_on": ["b", "c"],
        },
    ],
}


@pytest.mark.parametrize("victim", ["gateway", "scheduler", "worker", "notifier", "rabbitmq", "mongod"])
def test_killed_in_the_middle_of_fifty_workflows_all_complete(stack: Stack, user: User, victim: str) -> None:
    runs = []
    for index in range(50):
        if index == 25:
            stack.kill(victim)
        runs.append(submitted(user, index, key=f"{victim}-{index}"))

    ended = [user.ended_workflow(run, within=120) for run in runs]

    assert Counter(run["status"] for run in ended) == {"completed": 50}
    assert len(set(runs)) == 50
    for index, run in enumerate(ended):
        assert_in_order(run)
        assert run["steps"][3]["output"] == {"n": index}
    stack.wait_ready(victim)
    assert_nothing_owed(stack)


def submitted(user: User, index: int, *, key: str) -> str:
    """Submit until it is accepted; the key makes a repetition the same workflow."""
    return str(user.eventually(lambda: user.workflow(DIAMOND, {"n": index}, key=key), within=60))


def assert_in_order(run: dict[str, Any]) -> None:
    """No step began before those that it depends on had ended."""
    steps = {step["id"]: step for step in run["steps"]}
    for later, earlier in [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c")]:
        assert steps[earlier]["completed_at"] <= steps[later]["started_at"]


def assert_nothing_owed(stack: Stack) -> None:
    """The outbox empties, and each task ended once: its version and counts agree with a recount."""
    with MongoClient[dict[str, Any]](stack.plan.mongo_url) as client:
        database = client["filemill"]
        deadline = time.monotonic() + 30
        while database["outbox"].count_documents({}):
            assert time.monotonic() < deadline, list(database["outbox"].find({}, {"event": 0}))
            time.sleep(0.1)
        for run in database["workflows"].find({}):
            recount = Counter(task["status"] for task in database["tasks"].find({"workflow_id": run["_id"]}))
            stored = {name: count for name, count in run["counts"].items() if count and name != "total"}
            assert stored == dict(recount)
