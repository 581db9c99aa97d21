"""With several partitions, schedulers share them, and others take over what one leaves, however it goes."""

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from filemill_local.plan import PROGRAMS
from filemill_local.stack import Stack
from filemill_local.user import User, chain

SCHEDULERS = ("scheduler", "scheduler-2", "scheduler-3")


@pytest.fixture(scope="module")
def wide() -> Iterator[Stack]:
    """A stack of three partitions and as many schedulers."""
    with Stack.temporary((*PROGRAMS, *SCHEDULERS[1:]), FILEMILL_PARTITIONS="3") as stack:
        yield stack


@contextmanager
def load(stack: Stack) -> Iterator[list[str]]:
    """Submit small workflows all the time; give their ids."""
    runs: list[str] = []
    over = threading.Event()

    def submit() -> None:
        with User(stack) as user:
            while not over.is_set():
                runs.append(user.workflow(chain(3)))
                over.wait(0.05)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield runs
    finally:
        over.set()
        thread.join()


def taken(stack: Stack, scheduler: str) -> dict[str, float]:
    """Tell how many events a scheduler took of each partition."""
    try:
        text = httpx.get(f"{stack.plan.address(scheduler)}/metrics", timeout=2).text
    except httpx.HTTPError:
        return {}
    found = re.findall(r'filemill_events_consumed_total\{queue="(scheduler\.\d)"\} (\S+)', text)
    return {queue: float(count) for queue, count in found}


def owners(stack: Stack, *schedulers: str) -> dict[str, str]:
    """Tell who takes what of which partition, by two looks a second apart."""
    before = {name: taken(stack, name) for name in schedulers}
    time.sleep(1)
    after = {name: taken(stack, name) for name in schedulers}
    return {
        queue: name
        for name in schedulers
        for queue, count in after[name].items()
        if count > before[name].get(queue, 0)
    }


def shared(stack: Stack, *schedulers: str, most: int) -> dict[str, str]:
    """Wait until all partitions are worked on, and nobody has more than so many."""
    deadline = time.monotonic() + 60
    while True:
        found = owners(stack, *schedulers)
        if len(found) == 3 and max(Counter(found.values()).values()) <= most:
            return found
        assert time.monotonic() < deadline, found


class TestThreeSchedulers:
    def test_share_three_partitions_through_a_kill_a_freeze_and_a_stop(self, wide: Stack) -> None:
        with load(wide) as runs:
            each = shared(wide, *SCHEDULERS, most=1)
            assert set(each.values()) == set(SCHEDULERS)

            wide.kill("scheduler-2")
            wide.wait_ready("scheduler-2")
            shared(wide, *SCHEDULERS, most=1)

            frozen = wide.pid("scheduler-3")
            os.kill(frozen, signal.SIGSTOP)
            try:
                shared(wide, *SCHEDULERS[:2], most=2)
            finally:
                os.kill(frozen, signal.SIGCONT)
            shared(wide, *SCHEDULERS, most=1)

            wide.stop("scheduler")
            shared(wide, *SCHEDULERS[1:], most=2)
            wide.start("scheduler")
            wide.wait_ready("scheduler")

        with User(wide) as user:
            ended = Counter(user.ended_workflow(run, within=60)["status"] for run in runs)
        assert ended == {"completed": len(runs)}
