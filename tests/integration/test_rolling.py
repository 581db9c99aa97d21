"""Services that restart one after the other under load: nothing is lost, and nothing short runs twice.

The long form, which prints what it counted, is ``FILEMILL_RESTARTS=200 .venv/bin/pytest --capture no
--timeout 3600 tests/integration/test_rolling.py``.
"""

import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import pytest

from filemill_client import Client
from filemill_local.plan import SERVICES
from filemill_local.stack import Stack
from filemill_local.user import User, chain
from tests.chaos.journal import Line, read
from tests.chaos.stage import ROOT, command

RESTARTS: Final = int(os.environ.get("FILEMILL_RESTARTS", "10"))
SHORT: Final = 1.0
"""Seconds; what lasts longer is given back by a worker that stops, and begins anew elsewhere."""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def watched(journal: Path) -> Iterator[Stack]:
    """A stack whose worker notes what it executes."""
    with Stack.temporary(
        commands={"worker": command("worker")}, FILEMILL_CHAOS_JOURNAL=str(journal), PYTHONPATH=str(ROOT)
    ) as stack:
        yield stack


class Clients:
    """Some who submit short work until they are told to stop, and try again what was not taken."""

    def __init__(self, url: str, *, count: int = 3) -> None:
        self.tasks: list[str] = []
        self.workflows: list[str] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._submit) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _submit(self) -> None:
        with Client(self._url) as client:
            while not self._over.is_set():
                self.tasks.append(client.create_task({"type": "echo", "options": {"n": 1}})["id"])
                self.tasks.append(client.create_task({"type": "sleep", "options": {"seconds": 0.1}})["id"])
                self.workflows.append(client.create_workflow({"definition": chain(3)})["id"])
                self._over.wait(0.1)


def restart(stack: Stack, name: str) -> int:
    """Stop a service as an orchestrator does, start it again, and wait until it is ready; give its status."""
    status = stack.stop(name)
    stack.start(name)
    stack.wait_ready(name)
    return status


def ran_twice(lines: list[Line]) -> list[str]:
    """Name the tasks that ran again although they had been short."""
    began: dict[str, float] = {}
    lasted: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line["what"] == "began":
            began[line["execution"]] = line["at"]
        elif line["what"] == "ended":
            lasted[line["task_id"]].append(line["at"] - began[line["execution"]])
    return [task for task, times in lasted.items() if len(times) > 1 and times[0] < SHORT]


class TestRollingRestarts:
    def test_run_nothing_short_twice_and_lose_nothing(self, watched: Stack, journal: Path) -> None:
        began = time.monotonic()
        clients = Clients(watched.plan.address("gateway"))
        statuses = [restart(watched, name) for name in islice(cycle(SERVICES), RESTARTS)]
        clients.stop()
        took = time.monotonic() - began
        with User(watched) as user:
            tasks = [user.ended_task(task) for task in clients.tasks]
            runs = [user.ended_workflow(run) for run in clients.workflows]
        lines = read(journal)
        executions = sum(line["what"] == "began" for line in lines)
        released = sum(line.get("outcome") == "cancelled" for line in lines)
        sys.stdout.write(
            f"\n{RESTARTS} restarts in {took:.0f} s: {len(tasks)} tasks and {len(runs)} workflows ended, "
            f"{executions} executions, {released} given back, {len(ran_twice(lines))} short ones twice\n"
        )

        assert statuses == [0] * RESTARTS
        assert Counter(each["status"] for each in (*tasks, *runs)) == {"completed": len(tasks) + len(runs)}
        assert ran_twice(lines) == []
        assert executions - released == len(tasks) + 3 * len(runs)
