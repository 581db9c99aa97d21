"""Whatever is killed in the middle of fifty workflows: all complete, once, and in order."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from typing import Any

import aio_pika
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
async def test_killed_in_the_middle_of_fifty_workflows_all_complete(
    stack: Stack, user: User, victim: str
) -> None:
    observer = f"observer.{victim}"
    await observe(stack, observer)
    ended = await asyncio.to_thread(run_fifty, stack, user, victim)

    assert Counter(run["status"] for run in ended) == {"completed": 50}
    for index, run in enumerate(ended):
        assert_in_order(run)
        assert run["steps"][3]["output"] == {"n": index}
    assert_nothing_owed(stack)
    told = await observed(stack, observer)
    subjects = {run["id"] for run in ended} | {step["task_id"] for run in ended for step in run["steps"]}
    assert {subject: len(told[subject]) for subject in subjects} == dict.fromkeys(subjects, 1)


def run_fifty(stack: Stack, user: User, victim: str) -> list[dict[str, Any]]:
    """Run fifty workflows, and kill something when half of them are submitted."""
    runs = []
    for index in range(50):
        if index == 25:
            stack.kill(victim)
        runs.append(submitted(user, index, key=f"{victim}-{index}"))

    assert len(set(runs)) == 50
    ended = [user.ended_workflow(run, within=120) for run in runs]
    stack.wait_ready(victim)
    return ended


async def observe(stack: Stack, name: str) -> None:
    """Collect final events as another system would, in a queue that outlives the broker."""
    async with await aio_pika.connect(stack.plan.rabbit_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        for key in ("task.completed.#", "task.failed.#", "workflow.completed", "workflow.failed"):
            await queue.bind("filemill.events", key)


async def observed(stack: Stack, name: str) -> dict[str, set[str]]:
    """Give the ids of the final events of each task and run: more than one would be ended twice."""
    told: dict[str, set[str]] = defaultdict(set)
    async with await aio_pika.connect(stack.plan.rabbit_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(name)
        while (message := await queue.get(fail=False, no_ack=True)) is not None:
            told_at_once = json.loads(message.body)
            for event in told_at_once if isinstance(told_at_once, list) else [told_at_once]:
                told[event["subject"]].add(event["id"])
        await queue.delete(if_unused=False, if_empty=False)
    return told


def submitted(user: User, index: int, *, key: str) -> str:
    """Submit until it is accepted; the key makes a repetition the same workflow."""
    return str(user.eventually(lambda: user.workflow(DIAMOND, {"n": index}, key=key), within=60))


def assert_in_order(run: dict[str, Any]) -> None:
    """No step began before those that it depends on had ended."""
    steps = {step["id"]: step for step in run["steps"]}
    for later, earlier in [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c")]:
        assert steps[earlier]["completed_at"] <= steps[later]["started_at"]


def assert_nothing_owed(stack: Stack) -> None:
    """The outbox empties, and the counts of every run agree with a recount."""
    with MongoClient[dict[str, Any]](stack.plan.mongo_url) as client:
        database = client["filemill"]
        deadline = time.monotonic() + 30
        while database["outbox"].count_documents({}):
            assert time.monotonic() < deadline, list(database["outbox"].find({}, {"event": 0}))
            time.sleep(0.1)
        for run in database["workflows"].find({}):
            recount = Counter(
                task["status"] for task in database["tasks"].find({"workflow_id": run["_id"], "item": None})
            )
            stored = {name: count for name, count in run["counts"].items() if count and name != "total"}
            assert stored == dict(recount)
