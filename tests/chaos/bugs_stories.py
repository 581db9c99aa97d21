"""For each seeded bug the smallest story that shows it: a little load, and one named fault."""

import json
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import aio_pika

from filemill_local.ports import choose
from filemill_local.servers import answers_200
from filemill_local.user import chain
from tests.chaos import checker_rules as rules
from tests.chaos.checker_files import files_as_accepted
from tests.chaos.checker_leases import healthy_leases
from tests.chaos.checker_notices import asked_notified, one_id
from tests.chaos.checker_shapes import dependents_wait
from tests.chaos.crashing import arm
from tests.chaos.journal import Line
from tests.chaos.stage import ROOT, Stage, command

Play = Callable[[Stage], Awaitable[None]]

_WORK: Final = "worker.default"


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to a stack.

    Attributes:
        name: What happens.
        play: Makes it happen.
        within: Seconds in which a stack without the bug has all done after it.
    """

    name: str
    play: Play
    within: float = 20


def dying(point: str, hit: int, load: Callable[[Stage], object], *, within: float = 20) -> Story:
    """Tell of a service that dies once, at the ``hit``-th hit of a point."""

    async def play(stage: Stage) -> None:
        arm(stage.folder, f"0:{point}:{hit}")
        load(stage)
        stage.until(lambda: stage.lines("died"))

    return Story(f"{point} kills at hit {hit}", play, within)


def echo(stage: Stage) -> str:
    """Ask for a task that is done at once, and for a notification of it."""
    return stage.task("echo", notify_webhook=stage.sink)


def two_at_once(stage: Stage) -> None:
    """Let one task be taken while another one is in hand."""
    slow = stage.task("sleep", options={"seconds": 4})
    stage.until(lambda: [line for line in stage.lines("began") if line["task_id"] == slow])
    echo(stage)


def thumbnail(stage: Stage) -> str:
    """Ask for a task that makes a file."""
    with TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        made = ["-f", "lavfi", "-i", "testsrc2=s=160x90:d=1:r=10", "-c:v", "libx264", "-preset", "ultrafast"]
        subprocess.run(["ffmpeg", "-v", "error", *made, str(clip)], check=True)
        stage.user.upload("clip.mp4", clip.read_bytes())
    return stage.task("video_thumbnail", input_file="clip.mp4", output_file="thumbnail.jpg")


async def nothing_special(stage: Stage) -> None:
    """Do a task, and leave it at that."""
    echo(stage)


async def key_repeated(stage: Stage) -> None:
    """Ask twice, with the same key."""
    for _ in range(2):
        stage.workflow(chain(1), key="the-same")


async def queue_deleted_before_the_offer(stage: Stage) -> None:
    """Somebody deletes the queue of a pool while no worker is there, and a task is offered."""
    stage.stack.stop("worker")
    stage.queue(_WORK, "DELETE").raise_for_status()
    task = echo(stage)
    stage.until(lambda: stage.user.get_task(task)["status"] == "ready")
    stage.until(lambda: not stage.dump()["collections"]["outbox"])
    stage.stack.start("worker")


async def queue_deleted(stage: Stage) -> None:
    """Somebody deletes the queue of a pool, and its workers lose their consumers."""
    stage.queue(_WORK, "DELETE").raise_for_status()
    echo(stage)


async def poison(stage: Stage) -> None:
    """Somebody sends what is no event."""
    message_id = f"poison-{uuid4()}"
    stage.plant(message_id)
    async with await aio_pika.connect(stage.stack.plan.rabbit_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("filemill.scheduler")
        await exchange.publish(aio_pika.Message(b"no event", message_id=message_id), "0")
    echo(stage)


async def command_before_its_task(stage: Stage) -> None:
    """Another system cancels a task a moment before it asks for it."""
    task = f"asked-for-late-{uuid4()}"
    async with await aio_pika.connect(stage.stack.plan.rabbit_url) as connection:
        channel = await connection.channel()
        intake = await channel.get_exchange("filemill.intake")
        for what, key, data in (
            ("command", "task.command", {"task_id": task, "command": "cancel"}),
            (
                "created",
                "task.created.sleep",
                {"task_id": task, "task": {"type": "sleep", "options": {"seconds": 8}}},
            ),
        ):
            event: dict[str, Any] = {
                "specversion": "1.0",
                "id": f"{task}-{what}",
                "source": "/other",
                "subject": task,
            }
            event |= {"type": f"io.filemill.task.{what}.v1", "data": data}
            sent = aio_pika.Message(json.dumps(event).encode(), content_type="application/cloudevents+json")
            await intake.publish(sent, key)
    stage.commanded(stage.accepted("task", task), "cancel")


async def result_twice(stage: Stage) -> None:
    """A worker dies after its result was confirmed, so another execution follows before anybody decides."""
    stage.stack.stop("worker")
    task = thumbnail(stage)
    stage.until(lambda: stage.user.get_task(task)["status"] == "ready")
    stage.until(lambda: not stage.dump()["collections"]["outbox"])
    stage.stack.stop("scheduler")
    arm(stage.folder, "0:worker:bus.ack.filemill.work.before:1")
    stage.stack.start("worker")
    stage.until(lambda: len([line for line in stage.lines("ended") if line["task_id"] == task]) == 2)
    stage.stack.start("scheduler")


async def long_and_well(stage: Stage) -> None:
    """A task runs for longer than a lease, on a worker that is well."""
    stage.task("sleep", options={"seconds": 28})


async def owner_frozen(stage: Stage) -> None:
    """The owner of a partition is frozen before it writes, replaced, and wakes."""
    with _second_scheduler(stage):
        arm(stage.folder, "0:scheduler:store.tasks.update.before:1:freeze")
        task = stage.task("echo")
        [frozen] = stage.until(lambda: stage.lines("froze"))
        try:
            stage.user.ended_task(task, within=40)
        finally:
            os.kill(int(frozen["by"].partition("-")[2]), signal.SIGCONT)
        stage.until(lambda: _beats_since(stage, frozen) > 3)  # it goes on where it was frozen


def _beats_since(stage: Stage, frozen: Line) -> int:
    return sum(line["by"] == frozen["by"] and line["at"] > frozen["at"] for line in stage.lines("alive"))


@contextmanager
def _second_scheduler(stage: Stage) -> Iterator[None]:
    plan = stage.stack.plan
    port = choose(("second",))["second"]
    environment = {
        **os.environ,
        **stage.environment,
        "FILEMILL_RABBIT_URL": plan.rabbit_url,
        "FILEMILL_MONGO_URL": plan.mongo_url,
        "FILEMILL_HTTP_PORT": str(port),
    }
    with (plan.home / "log" / "second.log").open("wb") as log:
        second = subprocess.Popen(command("scheduler"), env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        stage.until(lambda: answers_200(f"http://127.0.0.1:{port}/healthz/ready"))
        yield
    finally:
        second.terminate()
        second.wait(30)


PUBLISHES_WORK: Final = dying("scheduler:bus.publish.filemill.work.before", 1, echo)
REPORTS: Final = "worker:bus.publish.filemill.scheduler.before"

STORIES: Final[dict[str, tuple[Story, Any]]] = {
    "ack_before_handling": (dying("scheduler:store.commit.before", 1, echo), rules.acknowledged_ends),
    "ack_of_a_shared_channel": (
        dying("worker:bus.ack.filemill.work.after", 1, two_at_once),
        rules.acknowledged_ends,
    ),
    "not_mandatory": (
        Story("a queue is deleted before the offer", queue_deleted_before_the_offer),
        rules.acknowledged_ends,
    ),
    "outbox_kept_when_idle": (Story("nothing special", nothing_special), rules.nothing_owed),
    "outbox_deleted_early": (PUBLISHES_WORK, rules.acknowledged_ends),
    "outbox_never_swept": (PUBLISHES_WORK, rules.acknowledged_ends),
    "publish_before_commit": (
        dying("scheduler:store.commit.before", 2, lambda stage: stage.workflow(chain(2))),
        dependents_wait,
    ),
    "no_transaction": (dying("scheduler:store.outbox.insert.before", 1, echo), rules.acknowledged_ends),
    "no_version_guard": (Story("an owner is frozen and wakes", owner_frozen), rules.no_write_lost),
    "alias_outside": (dying("scheduler:store.files.update.before", 1, thumbnail), files_as_accepted),
    "early_events_dropped": (
        Story("a command comes before its task", command_before_its_task),
        rules.commands_once,
    ),
    "ack_before_result": (dying(REPORTS, 1, echo), rules.acknowledged_ends),
    "long_task_let_go_early": (
        dying(REPORTS, 1, lambda stage: stage.task("sleep", options={"seconds": 3})),
        rules.acknowledged_ends,
    ),
    "result_overwritten": (Story("a result is reported twice", result_twice), files_as_accepted),
    "lease_never_renewed": (Story("a long task on a worker that is well", long_and_well, 40), healthy_leases),
    "declared_once": (Story("a queue is deleted", queue_deleted), rules.acknowledged_ends),
    "poison_vanishes": (Story("poison", poison), rules.parked_as_planned),
    "delivered_before_sent": (
        dying("notifier:store.deliveries.update.after", 2, echo),
        asked_notified,
    ),
    "another_webhook_id": (Story("nothing special", nothing_special), one_id),
    "key_ignored": (Story("a key is repeated", key_repeated), rules.one_per_key),
}
"""Bug to the story that shows it, and the rule that speaks."""
