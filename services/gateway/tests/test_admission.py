"""What is let in while there is too much to do."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from filemill_gateway.admission import IN_TIME, Admission
from filemill_gateway.testing import World

ECHO = {"type": "echo"}
SUBMISSION = {
    "type": "http",
    "method": "POST",
    "path": "/v1/tasks",
    "raw_path": b"/v1/tasks",
    "query_string": b"",
    "headers": [(b"content-length", b"100")],
    "http_version": "1.1",
}


async def nothing() -> Any:
    """Receive a body that does not arrive."""
    await asyncio.sleep(60)


def answered(admission: Admission, *, began: float, took: float) -> None:
    """Let one in that takes so many seconds."""
    admission.enter()
    admission.leave(began=began, ended=began + took)


class TestTheNumberLetInAtOnce:
    def test_falls_while_answers_are_late_but_never_to_nothing(self) -> None:
        admission = Admission(at_once=50, backlog=0)
        for second in range(100):
            answered(admission, began=second, took=2 * IN_TIME)

        assert admission.limit == 4

    def test_falls_once_for_a_crowd(self) -> None:
        admission = Admission(at_once=50, backlog=0)
        for _ in range(50):
            answered(admission, began=1.0, took=2 * IN_TIME)

        assert admission.limit == 45

    def test_rises_again_to_what_is_set(self) -> None:
        admission = Admission(at_once=50, backlog=0)
        for second in range(100):
            answered(admission, began=second, took=2 * IN_TIME)
        for second in range(2_000):
            answered(admission, began=100 + second, took=IN_TIME / 2)

        assert admission.limit == 50


class TestWhatThereIsNoRoomFor:
    @pytest.fixture
    def full(self, world: World, admission: Admission) -> World:
        for _ in range(admission.limit):
            admission.enter()
        return world

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v1/tasks"),
            ("POST", "/v1/workflows"),
            ("POST", "/v1/tasks/t1/cancel"),
            ("DELETE", "/v1/workflows/w1"),
        ],
    )
    async def test_is_told_to_come_again(self, full: World, method: str, path: str) -> None:
        answer = await full.client.request(method, path, json=ECHO)

        assert (answer.status_code, answer.json()["code"]) == (429, "overloaded")
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert full.published == []

    async def test_is_no_read_and_no_file(self, full: World) -> None:
        await full.put_task()
        await full.put_file("a.txt")

        assert (await full.client.get("/v1/tasks/t1")).status_code == 200
        assert (await full.client.get("/v1/files/a.txt")).content == b"hello"

    async def test_is_there_again_when_one_has_left(self, full: World, admission: Admission) -> None:
        admission.leave(began=0, ended=0)

        assert (await full.client.post("/v1/tasks", json=ECHO)).status_code == 202
        assert (await full.client.post("/v1/tasks", json=ECHO)).status_code == 202

    async def test_counts_a_request_that_waits_for_the_store(
        self, world: World, admission: Admission
    ) -> None:
        keyed = asyncio.create_task(
            world.client.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k"})
        )
        await world.asked()
        for _ in range(admission.limit - 1):
            admission.enter()

        assert (await world.client.post("/v1/tasks", json=ECHO)).status_code == 429
        assert (await keyed).status_code == 202
        admission.leave(began=0, ended=0)
        assert (await world.client.post("/v1/tasks", json=ECHO)).status_code == 202

    async def test_waits_in_line_for_its_answer_and_holds_up_nobody(self, full: World, app: Any) -> None:
        refused: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                refused.append(message["status"])

        crowd = [asyncio.create_task(app({**SUBMISSION}, nothing, send)) for _ in range(100)]
        in_a_turn = []
        while len(refused) < len(crowd):
            before = len(refused)
            await asyncio.sleep(0)
            in_a_turn.append(len(refused) - before)
        await asyncio.gather(*crowd)

        assert refused == [429] * len(crowd)
        assert max(in_a_turn) < 10


class TestABacklogOfTheScheduler:
    async def test_lets_nothing_more_in_until_it_is_smaller(self, world: World, admission: Admission) -> None:
        admission.waiting = 101
        before = await world.client.post("/v1/tasks", json=ECHO)
        admission.waiting = 100
        after = await world.client.post("/v1/tasks", json=ECHO)

        assert (before.status_code, before.json()["code"]) == (429, "overloaded")
        assert after.status_code == 202


class TestABodyThatDoesNotArrive:
    async def test_makes_room_for_others(self, world: World, app: Any, client: httpx.AsyncClient) -> None:
        needs = app.state.dependencies
        app.state.dependencies = replace(
            needs, limits=replace(needs.limits, arrive=timedelta(milliseconds=100))
        )
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async with asyncio.timeout(5):
            await app({**SUBMISSION}, nothing, send)

        assert sent[0]["status"] == 408
        assert (b"connection", b"close") in sent[0]["headers"]
