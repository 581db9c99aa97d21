"""Templates: definitions by name, of which each version stays as it is."""

import asyncio
from typing import Any

import httpx
import pytest

from filemill_common.events import WorkflowCreated
from filemill_common.language.values import MAX_BYTES
from filemill_gateway.testing import World


def echo(n: int = 1, **fields: Any) -> dict[str, Any]:
    return {"name": "films", "steps": [{"id": "a", "task": "echo", "with": {"n": n}}], **fields}


def using(*references: str, **fields: Any) -> dict[str, Any]:
    steps = [{"id": f"s{at}", "type": "subworkflow", "workflow": each} for at, each in enumerate(references)]
    return {"name": "uses", "steps": steps, **fields}


async def put(client: httpx.AsyncClient, name: str, definition: Any) -> httpx.Response:
    return await client.put(f"/v1/templates/{name}", json=definition)


def problems(answer: httpx.Response) -> list[tuple[str, str, str | None]]:
    return [(each["pointer"], each["code"], each.get("suggestion")) for each in answer.json()["problems"]]


class TestPut:
    async def test_makes_the_first_version(self, client: httpx.AsyncClient) -> None:
        answer = await put(client, "films", echo(description="of the summer"))

        shown = answer.json()
        assert (answer.status_code, answer.headers["location"]) == (201, "/v1/templates/films@1")
        assert (shown["name"], shown["version"], shown["versions"]) == ("films", 1, [1])
        assert (shown["description"], shown["uses"]) == ("of the summer", [])
        assert shown["definition"]["steps"][0]["with"] == {"n": 1}

    async def test_of_something_else_makes_the_next_version(self, client: httpx.AsyncClient) -> None:
        first = await put(client, "films", echo(1))
        second = await put(client, "films", echo(2))

        assert (second.status_code, second.json()["version"], second.json()["versions"]) == (201, 2, [2, 1])
        old = (await client.get("/v1/templates/films@1")).json()
        assert old | {"versions": [1]} == first.json()

    async def test_of_the_same_again_makes_none(self, client: httpx.AsyncClient) -> None:
        first = await put(client, "films", echo())
        text = "name: films\nsteps: [{with: {n: 1}, task: echo, id: a}]\n"
        headers = {"content-type": "application/yaml"}
        again = await client.put("/v1/templates/films", content=text, headers=headers)

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()

    async def test_of_what_an_older_version_said_makes_it_the_newest(self, client: httpx.AsyncClient) -> None:
        for n in (1, 2, 1):
            await put(client, "films", echo(n))

        shown = (await client.get("/v1/templates/films")).json()
        assert (shown["version"], shown["definition"]["steps"][0]["with"]) == (3, {"n": 1})

    async def test_by_many_at_once_gives_each_a_version_of_its_own(self, client: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(put(client, "films", echo(n)) for n in range(8)))

        assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 9))

    async def test_of_a_broken_definition_is_refused_with_its_lines(self, client: httpx.AsyncClient) -> None:
        text = "name: films\nsteps:\n  - id: a\n    task: eco\n"
        headers = {"content-type": "application/yaml"}
        answer = await client.put("/v1/templates/films", content=text, headers=headers)

        (found,) = answer.json()["problems"]
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_definition")
        assert (found["pointer"], found["line"], found["column"]) == ("/steps/0/task", 4, 5)
        assert (await client.get("/v1/templates/films")).status_code == 404

    @pytest.mark.parametrize("name", ["-a", "a b", "films@2", "x" * 101, "ä"])
    async def test_takes_a_name_that_references_can_say(self, client: httpx.AsyncClient, name: str) -> None:
        answer = await put(client, name, echo())

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_name")


class TestATemplateThatUsesOthers:
    async def test_finds_them_there(self, client: httpx.AsyncClient) -> None:
        await put(client, "films", echo())
        answer = await put(client, "album", using("films@1", "films@1"))

        assert (answer.status_code, answer.json()["uses"]) == (201, ["films@1"])

    async def test_is_refused_if_they_are_not(self, client: httpx.AsyncClient) -> None:
        await put(client, "films", echo())
        answer = await put(client, "album", using("films@1", "films@2", "flims@1"))

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_template")
        assert problems(answer) == [
            ("/steps/1/workflow", "unknown_template", "the newest is 'films@1'"),
            ("/steps/2/workflow", "unknown_template", "did you mean 'films@1'?"),
        ]

    async def test_is_looked_at_however_deep_they_stand(self, client: httpx.AsyncClient) -> None:
        inner = {"type": "subworkflow", "workflow": "b@1"}
        each = {"id": "m", "type": "map", "items": "${{ [1] }}", "step": inner}
        both = {"id": "p", "type": "parallel", "branches": {"x/y": [each]}}
        end = {"id": "e", "type": "subworkflow", "workflow": "c@1"}
        answer = await put(client, "album", {"name": "album", "steps": [both], "finally": [end]})

        assert [pointer for pointer, *_ in problems(answer)] == [
            "/steps/0/branches/x~1y/0/step/workflow",
            "/finally/0/workflow",
        ]

    async def test_nests_eight_deep_and_no_deeper(self, client: httpx.AsyncClient) -> None:
        await put(client, "t0", echo())
        answers = [await put(client, f"t{n}", using(f"t{n - 1}@1")) for n in range(1, 10)]

        assert [answer.status_code for answer in answers] == [201] * 8 + [422]
        assert problems(answers[-1]) == [("/steps/0/workflow", "too_deep", None)]


class TestARun:
    async def test_is_of_the_version_that_is_named_or_of_the_newest(self, world: World) -> None:
        for n in (1, 2):
            await put(world.client, "films", echo(n, input={"type": "object", "required": ["x"]}))
        for name in ("films@1", "films"):
            body = {"template": name, "input": {"x": 5}}
            assert (await world.client.post("/v1/workflows", json=body)).status_code == 202

        old, new = [event for event in world.published if isinstance(event, WorkflowCreated)]
        assert [event.definition["steps"][0]["with"]["n"] for event in (old, new)] == [1, 2]
        assert (old.input, old.subworkflows) == ({"x": 5}, {})

    async def test_holds_all_that_it_uses_at_whatever_depth(self, world: World) -> None:
        await put(world.client, "films", echo())
        await put(world.client, "album", using("films@1"))
        await put(world.client, "films", echo(2))
        answer = await world.client.post("/v1/workflows", json=using("album@1", "films@2"))

        (event,) = world.published
        assert isinstance(event, WorkflowCreated)
        assert answer.status_code == 202
        assert {name: each["name"] for name, each in event.subworkflows.items()} == {
            "album@1": "uses",
            "films@1": "films",
            "films@2": "films",
        }

    @pytest.mark.parametrize("name", ["flims", "films@2", "films@", "films@x", "a b"])
    async def test_of_a_template_that_is_not_there_is_refused(self, world: World, name: str) -> None:
        await put(world.client, "films", echo())
        answer = await world.client.post("/v1/workflows", json={"template": name})

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_template")
        assert problems(answer)[0][0] == "/template"
        assert world.published == []

    async def test_has_an_input_that_fits_the_template(self, client: httpx.AsyncClient) -> None:
        await put(client, "films", echo(input={"type": "object", "required": ["x"]}))
        answer = await client.post("/v1/workflows", json={"template": "films", "inptu": {}})
        assert problems(answer) == [("/inptu", "unknown_field", "did you mean 'input'?")]

        answer = await client.post("/v1/workflows", json={"template": "films"})
        assert (answer.json()["code"], problems(answer)) == (
            "invalid_input",
            [("/input", "missing_field", None)],
        )

    async def test_is_not_larger_than_an_event_may_be(self, client: httpx.AsyncClient) -> None:
        half = {"id": "a", "task": "echo", "with": {"text": "x" * (MAX_BYTES * 2 // 5)}}
        for name in ("a", "b", "c"):
            await put(client, name, {"name": name, "steps": [half]})
        answer = await client.post("/v1/workflows", json=using("a@1", "b@1"))
        assert answer.status_code == 202

        answer = await client.post("/v1/workflows", json={"definition": using("a@1", "b@1", "c@1")})
        assert (answer.status_code, problems(answer)) == (422, [("/definition", "too_large", None)])


class TestAList:
    async def test_shows_the_newest_of_each_what_was_put_last_first(self, client: httpx.AsyncClient) -> None:
        for name, n in (("a", 1), ("b", 1), ("c", 1), ("a", 2)):
            await put(client, name, echo(n))
            await asyncio.sleep(0.002)
        pages, query = [], ""
        while True:
            page = (await client.get(f"/v1/templates?limit=2{query}")).json()
            pages.append([f"{each['name']}@{each['version']}" for each in page["items"]])
            if page["next"] is None:
                break
            query = f"&cursor={page['next']}"

        assert pages == [["a@2", "c@1"], ["b@1"]]

    async def test_has_no_definitions(self, client: httpx.AsyncClient) -> None:
        await put(client, "films", echo())
        (item,) = (await client.get("/v1/templates")).json()["items"]

        assert sorted(item) == ["created_at", "description", "name", "version"]


@pytest.mark.parametrize("name", ["none", "films@2", "films@0", "a@b@c", "%00", "$where"])
async def test_a_template_that_is_not_there_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    await put(client, "films", echo())
    answer = await client.get(f"/v1/templates/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
