"""A workflow is checked without a run."""

from typing import Any

import httpx
import jsonschema
import pytest

from filemill_gateway.testing import World

YAML = {"content-type": "application/yaml"}
OURS = {
    "name": "films",
    "input": {"type": "object", "required": ["n"]},
    "steps": [{"id": "a", "task": "echo", "with": {"n": "${{ input.n }}"}}],
}


async def checked(client: httpx.AsyncClient, body: Any) -> Any:
    sent: Any = {"content": body, "headers": YAML} if isinstance(body, str) else {"json": body}
    answer = await client.post("/v1/workflows/validate", **sent)
    assert answer.status_code == 200
    return answer.json()


def found(told: Any) -> list[tuple[str, str]]:
    return [(each["pointer"], each["code"]) for each in told["problems"]]


class TestWhatIsWell:
    @pytest.mark.parametrize("body", [OURS, {"definition": OURS, "input": {"n": 1}}])
    async def test_has_no_problems_and_no_run(self, world: World, body: Any) -> None:
        assert await checked(world.client, body) == {"valid": True, "problems": []}
        assert world.published == []

    async def test_may_be_a_template_and_its_input(self, client: httpx.AsyncClient) -> None:
        await client.put("/v1/templates/films", json=OURS)

        assert (await checked(client, {"template": "films@1", "input": {"n": 1}}))["valid"]
        assert found(await checked(client, {"template": "films@1"})) == [("/input", "missing_field")]


class TestAProblem:
    async def test_says_where_and_what_was_meant(self, client: httpx.AsyncClient) -> None:
        text = """\
name: films
steps:
  - {id: probe, task: probe, with: {input_file: a.mp4}}
  - id: long
    depends_on: [prob]
    task: echo
"""
        assert await checked(client, text) == {
            "valid": False,
            "problems": [
                {
                    "pointer": "/steps/1/depends_on/0",
                    "code": "unknown_dependency",
                    "message": "no step 'prob'",
                    "suggestion": "did you mean 'probe'?",
                    "line": 5,
                    "column": 18,
                }
            ],
        }

    async def test_hides_no_other(self, client: httpx.AsyncClient) -> None:
        wait = {"id": "w", "type": "wait", "signal": "go", "timout": 1}
        probe = {"id": "p", "task": "probe"}
        both = {"id": "b", "type": "parallel", "branches": {"one": [{"id": "q", "task": "eco"}]}}
        told = await checked(client, {"name": "films", "steps": [wait, both], "finally": [probe]})

        assert set(found(told)) == {
            ("/steps/0/timout", "unknown_field"),
            ("/steps/1/branches/one/0/task", "unknown_task_type"),
        }

    @pytest.mark.parametrize(
        ("step", "pointer"),
        [
            ({"id": "a", "task": "probe", "with": {"input_file": "../x"}}, "/steps/0/with/input_file"),
            (
                {"id": "a", "type": "parallel", "branches": {"b": [{"id": "c", "task": "probe"}]}},
                "/steps/0/branches/b/0/with/input_file",
            ),
            (
                {"id": "a", "type": "map", "items": "[1]", "step": {"task": "probe"}},
                "/steps/0/step/with/input_file",
            ),
        ],
    )
    async def test_with_a_file_is_found_in_every_task(
        self, client: httpx.AsyncClient, step: Any, pointer: str
    ) -> None:
        told = await checked(client, {"definition": {"name": "films", "steps": [step]}})

        assert [each["pointer"] for each in told["problems"]] == [f"/definition{pointer}"]

    async def test_with_a_file_stands_where_the_original_had_it(self, client: httpx.AsyncClient) -> None:
        step = {"name": "a", "type": "task", "order": 1, "config": {"type": "probe"}}

        assert found(await checked(client, {"name": "films", "steps": [step]})) == [
            ("/steps/0/config/input_file", "missing_field")
        ]

    @pytest.mark.parametrize(
        ("text", "code", "line"),
        [
            ("name: films\nsteps: [\n", "invalid_yaml", 3),
            ("name: films\nname: films\n", "duplicate_key", 2),
            ("definition:\n  name: films\n  steps: 5\n", "wrong_type", 3),
        ],
    )
    async def test_of_the_text_has_its_line_too(
        self, client: httpx.AsyncClient, text: str, code: str, line: int
    ) -> None:
        (problem,) = (await checked(client, text))["problems"]

        assert (problem["code"], problem["line"]) == (code, line)

    async def test_of_what_is_no_json_is_one_as_well(self, client: httpx.AsyncClient) -> None:
        headers = {"content-type": "application/json"}
        answer = await client.post("/v1/workflows/validate", content=b'{"name": ', headers=headers)

        assert (answer.status_code, found(answer.json())) == (200, [("", "invalid_json")])

    async def test_with_a_template_that_is_not_there_is_found(self, client: httpx.AsyncClient) -> None:
        step = {"id": "a", "type": "subworkflow", "workflow": "films@1"}

        assert found(await checked(client, {"name": "films", "steps": [step]})) == [
            ("/steps/0/workflow", "unknown_template")
        ]

    async def test_is_in_the_answer_to_a_submission_with_its_line(self, client: httpx.AsyncClient) -> None:
        text = "name: films\nsteps:\n  - {id: a, task: eco}\n"
        answer = await client.post("/v1/workflows", content=text, headers=YAML)

        (problem,) = answer.json()["problems"]
        assert (answer.status_code, problem["line"], problem["column"]) == (422, 3, 13)


class TestRefusals:
    async def test_are_for_what_cannot_be_a_definition_at_all(self, client: httpx.AsyncClient) -> None:
        headers = {"content-type": "text/html"}
        answer = await client.post("/v1/workflows/validate", content=b"<a>", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

        answer = await client.post("/v1/workflows/validate", content=b" " * (5 << 20), headers=YAML)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_the_schema_for_editors_takes_what_the_door_takes(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/v1/workflows/schema")).json()

    jsonschema.validate(OURS, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "films"}, schema)
