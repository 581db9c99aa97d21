"""Bad input gets a clear error where it is noticed; nothing is lost and nothing else is held up."""

import asyncio
import json
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue

from filemill_local.stack import Stack
from filemill_local.user import User


def step(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "type": "task", "task": "echo", **fields}


class TestAtTheDoor:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"type": "no_such_type"}, "unknown_task_type"),
            ({"type": "video_convert", "input_file": "in/none.mp4"}, "input_not_found"),
            ({"type": "video_convert", "input_file": "../secret"}, "invalid_path"),
            ({"type": "sleep", "options": {"seconds": "soon"}}, "invalid_options"),
        ],
    )
    def test_a_task_that_cannot_work_is_refused(self, user: User, body: dict[str, Any], code: str) -> None:
        answer = user.http.post("/v1/tasks", json=body)

        assert answer.status_code == 422
        assert code in {answer.json()["code"], *(each["code"] for each in answer.json()["problems"])}

    @pytest.mark.parametrize(
        ("steps", "code"),
        [
            ([step(), step()], "duplicate_step"),
            ([step(depends_on=["b"])], "unknown_dependency"),
            ([step(depends_on=["b"]), step(id="b", depends_on=["a"])], "cyclic_dependency"),
            ([step(task="nothing")], "unknown_task_type"),
            ([step(task="sleep", **{"with": {"seconds": -1}})], "invalid_options"),
        ],
    )
    def test_a_definition_that_cannot_work_is_refused(
        self, user: User, steps: list[dict[str, Any]], code: str
    ) -> None:
        answer = user.http.post("/v1/workflows", json={"definition": {"name": "bad", "steps": steps}})

        assert answer.status_code == 422
        assert code in {each["code"] for each in answer.json()["problems"]}

    def test_a_body_over_the_limit_is_refused(self, user: User) -> None:
        answer = user.http.post("/v1/tasks", json={"type": "echo", "options": {"x": "y" * 2_000_000}})

        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


class TestAVideo:
    def test_that_is_none_fails_with_a_readable_error(self, user: User) -> None:
        user.upload("in/broken.mp4", b"this is no video at all" * 100)
        task = user.task("video_convert", input_file="in/broken.mp4")

        ended = user.ended_task(task)

        assert ended["status"] == "failed"
        assert ended["error"]["code"] in {"corrupt_input", "unsupported_input"}
        assert ended["retry_count"] == 1

    def test_that_is_none_fails_its_run_and_skips_the_rest(self, user: User) -> None:
        user.upload("in/broken.mp4", b"this is no video at all" * 100)
        steps = [
            step(task="video_convert", **{"with": {"input_file": "in/broken.mp4"}}),
            step(id="b", depends_on=["a"]),
        ]

        ended = user.ended_workflow(user.workflow({"name": "broken", "steps": steps}))

        assert ended["status"] == "failed"
        assert [(each["status"], each["reason"]) for each in ended["steps"]] == [
            ("failed", None),
            ("skipped", "run_failed"),
        ]


class TestAMessage:
    @pytest.mark.parametrize(
        ("exchange", "key", "body", "code"),
        [
            ("filemill.scheduler", "0", b"\x00 no event", "undecodable"),
            ("filemill.work", "default.echo", b"{}", "unknown_event_type"),
            ("filemill.events", "workflow.completed", b"7", "undecodable"),
            (
                "filemill.intake",
                "task.created.echo",
                b'{"type":"io.filemill.task.created.v1","data":{}}',
                "invalid_event",
            ),
        ],
    )
    async def test_that_cannot_be_read_is_parked_and_told_and_holds_up_nobody(
        self, stack: Stack, user: User, exchange: str, key: str, body: bytes, code: str
    ) -> None:
        async with await aio_pika.connect(stack.plan.rabbit_url) as connection:
            channel = await connection.channel()
            told = await channel.declare_queue(exclusive=True)
            await told.bind("filemill.events", "event.rejected")
            target = await channel.get_exchange(exchange)
            await target.publish(aio_pika.Message(body, content_type="application/cloudevents+json"), key)

            rejected = json.loads(await next_of(told))
            parked = await parked_with(await channel.get_queue("parking-lot"), body)

        assert (rejected["data"]["code"], parked["x-filemill-code"]) == (code, code)
        assert user.ended_task(user.task("echo"))["status"] == "completed"

    async def test_of_another_system_runs_a_task(self, stack: Stack, user: User) -> None:
        event = {
            "specversion": "1.0",
            "id": "1",
            "type": "io.filemill.task.created.v1",
            "source": "/theirs",
            "subject": "from-elsewhere",
            "data": {"task_id": "from-elsewhere", "task": {"type": "echo", "options": {"hello": "there"}}},
        }
        async with await aio_pika.connect(stack.plan.rabbit_url) as connection:
            channel = await connection.channel()
            intake = await channel.get_exchange("filemill.intake")
            await intake.publish(aio_pika.Message(json.dumps(event).encode()), "task.created.echo")

        assert user.ended_task("from-elsewhere")["output"] == {"hello": "there"}


async def next_of(queue: AbstractQueue) -> bytes:
    async with asyncio.timeout(20):
        while (message := await queue.get(fail=False, no_ack=True)) is None:
            await asyncio.sleep(0.05)
    return message.body


async def parked_with(queue: AbstractQueue, body: bytes) -> dict[str, Any]:
    """Find the parked message with a body; the others stay."""
    async with asyncio.timeout(20):
        while True:
            message = await queue.get(fail=False)
            if message is None:
                await asyncio.sleep(0.05)
            elif message.body == body:
                await message.ack()
                return dict(message.headers)
