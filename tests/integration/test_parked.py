"""What nobody can use is put aside with the reason, and holds up nobody; people send it back, or drop it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from filemill_local.stack import Stack
from filemill_local.user import User

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mistake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file is there, a mistake is in the services."""
    return tmp_path_factory.mktemp("poison") / "mistake"


@pytest.fixture(scope="module")
def stack(mistake: Path) -> Iterator[Stack]:
    """A stack whose scheduler and worker have a mistake in them."""
    commands = {
        name: (sys.executable, "-m", "tests.integration.poison", name) for name in ("scheduler", "worker")
    }
    with Stack.temporary(commands=commands, FILEMILL_POISON=str(mistake), PYTHONPATH=str(ROOT)) as stack:
        yield stack


@pytest.fixture(autouse=True)
def made(mistake: Path, user: User) -> Iterator[None]:
    """The mistake is there at the beginning, and what is parked is gone at the end."""
    mistake.touch()
    yield
    filemill(user, "parked", "drop", "--all", "--yes")


def filemill(user: User, *arguments: str) -> Any:
    """Run the command; give what it says."""
    command = (str(Path(sys.executable).with_name("filemill")), *arguments, "--json")
    environment = {**os.environ, "FILEMILL_URL": user.stack.plan.address("gateway")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def parked(user: User, count: int) -> list[dict[str, Any]]:
    """Wait until so many messages are parked, and give them, newest first."""

    def enough() -> list[dict[str, Any]] | None:
        items: list[dict[str, Any]] = filemill(user, "parked", "list")["items"]
        return items if len(items) >= count else None

    found: list[dict[str, Any]] = user.eventually(enough, within=20)
    assert len(found) == count
    return found


def assert_others_flow(user: User) -> None:
    tasks = [user.task("echo", options={"n": number}) for number in range(20)]
    assert {user.ended_task(task)["status"] for task in tasks} == {"completed"}


class TestABrokenMessage:
    async def test_is_shown_with_the_reason_and_dropped(self, stack: Stack, user: User) -> None:
        async with await aio_pika.connect(stack.plan.rabbit_url) as connection:
            channel = await connection.channel()
            intake = await channel.get_exchange("filemill.intake")
            message = aio_pika.Message(b"\x00\xff no event", headers={"their-header": bytearray(b"\xff")})
            await intake.publish(message, "anything")
        await asyncio.to_thread(self.is_shown_and_dropped, user)

    def is_shown_and_dropped(self, user: User) -> None:
        [message] = parked(user, 1)
        assert (message["queue"], message["code"]) == ("scheduler.intake", "undecodable")
        assert message["reason"].startswith("the body is no JSON")
        assert_others_flow(user)

        shown = filemill(user, "parked", "show", message["id"])
        assert (shown["text"], shown["base64"]) == (None, "AP8gbm8gZXZlbnQ=")
        assert shown["headers"]["their-header"] == "\\xff"

        assert filemill(user, "parked", "redrive", message["id"])["redriven"] == 1
        [again] = parked(user, 1)
        assert again["parked_at"] > message["parked_at"]
        assert filemill(user, "parked", "drop", again["id"]) == {"dropped": 1, "beyond": 0}
        assert filemill(user, "parked", "list")["items"] == []


class TestAPoisonEvent:
    def test_is_parked_alone_and_ends_well_once_the_mistake_is_repaired(
        self, user: User, mistake: Path
    ) -> None:
        tasks = [user.task("echo", options={"poison": "scheduler", "n": number}) for number in range(2)]

        found = parked(user, 2)
        assert {(each["queue"], each["code"]) for each in found} == {("scheduler.0", "internal")}
        assert {each["reason"] for each in found} == {"AssertionError: nobody thought of this"}
        assert {each["event_type"] for each in found} == {"io.filemill.task.created.v1"}
        assert_others_flow(user)
        assert user.http.get(f"/v1/tasks/{tasks[0]}").status_code == 404

        mistake.unlink()
        first = filemill(user, "parked", "redrive", found[0]["id"])
        second = filemill(user, "parked", "redrive", "--code", "internal")

        assert [first["redriven"], second["redriven"]] == [1, 1]
        ended = [user.eventually(partial(completed, user, task), within=20)["output"]["n"] for task in tasks]
        assert ended == [0, 1]
        assert filemill(user, "parked", "list")["items"] == []

    def test_that_is_refused_again_is_parked_again(self, user: User) -> None:
        user.task("echo", options={"poison": "scheduler"})
        [first] = parked(user, 1)

        filemill(user, "parked", "redrive", "--queue", "scheduler.0")

        [again] = parked(user, 1)
        assert (again["event_id"], again["code"]) == (first["event_id"], first["code"])
        assert again["id"] != first["id"]


class TestAPoisonTask:
    @pytest.mark.timeout(400)
    def test_ends_after_the_third_worker_and_others_keep_flowing(self, user: User) -> None:
        poison = user.task("echo", options={"poison": "worker"})

        beside = 0
        while user.get_task(poison)["status"] not in {"failed", "completed"}:
            assert_others_flow(user)
            beside += 1
        ended = user.get_task(poison)

        assert (ended["status"], ended["error"]["code"]) == ("failed", "worker_lost")
        assert ended["attempt"] == 3
        assert beside > 3
        assert filemill(user, "parked", "list")["items"] == []


def completed(user: User, task: str) -> dict[str, Any] | None:
    """Give a task once it is completed; before it is stored there is none."""
    seen: dict[str, Any] = user.http.get(f"/v1/tasks/{task}").json()
    return seen if seen["status"] == "completed" else None
