"""A server that is away, or frozen, for a while: the services say so, lose nothing, and go on by themselves.

The long form, which prints how long it took to go on, is ``FILEMILL_OUTAGE=300 .venv/bin/pytest --capture no
--timeout 3600 tests/integration/test_outages.py``.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import httpx
import pytest

from filemill_local.stack import Stack
from filemill_local.user import User, chain

SECONDS: Final = float(os.environ.get("FILEMILL_OUTAGE", "15"))
NOTICED: Final = 30.0
"""Seconds in which a server that says nothing any more is missed; one whose connections end, at once."""
MISSING: Final = {
    "mongod": ("store", ("gateway", "scheduler", "notifier")),
    "rabbitmq": ("broker", ("gateway", "scheduler", "worker", "notifier")),
}
"""The check that fails while a server is away, and whose."""


@contextmanager
def away(stack: Stack, server: str) -> Iterator[None]:
    """Have a server stopped; it is back when it answers."""
    stack.stop(server)
    yield
    stack.start(server)
    stack.wait_ready(server)


@contextmanager
def frozen(stack: Stack, server: str) -> Iterator[None]:
    """Have a server do nothing: its connections stay, and nobody answers."""
    stack.freeze(server)
    try:
        yield
    finally:
        stack.thaw(server)


@pytest.mark.parametrize("gone", [away, frozen])
@pytest.mark.parametrize("server", MISSING)
def test_nothing_is_lost_and_work_goes_on(stack: Stack, server: str, gone: Any) -> None:
    check, services = MISSING[server]
    with User(stack) as user:
        long = user.task("sleep", options={"seconds": SECONDS / 2}, max_retries=0)
        user.eventually(lambda: user.get_task(long)["status"] == "running", within=30)
        runs = [user.workflow(chain(3, task="sleep", options={"seconds": 0.5})) for _ in range(10)]
        with gone(stack, server):
            until = time.monotonic() + SECONDS
            for service in services:
                user.eventually(partial(is_missing, stack, service, check), within=NOTICED)
            accepted = submit(stack, until=until)
        back = time.monotonic()
        stack.wait_ready(*services)
        ready = time.monotonic() - back
        user.ended_task(user.eventually(lambda: user.task("echo"), within=30))
        moved = time.monotonic() - back
        tasks = [user.ended_task(task) for task in (long, *accepted)]
        ended = [user.ended_workflow(run) for run in runs]
    sys.stdout.write(
        f"\n{server} {gone.__name__} for {SECONDS:.0f} s: {len(accepted)} tasks accepted meanwhile; "
        f"all ready {ready:.1f} s after its return, new work ended after {moved:.1f} s\n"
    )

    assert {each["status"] for each in (*tasks, *ended)} == {"completed"}
    assert tasks[0]["attempt"] == 1, "a healthy task was taken for lost"
    assert max(ready, moved) < 10


def is_missing(stack: Stack, service: str, check: str) -> bool:
    """Whether a service says that it is not ready, and names what is missing."""
    report = httpx.get(f"{stack.plan.address(service)}/healthz/ready", timeout=5)
    return report.status_code == 503 and not report.json()["checks"][check]["ok"]


def submit(stack: Stack, *, until: float) -> list[str]:
    """Submit small tasks while a server is away; give those that were accepted. The rest is told to wait."""
    accepted = []
    with httpx.Client(base_url=stack.plan.address("gateway"), timeout=15) as client:
        while time.monotonic() < until:
            answer = client.post("/v1/tasks", json={"type": "echo"})
            if answer.status_code == 202:
                accepted.append(str(answer.json()["id"]))
            else:
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "broker_unavailable"
                assert int(answer.headers["retry-after"]) > 0
            time.sleep(0.5)
    return accepted
