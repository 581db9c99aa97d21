"""What somebody sends who means harm, or knows no better: a plain no, or plain data, never an accident."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from filemill_local.stack import Stack
from filemill_local.user import User

DEEP = 10_000
JSON = {"Content-Type": "application/json"}

OPERATORS = {
    "$where": "sleep(10000) || true",
    "$gt": "",
    "a.b.c": 1,
    "$": {"$ne": None},
    "..": [{"$regex": ".*"}],
    "": "empty",
    "__proto__": {"constructor": 1},
    "id": {"$oid": "507f1f77bcf86cd799439011"},
}


@pytest.fixture
def user(stack: Stack) -> Iterator[User]:
    with User(stack) as user:
        yield user


@pytest.fixture
def http(user: User) -> httpx.Client:
    return user.http


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


def is_refused(answer: httpx.Response, status: int = 422, code: str | None = None) -> None:
    """It is a problem as documented, of this status."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert code is None or answer.json()["code"] == code


class TestOperatorsOfTheDatabase:
    def test_are_plain_data_in_options(self, user: User) -> None:
        ended = user.ended_task(user.task("echo", options=OPERATORS))

        assert (ended["status"], ended["options"], ended["output"]) == ("completed", OPERATORS, OPERATORS)

    def test_are_plain_data_in_labels(self, user: User) -> None:
        labels = {"$where": "1", "a.b": "$ne", "$": ""}
        task = user.task("echo", labels=labels)
        user.ended_task(task)

        assert user.get_task(task)["labels"] == labels
        found = user.http.get("/v1/tasks", params={"label": ["$where:1", "a.b:$ne"]}).json()["items"]
        assert [each["id"] for each in found] == [task]

    def test_are_plain_data_in_the_input_and_output_of_a_workflow(self, user: User) -> None:
        step = {"id": "a", "type": "task", "task": "echo", "with": {"$set": "${{ input }}"}}
        run = user.ended_workflow(user.workflow({"name": "$or", "steps": [step]}, OPERATORS))

        assert (run["status"], run["name"], run["input"]) == ("completed", "$or", OPERATORS)
        assert run["steps"][0]["output"] == {"$set": OPERATORS}

    @pytest.mark.parametrize(
        "query",
        [
            "type[$ne]=x",
            "type=%7B%22%24ne%22%3Anull%7D",
            "workflow_id[$gt]=",
            "label=$where:1%7C%7Ctrue",
            "type=$where",
        ],
    )
    def test_find_nothing_in_a_filter_that_they_would_not_find_as_text(
        self, http: httpx.Client, query: str
    ) -> None:
        answer = http.get(f"/v1/tasks?{query}&limit=200")

        assert answer.status_code == 200
        plain = "[" in query  # no parameter of ours: it is not looked at
        assert plain or answer.json()["items"] == []

    @pytest.mark.parametrize("of", ["$where", '{"$ne": null}', "[$ne]=", "a.b"])
    def test_are_no_ids(self, http: httpx.Client, of: str) -> None:
        is_refused(http.get(f"/v1/tasks/{of}"), 404, "not_found")

    @pytest.mark.parametrize(
        "field", ["type", "depends_on", "priority", "labels", "parent_task_id", "user_id"]
    )
    def test_are_refused_where_a_text_or_number_belongs(self, http: httpx.Client, field: str) -> None:
        value: Any = [{"$ne": None}] if field == "depends_on" else {"$gt": {"a": 1}}

        is_refused(http.post("/v1/tasks", json={"type": "echo", field: value}))


class TestBodiesThatAreNoGoodJson:
    @pytest.mark.parametrize("path", ["/v1/tasks", "/v1/workflows"])
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(nested(DEEP), id="10,000 arrays"),
            pytest.param(nested(DEEP, b'{"a":', b"}"), id="10,000 objects"),
            pytest.param(
                b'{"type":"echo","options":' + nested(DEEP, b'{"a":', b"}") + b"}", id="deep options"
            ),
            pytest.param(b'{"type":"echo","options":{"n":1e400}}', id="1e400"),
            pytest.param(b'{"type":"echo","options":{"n":-1e400}}', id="-1e400"),
            pytest.param(b'{"type":"echo","priority":' + b"9" * 4_000 + b"}", id="4,000 digits"),
            pytest.param(b'{"type":"echo","options":{"n":' + b"9" * 500_000 + b"}}", id="500,000 digits"),
            pytest.param(b'{"type":"echo","options":{"n":' + b"9" * 20 + b"}}", id="20 digits"),
            pytest.param(b'{"type":"echo","options":{"n":NaN}}', id="NaN"),
            pytest.param(b'{"type":"echo","options":{"n":-Infinity}}', id="-Infinity"),
            pytest.param(b'{"type":"echo","options":{"n":"\\ud800"}}', id="lone surrogate"),
            pytest.param(b'{"type":"echo","options":{"\\udfff":1}}', id="lone surrogate as key"),
            pytest.param(b'{"type":"echo","options":{"n":"\\u0000"}}', id="NUL"),
            pytest.param(b'{"type":"echo","options":{"n":"\x00"}}', id="raw NUL"),
            pytest.param(b'{"type":"echo","options":{"n":"\xc0\xaf"}}', id="overlong"),
            pytest.param(b'{"type":"echo","options":{"n":"\xed\xa0\x80"}}', id="surrogate in UTF-8"),
            pytest.param('{"type":"echo"}'.encode("utf-16"), id="UTF-16"),
            pytest.param(b'\xef\xbb\xbf{"type":"echo"}', id="byte order mark"),
            pytest.param(b'{"type":"echo","type":"sleep"}', id="duplicate key"),
            pytest.param(b'{"type":"echo"}{"type":"echo"}', id="two values"),
            pytest.param(b"", id="nothing"),
            pytest.param(b"null", id="null"),
            pytest.param(b'"echo"', id="a text"),
            pytest.param(b"[]", id="a list"),
            pytest.param(b"{", id="half"),
        ],
    )
    def test_are_refused(self, http: httpx.Client, path: str, body: bytes) -> None:
        is_refused(http.post(path, content=body, headers=JSON))

    @pytest.mark.parametrize(("path", "size"), [("/v1/tasks", 1 << 20), ("/v1/workflows", 4 << 20)])
    def test_are_refused_when_they_are_too_large(self, http: httpx.Client, path: str, size: int) -> None:
        body = b'{"type":"echo","options":{"n":"' + b"x" * size + b'"}}'

        is_refused(http.post(path, content=body, headers=JSON), 413, "too_large")

    @pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data", "x"])
    def test_are_refused_when_they_are_something_else(self, http: httpx.Client, content_type: str) -> None:
        answer = http.post("/v1/tasks", content=b'{"type":"echo"}', headers={"Content-Type": content_type})

        is_refused(answer, 415, "unsupported_media_type")

    def test_are_read_as_utf_8_whatever_charset_they_claim(self, http: httpx.Client) -> None:
        body = json.dumps({"type": "echo", "options": {"n": "ü"}}, ensure_ascii=False).encode("latin-1")
        headers = {"Content-Type": "application/json; charset=iso-8859-1"}

        is_refused(http.post("/v1/tasks", content=body, headers=headers), 422, "invalid_json")

    def test_of_yaml_may_not_blow_up(self, http: httpx.Client) -> None:
        bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
        )

        is_refused(http.post("/v1/workflows", content=bomb, headers={"Content-Type": "application/yaml"}))


class TestLargeValues:
    @pytest.mark.parametrize(
        "fields",
        [
            {"type": "x" * 100_000},
            {"user_id": "x" * 100_000},
            {"depends_on": ["x" * 100_000]},
            {"depends_on": [f"t{index}" for index in range(50_000)]},
            {"labels": {f"k{index}": "v" for index in range(50_000)}},
            {"labels": {"k": "v" * 500_000}},
            {"input_file": "a/" * 5_000 + "b"},
            {"callback_url": "http://a/" + "x" * 100_000},
            {"priority": 10**18},
            {"retry_delay": 1e308},
            {"max_retries": -1},
        ],
        ids=lambda fields: next(iter(fields)),
    )
    def test_are_refused(self, http: httpx.Client, fields: dict[str, Any]) -> None:
        is_refused(http.post("/v1/tasks", json={"type": "echo", **fields}))


class TestForms:
    PLAIN = b'--b\r\nContent-Disposition: form-data; name="path"\r\n\r\na.txt\r\n'
    FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello\r\n'

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            pytest.param("multipart/form-data", PLAIN + FILE + b"--b--\r\n", id="no boundary"),
            pytest.param(
                "multipart/form-data; boundary=c", PLAIN + FILE + b"--b--\r\n", id="another boundary"
            ),
            pytest.param("multipart/form-data; boundary=b", PLAIN + FILE[:-20], id="cut off"),
            pytest.param("multipart/form-data; boundary=b", b"", id="nothing"),
            pytest.param("multipart/form-data; boundary=b", b"--b\r\nx\r\n\r\n--b--", id="no disposition"),
            pytest.param("multipart/form-data; boundary=b", FILE + b"--b--\r\n", id="no path"),
            pytest.param("multipart/form-data; boundary=b", PLAIN + b"--b--\r\n", id="no file"),
            pytest.param(
                "multipart/form-data; boundary=b", PLAIN * 50 + FILE + b"--b--\r\n", id="many fields"
            ),
            pytest.param("multipart/form-data; boundary=b", PLAIN + FILE * 9 + b"--b--\r\n", id="many files"),
            pytest.param("multipart/form-data; boundary=b", b"\xff\xfe" * 1000, id="rubbish"),
            pytest.param(
                "multipart/form-data; boundary=b",
                PLAIN.replace(b"a.txt", b"x" * 10_000) + FILE + b"--b--\r\n",
                id="a long field",
            ),
        ],
    )
    def test_that_are_broken_are_refused(self, http: httpx.Client, content_type: str, body: bytes) -> None:
        answer = http.post("/v1/files", content=body, headers={"Content-Type": content_type})

        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


class TestPathsThatLeaveTheStorage:
    PATHS = (
        "..%2f..%2fetc%2fpasswd",
        "a%2f..%2f..%2fb",
        "%2e%2e/x",
        "..%5c..%5cx",
        "%2fetc%2fpasswd",
        "a%00.txt",
        "a%0d%0aSet-Cookie:x",
        "file:%2f%2f%2fetc%2fpasswd",
        "http:%2f%2flocalhost%2fx",
        "filemill:%2f%2fhost%2fx",
        "objects/uploads/x",
        "a//b",
        "./a",
    )

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
    def test_are_refused(self, stack: Stack, method: str, path: str) -> None:
        answer = raw(stack, f"{method} /v1/files/{path} HTTP/1.1")

        assert answer.startswith((b"HTTP/1.1 422", b"HTTP/1.1 404")), answer[:500]
        head, _, _ = answer.partition(b"\r\n\r\n")
        assert b"set-cookie" not in head.lower()

    @pytest.mark.parametrize("path", ["%c0%ae%c0%ae/x", "%ff", "%ed%a0%80", "%252e%252e%252fx"])
    def test_of_bad_unicode_are_a_name_or_refused(self, stack: Stack, path: str) -> None:
        answer = raw(stack, f"PUT /v1/files/{path} HTTP/1.1")

        assert answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 422")), answer[:500]
        assert not (stack.plan.home / "x").exists()

    @pytest.mark.parametrize("path", ["../x", "/etc/passwd", "file:///etc/passwd", "a\\..\\b", "\0"])
    @pytest.mark.parametrize("field", ["input_file", "output_file"])
    def test_are_refused_in_a_task(self, http: httpx.Client, field: str, path: str) -> None:
        is_refused(http.post("/v1/tasks", json={"type": "echo", field: path}))


class TestAbsurdParameters:
    @pytest.mark.parametrize(
        "path",
        [
            "/v1/tasks?limit=0",
            "/v1/tasks?limit=99999999999999999999",
            "/v1/tasks?limit=1e3",
            "/v1/tasks?cursor=" + "A" * 400,
            "/v1/tasks?cursor=%00",
            "/v1/tasks?cursor=WzFlOTksImEiXQ",
            "/v1/tasks?cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDcsImEiXQ",
            "/v1/tasks?created_after=+999999999-01-01T00:00:00Z",
            "/v1/tasks?created_after=2026-13-45T00:00:00Z",
            "/v1/tasks?status=%00",
            "/v1/tasks?label=" + "x" * 1000,
        ],
    )
    def test_are_refused(self, http: httpx.Client, path: str) -> None:
        is_refused(http.get(path))

    @pytest.mark.parametrize(
        "asked",
        [
            "bytes=0-18446744073709551616",
            "bytes=99999999999999999999-",
            "bytes=-99999999999999999999",
            "bytes=5-1",
            "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
            "bytes=a-b",
            "lines=1-2",
            "bytes=--1",
            "\u0661-",
        ],
    )
    def test_of_ranges_give_the_file_or_a_refusal(self, http: httpx.Client, asked: str) -> None:
        http.put("/v1/files/ranges.txt", content=b"hello").raise_for_status()
        answer = http.get("/v1/files/ranges.txt", headers={b"Range": asked.encode()})

        assert answer.status_code in {200, 206, 416}
        assert answer.status_code == 416 or answer.content == b"hello"

    @pytest.mark.parametrize("last", ["-1", "9" * 17, "9" * 400, "1e5", "\u0661", "$gt", "", "null"])
    def test_of_a_stream_begin_it_anew(self, user: User, last: str) -> None:
        task = user.task("echo")
        user.ended_task(task)
        answer = user.http.get(f"/v1/tasks/{task}/events", headers={b"Last-Event-ID": last.encode()})

        assert answer.status_code == 200
        assert answer.text.count("event: end") == 1

    @pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\u00fc", "a\tb"])
    def test_of_a_key_are_refused(self, http: httpx.Client, key: str) -> None:
        answer = http.post("/v1/tasks", json={"type": "echo"}, headers={b"Idempotency-Key": key.encode()})

        is_refused(answer, 422, "invalid_idempotency_key")

    @pytest.mark.parametrize(
        "trace", ["x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-" + "g" * 32, "\u00fc"]
    )
    def test_of_a_trace_do_no_harm(self, user: User, trace: str) -> None:
        answer = user.http.post("/v1/tasks", json={"type": "echo"}, headers={b"traceparent": trace.encode()})

        assert user.ended_task(answer.json()["id"])["status"] == "completed"


class TestRequestsThatAreNoHttp:
    @pytest.mark.parametrize(
        "head",
        [
            "GET /v1/tasks HTTP/1.1\r\nX: " + "x" * 1_000_000,
            "GET /v1/tasks HTTP/1.1\r\n" + "\r\n".join(f"x{n}: y" for n in range(20_000)),
            "GET /v1/tasks?" + "x" * 1_000_000 + " HTTP/1.1",
            "POST /v1/tasks HTTP/1.1\r\ncontent-length: -1",
            "POST /v1/tasks HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6",
            "POST /v1/tasks HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5",
            "\0\0\0\0",
        ],
        ids=lambda head: head[:20].strip("\0") or "NUL",
    )
    def test_are_refused_and_the_gateway_goes_on(self, stack: Stack, user: User, head: str) -> None:
        answer = raw(stack, head)

        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
        assert user.ended_task(user.task("echo"))["status"] == "completed"


def raw(stack: Stack, head: str) -> bytes:
    """Send what no client would, and read until the gateway has said enough."""
    port = urlsplit(stack.plan.address("gateway")).port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(f"{head}\r\nhost: filemill\r\nconnection: close\r\n\r\n0\r\n\r\n".encode())
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
        except ConnectionError:  # it hung up before all was sent
            return b""
    return answer
