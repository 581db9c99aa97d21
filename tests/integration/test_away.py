"""Healthy long tasks outlive an absence of all schedulers; a worker that dies every time is given up."""

import time
from functools import partial

from filemill_local.stack import Stack
from filemill_local.user import User


class TestAllSchedulersAway:
    def test_for_a_minute_lapse_no_healthy_task(self, stack: Stack, user: User) -> None:
        tasks = [user.task("sleep", options={"seconds": 80}, max_retries=0) for _ in range(4)]
        for task in tasks:
            user.eventually(partial(running_attempt, user, task), within=20)

        stack.stop("scheduler")
        time.sleep(60)
        stack.start("scheduler")
        ended = [user.ended_task(task, within=90) for task in tasks]

        assert [(task["status"], task["attempt"]) for task in ended] == [("completed", 1)] * 4


class TestAWorkerThatDiesEachTime:
    def test_fails_the_task_after_the_third_and_nothing_else(self, stack: Stack, user: User) -> None:
        poison = user.task("sleep", options={"seconds": 300})
        for attempt in range(1, 4):
            user.eventually(partial(is_running, user, poison, attempt), within=90)
            stack.kill("worker")

        ended = user.ended_task(poison, within=90)
        other = user.ended_task(user.task("echo"))

        assert (ended["status"], ended["error"]["code"]) == ("failed", "worker_lost")
        assert other["status"] == "completed"


def is_running(user: User, task: str, attempt: int) -> bool:
    return running_attempt(user, task) == attempt


def running_attempt(user: User, task: str) -> int:
    """Number of the attempt that runs now, 0 if none does."""
    seen = user.get_task(task)
    return int(seen["attempt"]) if seen["status"] == "running" else 0
