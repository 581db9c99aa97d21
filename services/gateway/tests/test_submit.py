"""Tasks and workflows are asked for, and asked for again."""

import asyncio
from typing import Any

import httpx
import pytest

from filemill_common.events import TaskCreated, WorkflowCreated
from filemill_common.store import Store
from filemill_gateway.testing import World

ECHO = {"type": "echo", "options": {"n": 1}}
FLAT = {
    "name": "video",
    "description": "the original's own",
    "steps": [
        {"name": "a", "type": "task", "order": 1, "config": {"type": "echo", "n": 1}},
        {"name": "b", "type": "task", "order": 2, "config": {"type": "echo"}, "depends_on": [1]},
    ],
}
OURS = {
    "name": "films",
    "input": {"type": "object", "required": ["n"]},
    "steps": [{"id": "a", "task": "echo", "with": {"n": "${{ input.n }}"}}],
}


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(each["pointer"], each["code"]) for each in answer.json()["problems"]]


class TestATask:
    async def test_is_published_and_shown_as_pending(self, world: World) -> None:
        body = {
            **ECHO,
            "priority": 9,
            "labels": {"team": "a"},
            "notify_email": "a@b.example",
            "user_id": None,
        }
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        answer = await world.client.post("/v1/tasks", json=body, headers={"traceparent": trace})

        task = answer.json()
        (event,) = world.published
        assert isinstance(event, TaskCreated)
        assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/tasks/{task['id']}")
        assert (task["status"], task["type"], task["priority"], task["labels"]) == (
            "pending",
            "echo",
            9,
            {"team": "a"},
        )
        assert (event.task_id, event.partition_key) == (task["id"], task["id"])
        assert event.task.model_dump(exclude_unset=True)["options"] == {"n": 1}
        assert event.traceparent is not None
        assert event.traceparent.split("-")[1] == "a" * 32

    async def test_takes_an_input_by_its_path_or_its_uri(self, world: World) -> None:
        await world.put_file("in/a.mp4")

        for name in ("in/a.mp4", "filemill:///in/a.mp4"):
            answer = await world.client.post("/v1/tasks", json={"type": "probe", "input_file": name})
            assert answer.status_code == 202

    async def test_needs_its_input_to_be_there(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/tasks", json={"type": "probe", "input_file": "missing.mp4"})

        assert (answer.status_code, answer.json()["code"]) == (422, "input_not_found")
        assert codes(answer) == [("/input_file", "input_not_found")]

    async def test_may_name_an_input_that_another_task_will_write(self, client: httpx.AsyncClient) -> None:
        body = {"type": "probe", "input_file": "later.mp4", "depends_on": ["some-task"]}

        assert (await client.post("/v1/tasks", json=body)).status_code == 202

    async def test_is_refused_with_all_that_is_wrong(self, world: World) -> None:
        body = {
            "type": "video_convert",
            "input_file": "gone.mp4",
            "options": {"crf": "x"},
            "priority": 11,
            "prority": 1,
        }
        answer = await world.client.post("/v1/tasks", json=body)

        assert answer.status_code == 422
        assert sorted(codes(answer)) == [
            ("/input_file", "input_not_found"),
            ("/options/crf", "invalid_options"),
            ("/priority", "invalid_value"),
            ("/prority", "unknown_field"),
        ]
        assert world.published == []

    async def test_of_an_unknown_type_is_refused_with_a_suggestion(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/tasks", json={"type": "video_covnert"})

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_task_type")
        assert answer.json()["problems"][0]["suggestion"] == "did you mean 'video_convert'?"

    async def test_is_not_taken_while_the_broker_is_away(self, world: World) -> None:
        world.publisher.is_away = True
        answer = await world.client.post("/v1/tasks", json=ECHO)

        assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
        assert answer.headers["retry-after"] == "2"


class TestAWorkflow:
    async def test_of_the_original_shape_is_taken(self, world: World) -> None:
        answer = await world.client.post("/v1/workflows", json=FLAT)

        shown = answer.json()
        (event,) = world.published
        assert isinstance(event, WorkflowCreated)
        assert answer.status_code == 202
        assert (shown["status"], shown["progress"]) == ("pending", 0)
        assert [(step["id"], step["name"], step["order"], step["type"]) for step in shown["steps"]] == [
            ("s1", "a", 1, "task"),
            ("s2", "b", 2, "task"),
        ]
        assert event.definition["steps"][1]["depends_on"] == ["s1"]

    async def test_takes_a_definition_and_its_input(self, world: World) -> None:
        body = {"definition": OURS, "input": {"n": 7}}
        answer = await world.client.post("/v1/workflows?start=false", json=body)

        (event,) = world.published
        assert isinstance(event, WorkflowCreated)
        assert (answer.status_code, answer.json()["input"]) == (202, {"n": 7})
        assert (event.input, event.start) == ({"n": 7}, False)

    async def test_shows_steps_in_steps(self, client: httpx.AsyncClient) -> None:
        inner = [{"id": "go", "type": "wait", "signal": "go"}, {"id": "a", "task": "echo"}]
        each = {"id": "all", "type": "map", "items": "[1]", "step": {"task": "echo"}}
        both = {"id": "both", "type": "parallel", "branches": {"one": inner, "two": [each]}}
        body = {"name": "films", "steps": [both], "finally": [{"id": "end", "task": "echo"}]}
        answer = await client.post("/v1/workflows", json=body)

        assert [(step["id"], step["type"], step["parent"]) for step in answer.json()["steps"]] == [
            ("both", "parallel", None),
            ("go", "wait", "both"),
            ("a", "task", "both"),
            ("all", "map", "both"),
            ("end", "task", None),
        ]

    async def test_may_be_written_in_yaml(self, client: httpx.AsyncClient) -> None:
        text = "definition:\n  name: films\n  steps: [{id: a, task: echo}]\n"
        headers = {"content-type": "application/yaml"}

        assert (await client.post("/v1/workflows", content=text, headers=headers)).status_code == 202

    @pytest.mark.parametrize(
        ("body", "code", "found"),
        [
            ({"definition": OURS}, "invalid_input", [("/input", "missing_field")]),
            ({"definition": OURS, "input": []}, "invalid_input", [("/input", "wrong_type")]),
            ({"definition": 1}, "invalid_definition", [("/definition", "wrong_type")]),
            ({"definition": OURS, "inptu": {}}, "unknown_field", [("/inptu", "unknown_field")]),
            ({"template": 1}, "wrong_type", [("/template", "wrong_type")]),
            ({"template": "a@1", "definition": OURS}, "invalid_value", [("/template", "invalid_value")]),
            ([], "wrong_type", [("", "wrong_type")]),
        ],
    )
    async def test_is_refused_with_the_places(
        self, client: httpx.AsyncClient, body: Any, code: str, found: list[tuple[str, str]]
    ) -> None:
        answer = await client.post("/v1/workflows", json=body)

        assert (answer.status_code, answer.json()["code"], codes(answer)) == (422, code, found)

    @pytest.mark.parametrize(
        ("steps", "found"),
        [
            ([{"id": "a", "task": "eco"}], [("/steps/0/task", "unknown_task_type")]),
            (
                [{"id": "a", "task": "sleep", "with": {"seconds": -1}}],
                [("/steps/0/with/seconds", "invalid_options")],
            ),
            (
                [{"id": "a", "task": "echo", "depends_on": ["b"]}],
                [("/steps/0/depends_on/0", "unknown_dependency")],
            ),
            (
                [{"id": "a", "task": "echo", "depends_on": ["a"]}],
                [("/steps/0/depends_on/0", "cyclic_dependency")],
            ),
            ([{"id": "a", "task": "echo"}] * 2, [("/steps/1/id", "duplicate_step")]),
            ([{"id": "a", "task": "probe"}], [("/steps/0/with/input_file", "missing_field")]),
            (
                [{"id": "a", "task": "probe", "with": {"input_file": "../a"}}],
                [("/steps/0/with/input_file", "invalid_path")],
            ),
        ],
    )
    async def test_is_refused_if_a_step_is_wrong(
        self, client: httpx.AsyncClient, steps: Any, found: list[tuple[str, str]]
    ) -> None:
        answer = await client.post("/v1/workflows", json={"name": "films", "steps": steps})

        assert (answer.status_code, answer.json()["code"], codes(answer)) == (
            422,
            "invalid_definition",
            found,
        )


class TestAKeyedRequest:
    async def test_gives_the_same_task_again(self, world: World) -> None:
        async def scheduler() -> None:
            (event,) = await world.asked()
            assert isinstance(event, TaskCreated)
            await world.put_task(event.task_id, status="ready", body_digest=event.body_digest)
            await world.hub.tell(event)

        headers = {"Idempotency-Key": "k-1"}
        first, _ = await asyncio.gather(
            world.client.post("/v1/tasks", json=ECHO, headers=headers), scheduler()
        )
        again = await world.client.post("/v1/tasks", json=ECHO, headers=headers)

        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json()["id"] == again.json()["id"]
        assert again.json()["status"] == "ready"

    async def test_is_refused_if_the_key_stood_for_another(self, world: World) -> None:
        first = await world.client.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k"})
        await world.put_task(first.json()["id"], body_digest="sha256:of-something-else")
        again = await world.client.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k"})

        assert (again.status_code, again.json()["code"]) == (409, "idempotency_conflict")

    async def test_is_the_same_however_its_json_is_laid_out(self, world: World) -> None:
        headers = {"Idempotency-Key": "k", "content-type": "application/json"}
        for text in ('{"type": "echo", "options": {}}', '{"options":{},"type":"echo"}'):
            await world.client.post("/v1/tasks", content=text, headers=headers)

        digests = [event.body_digest for event in world.published if isinstance(event, TaskCreated)]
        assert digests[0] == digests[1]

    async def test_is_answered_even_if_nothing_is_stored_in_time(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/workflows", json=FLAT, headers={"Idempotency-Key": "k"})

        assert (answer.status_code, answer.json()["status"]) == (202, "pending")

    async def test_stands_for_what_was_deleted_too(self, world: World) -> None:
        first = await world.client.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k"})
        (event,) = world.published
        assert isinstance(event, TaskCreated)
        await world.put_task(first.json()["id"], status=None, body_digest=event.body_digest)
        again = await world.client.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k"})

        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])

    async def test_means_different_things_on_different_routes(self, world: World) -> None:
        headers = {"Idempotency-Key": "k"}
        task = await world.client.post("/v1/tasks", json=ECHO, headers=headers)
        run = await world.client.post("/v1/workflows", json=FLAT, headers=headers)

        assert task.json()["id"] != run.json()["id"]

    @pytest.mark.parametrize("key", ["", "with space", "x" * 256])
    async def test_has_a_key_of_visible_characters(self, client: httpx.AsyncClient, key: str) -> None:
        answer = await client.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": key})

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_idempotency_key")


async def test_an_unstored_request_leaves_nothing_in_the_store(world: World, store: Store) -> None:
    await world.client.post("/v1/tasks", json=ECHO)

    assert await store.collection("tasks").count_documents({}) == 0
