"""What describes the gateway: OpenAPI, the pages about it, task types."""

import re

import httpx
import jsonschema

from filemill_gateway.testing import World


class TestTheDescription:
    async def test_names_every_call(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()

        calls = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
        assert calls == {
            "POST /v1/tasks",
            "GET /v1/tasks",
            "GET /v1/tasks/{task_id}",
            "DELETE /v1/tasks/{task_id}",
            "POST /v1/tasks/{task_id}/cancel",
            "POST /v1/tasks/{task_id}/retry",
            "GET /v1/tasks/{task_id}/events",
            "POST /v1/workflows",
            "GET /v1/workflows",
            "GET /v1/workflows/{workflow_id}",
            "DELETE /v1/workflows/{workflow_id}",
            "POST /v1/workflows/{workflow_id}/start",
            "POST /v1/workflows/{workflow_id}/cancel",
            "POST /v1/workflows/{workflow_id}/pause",
            "POST /v1/workflows/{workflow_id}/resume",
            "POST /v1/workflows/{workflow_id}/rerun",
            "POST /v1/workflows/{workflow_id}/signals/{name}",
            "POST /v1/workflows/validate",
            "GET /v1/workflows/schema",
            "GET /v1/templates",
            "PUT /v1/templates/{name}",
            "GET /v1/templates/{name}",
            "GET /v1/workflows/{workflow_id}/events",
            "GET /v1/workflows/{workflow_id}/history",
            "GET /v1/workflows/{workflow_id}/history/export",
            "GET /v1/events",
            "POST /v1/files",
            "PUT /v1/files/{path}",
            "GET /v1/files/{path}",
            "GET /v1/files/{path}/metadata",
            "GET /v1/parked",
            "DELETE /v1/parked",
            "POST /v1/parked/redrive",
            "GET /v1/parked/{parked_id}",
            "DELETE /v1/parked/{parked_id}",
            "POST /v1/parked/{parked_id}/redrive",
            "GET /v1/deliveries",
            "GET /v1/task-types",
        }

    async def test_says_that_every_error_is_a_problem(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()

        for item in document["paths"].values():
            for operation in item.values():
                assert "application/problem+json" in operation["responses"]["4XX"]["content"]
                assert "422" not in operation["responses"]

    async def test_refers_only_to_what_it_has(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/openapi.json")

        names = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
        assert names <= set(answer.json()["components"]["schemas"])
        assert "$defs" not in answer.text


class TestThePages:
    async def test_need_nothing_from_elsewhere(self, client: httpx.AsyncClient) -> None:
        page = await client.get("/docs")

        sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert page.status_code == 200
        assert "https://" not in page.text
        for source in sources:
            assert (await client.get(source)).status_code == 200


async def test_task_types_tell_their_options_as_json_schema(world: World) -> None:
    types = {each["name"]: each for each in (await world.client.get("/v1/task-types")).json()["items"]}

    jsonschema.validate({"format": "webm"}, types["video_convert"]["options"])
    assert types["video_convert"]["needs_input"]
    assert types["echo"]["options"]["type"] == "object"
