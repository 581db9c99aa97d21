"""Bodies that are too large, too deep, of another type or no JSON at all."""

from collections.abc import AsyncIterator

import httpx
import pytest

from filemill_gateway.testing import World

JSON = {"content-type": "application/json"}


class TestABody:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "invalid_json"),
            (b"{", "invalid_json"),
            (b"\xff", "invalid_json"),
            (b"\xef\xbb\xbf{}", "invalid_json"),
            (b'{"type": NaN}', "out_of_range"),
            (b'{"options": {"n": -Infinity}}', "out_of_range"),
            (b'{"options": {"n": 1e999}}', "out_of_range"),
            (b'{"options": {"n": 99999999999999999999}}', "out_of_range"),
            (b'{"options": {"n": ' + b"9" * 5000 + b"}}", "out_of_range"),
            (b'{"type": "a", "type": "b"}', "duplicate_key"),
            (b'{"type": "a\\u0000"}', "bad_unicode"),
            (b'{"a\\u0000": 1}', "bad_unicode"),
            (b'{"type": "\\ud800"}', "bad_unicode"),
            (b"[" * 40 + b"]" * 40, "too_deep"),
            (b"[" * 100_000, "too_deep"),
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/tasks", "/v1/workflows"])
    async def test_is_refused_with_a_code(
        self, client: httpx.AsyncClient, path: str, body: bytes, code: str
    ) -> None:
        answer = await client.post(path, content=body, headers=JSON)

        assert (answer.status_code, answer.json()["code"]) == (422, code)

    @pytest.mark.parametrize(("path", "limit"), [("/v1/tasks", 1 << 20), ("/v1/workflows", 4 << 20)])
    async def test_over_the_limit_is_refused(self, client: httpx.AsyncClient, path: str, limit: int) -> None:
        answer = await client.post(path, content=b" " * (limit + 1), headers=JSON)

        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    async def test_over_the_limit_is_refused_though_its_length_was_not_declared(
        self, client: httpx.AsyncClient
    ) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * (1 << 16)

        answer = await client.post("/v1/tasks", content=pieces(), headers=JSON)

        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    @pytest.mark.parametrize("path", ["/v1/tasks", "/v1/workflows", "/v1/files"])
    async def test_of_another_type_is_refused(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.post(path, content=b"a=b", headers={"content-type": "text/csv"})

        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

    @pytest.mark.parametrize("options", ['{"$where": 1, "a.b": {"$gt": ""}}', '{"__proto__": null}'])
    async def test_may_have_keys_that_mean_something_elsewhere(self, world: World, options: str) -> None:
        body = f'{{"type": "echo", "options": {options}}}'

        assert (await world.client.post("/v1/tasks", content=body, headers=JSON)).status_code == 202


class TestAnAddress:
    @pytest.mark.parametrize(
        "url", ["ftp://a", "file:///etc/passwd", "javascript:alert(1)", "http://", "//a", ""]
    )
    @pytest.mark.parametrize("name", ["notify_webhook", "callback_url"])
    async def test_is_one_of_http(self, client: httpx.AsyncClient, name: str, url: str) -> None:
        answer = await client.post("/v1/tasks", json={"type": "echo", name: url})

        assert (answer.status_code, answer.json()["problems"][0]["pointer"]) == (422, f"/{name}")

    @pytest.mark.parametrize("address", ["a", "a@b\r\nBcc: c@d", "a b@c", "@"])
    async def test_of_email_has_no_room_for_a_header(self, client: httpx.AsyncClient, address: str) -> None:
        answer = await client.post("/v1/tasks", json={"type": "echo", "notify_email": address})

        assert (answer.status_code, answer.json()["problems"][0]["pointer"]) == (422, "/notify_email")


class TestAProblem:
    @pytest.mark.parametrize(
        ("path", "allowed"), [("/v1/tasks/t1", "DELETE, GET"), ("/v1/files/a/b.txt", "GET, PUT")]
    )
    async def test_of_a_method_names_those_that_work(
        self, client: httpx.AsyncClient, path: str, allowed: str
    ) -> None:
        answer = await client.patch(path)

        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/nothing", 404, "not_found"),
            ("PUT", "/v1/tasks", 405, "method_not_allowed"),
            ("POST", "/v1/workflows/w/pause", 404, "not_found"),
            ("POST", "/v1/workflows/w1", 405, "method_not_allowed"),
            ("GET", "/v1/tasks?limit=0", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?limit=201", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?status=done", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?created_after=yesterday", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?created_after=0001-01-01T00:00:00%2B10:00", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?created_after=2026-11-05T10:00:00", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?created_after=1762336800", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?label=a", 422, "invalid_parameter"),
            ("GET", "/v1/tasks?cursor=x", 422, "invalid_cursor"),
            ("GET", "/v1/workflows?cursor=bnVsbA", 422, "invalid_cursor"),
        ],
    )
    async def test_has_one_shape(
        self, client: httpx.AsyncClient, method: str, path: str, status: int, code: str
    ) -> None:
        answer = await client.request(method, path)

        body = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
        assert body["type"] == f"urn:filemill:problem:{code}"
        assert body["title"]
        assert body["detail"]

    async def test_names_what_is_allowed(self, client: httpx.AsyncClient) -> None:
        answer = await client.put("/v1/tasks")

        assert answer.headers["allow"] == "GET, POST"

    async def test_of_ours_tells_nothing_of_the_inside(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(world.publisher, "publish_or_raise", broken)
        answer = await world.client.post("/v1/tasks", json={"type": "echo"})

        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert "secret" not in answer.text
