"""Files come and go."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from filemill_gateway.testing import World

CONTENT = bytes(range(256)) * 4
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


class TestAnUpload:
    async def test_says_what_was_stored(self, client: httpx.AsyncClient) -> None:
        answer = await client.put("/v1/files/in/a.png", content=PNG, headers={"content-type": "text/html"})

        assert answer.status_code == 201
        assert answer.json() == {
            "path": "in/a.png",
            "uri": "filemill:///in/a.png",
            "size": len(PNG),
            "digest": f"sha256:{hashlib.sha256(PNG).hexdigest()}",
            "content_type": "image/png",
        }
        assert answer.headers["location"] == "/v1/files/in/a.png"

    async def test_may_come_as_a_form(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/files", data={"path": "in/ü.png"}, files={"file": ("x", PNG)})

        assert (answer.status_code, answer.json()["path"]) == (201, "in/ü.png")
        assert (await client.get("/v1/files/in/ü.png")).content == PNG

    async def test_as_a_form_needs_path_and_file(self, client: httpx.AsyncClient) -> None:
        no_path = await client.post("/v1/files", files={"file": ("x", PNG)})
        no_file = await client.post("/v1/files", data={"path": "a"}, files={"path2": (None, "x")})

        assert [(each.status_code, each.json()["problems"][0]["pointer"]) for each in (no_path, no_file)] == [
            (422, "/path"),
            (422, "/file"),
        ]

    async def test_of_a_broken_form_is_refused(self, client: httpx.AsyncClient) -> None:
        for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
            answer = await client.post("/v1/files", content=b"--y\r\nfoo", headers={"content-type": kind})
            assert (answer.status_code, answer.json()["code"]) in {
                (400, "bad_request"),
                (422, "missing_field"),
            }

    async def test_over_the_limit_is_refused_and_leaves_nothing(self, world: World, tmp_path: Path) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(101):
                yield b"x" * 1000

        declared = await world.client.put("/v1/files/a", content=b"x" * 100_001)
        undeclared = await world.client.put("/v1/files/a", content=pieces())
        form = await world.client.post("/v1/files", data={"path": "a"}, files={"file": ("x", b"x" * 200_000)})

        for answer in (declared, undeclared, form):
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []

    async def test_replaces_what_had_the_path(self, client: httpx.AsyncClient) -> None:
        for content in (b"first", b"second"):
            await client.put("/v1/files/a.txt", content=content)

        assert (await client.get("/v1/files/a.txt")).content == b"second"

    async def test_may_be_empty(self, client: httpx.AsyncClient) -> None:
        assert (await client.put("/v1/files/empty", content=b"")).json()["size"] == 0
        assert (await client.get("/v1/files/empty")).content == b""


class TestAPath:
    @pytest.mark.parametrize(
        "path",
        [
            "%2e%2e/etc/passwd",
            "a/%2e%2e/%2e%2e/b",
            "..%2fetc",
            "%2fetc%2fpasswd",
            "/etc/passwd",
            "a%5cb",
            "..%5c..%5cb",
            "a%00b",
            "a//b",
            "a/%2e/b",
            "a/",
            "file:%2f%2f%2fetc%2fpasswd",
            "file:/etc/passwd",
            "http:%2f%2fhost%2fa",
            "filemill:%2f%2fhost%2fa",
            "C:%5ca",
            "objects/uploads/x",
            "a/metadata",
            "x" * 1025,
        ],
    )
    async def test_that_leaves_the_storage_is_refused(self, world: World, path: str) -> None:
        answer = await world.client.put(f"/v1/files/{path}", content=b"x")

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_path")

    @pytest.mark.parametrize("path", ["%2e%2e/etc/passwd", "%2fetc%2fpasswd", "objects/uploads/x", "a%00b"])
    async def test_that_leaves_the_storage_is_not_read(self, client: httpx.AsyncClient, path: str) -> None:
        for suffix in ("", "/metadata"):
            answer = await client.get(f"/v1/files/{path}{suffix}")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_path")

    @pytest.mark.parametrize("name", ["input_file", "output_file"])
    @pytest.mark.parametrize("path", ["../a", "/a", "file:///a", "http://a/b", "a\\b", "objects/x", "a/../b"])
    async def test_of_a_task_is_checked_too(self, client: httpx.AsyncClient, name: str, path: str) -> None:
        answer = await client.post("/v1/tasks", json={"type": "echo", name: path})

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_path")

    @pytest.mark.parametrize(
        "path", ["a", "filemill:///in/a", "日本/é.txt", "a..b", ".hidden", "-rf", "a b", "%25"]
    )
    async def test_may_be_any_name_inside(self, world: World, path: str) -> None:
        await world.put_file(path)

        assert (await world.client.get(f"/v1/files/{path}")).status_code == 200


class TestADownload:
    @pytest.mark.parametrize(
        ("asked", "status", "start", "end"),
        [
            (None, 200, 0, 1024),
            ("bytes=0-0", 206, 0, 1),
            ("bytes=0-", 206, 0, 1024),
            ("bytes=10-19", 206, 10, 20),
            ("bytes=1000-9999", 206, 1000, 1024),
            ("bytes=-4", 206, 1020, 1024),
            ("bytes=-9999", 206, 0, 1024),
            ("bytes=5-2", 200, 0, 1024),
            ("bytes=a-b", 200, 0, 1024),
            ("bytes=0-1,4-5", 200, 0, 1024),
            ("lines=0-1", 200, 0, 1024),
        ],
    )
    async def test_sends_a_range(
        self, world: World, asked: str | None, status: int, start: int, end: int
    ) -> None:
        await world.put_file("a", CONTENT)
        answer = await world.client.get("/v1/files/a", headers={"Range": asked} if asked else {})

        assert (answer.status_code, answer.content) == (status, CONTENT[start:end])
        assert answer.headers["content-length"] == str(end - start)
        assert answer.headers.get("content-range") == (
            f"bytes {start}-{end - 1}/1024" if status == 206 else None
        )

    @pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=2000-3000", "bytes=-0"])
    async def test_of_no_byte_is_refused(self, world: World, asked: str) -> None:
        await world.put_file("a", CONTENT)
        answer = await world.client.get("/v1/files/a", headers={"Range": asked})

        assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
        assert answer.headers["content-range"] == "bytes */1024"

    async def test_tells_digest_type_and_name_safely(self, world: World) -> None:
        await world.put_file('in/"evil\t'.replace("\t", "") + "é;.html", b"<script>")
        answer = await world.client.get('/v1/files/in/"evilé;.html')

        assert answer.headers["etag"].startswith('"sha256:')
        assert answer.headers["repr-digest"].startswith("sha-256=:")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["content-disposition"] == (
            "attachment; filename=\"_evil__.html\"; filename*=UTF-8''%22evil%C3%A9%3B.html"
        )

    async def test_is_not_sent_again_to_who_has_it(self, world: World) -> None:
        await world.put_file("a", CONTENT)
        tag = f'"sha256:{DIGEST}"'
        for condition in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            answer = await world.client.get("/v1/files/a", headers={"If-None-Match": condition})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)

    async def test_goes_on_only_in_the_same_file(self, world: World) -> None:
        await world.put_file("a", CONTENT)
        answers = [
            await world.client.get("/v1/files/a", headers={"Range": "bytes=0-1", "If-Range": tag})
            for tag in (f'"sha256:{DIGEST}"', '"other"', "Thu, 05 Nov 2026 10:00:00 GMT")
        ]

        assert [answer.status_code for answer in answers] == [206, 200, 200]

    async def test_can_be_asked_for_its_headers_alone(self, world: World) -> None:
        await world.put_file("a", CONTENT)
        answer = await world.client.head("/v1/files/a")

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == "1024"

    async def test_of_nothing_is_not_found(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/v1/files/none")).json()["code"] == "not_found"
