"""For tests: a gateway that answers by a script, over real connections that it can also break."""

import base64
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, cast
from urllib.parse import parse_qs, unquote, urlsplit

from filemill_client.shapes import Json

_BEGINNING: Final = "2026-11-05T10:00:00.000Z"
_RANGE: Final = re.compile(r"bytes=(\d+)-")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gets.

    Attributes:
        then: ``cut`` breaks the connection after the body, before the length that was promised;
            ``hold`` leaves it open and silent until the gateway ends.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    then: Literal["end", "cut", "hold"] = "end"


Script = Answer | Callable[[Request], Answer]


class Gateway:
    """A server on a free port of this machine that says what it is told to say.

    Attributes:
        requests: All that were made, in order.
    """

    def __init__(self) -> None:
        """Take a port; until `serve` is entered, connections to it are refused."""
        self.requests: list[Request] = []
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self._server.gateway = self
        self._server.server_bind()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Answer until the block is left."""
        self._server.server_activate()
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._server.shutdown()
            thread.join()
            self.close()

    def close(self) -> None:
        """Give the port back."""
        self._server.server_close()

    def on(self, method: str, path: str, *scripts: Script) -> None:
        """Answer so, one after the other; the last one for ever."""
        self._scripts[method, path] = list(scripts)

    def put_file(
        self, path: str, content: bytes, *, cuts: Sequence[int] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        """Have a file; the connection breaks after so many bytes of the first, second … answer."""
        left = list(cuts)

        def answer(request: Request) -> Answer:
            found = _RANGE.fullmatch(request.headers.get("range", ""))
            start = int(found[1]) if found else 0
            digest = hashlib.sha256(content)
            said = {
                "ETag": f'"sha256:{digest.hexdigest()}"',
                "Repr-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
                "Content-Length": str(len(content) - start),
                **(headers or {}),
            }
            if request.method == "HEAD":
                return Answer(headers=said)
            body, then = content[start:], "end"
            if left:
                body, then = body[: left.pop(0)], "cut"
            return Answer(206 if found else 200, body, said, cast("Literal['end', 'cut']", then))

        self.on("GET", f"/v1/files/{path}", answer)
        self.on("HEAD", f"/v1/files/{path}", answer)

    def asked(self, method: str, path: str) -> list[Request]:
        """Give the requests of one kind."""
        return [each for each in self.requests if (each.method, each.path) == (method, path)]

    def answer(self, request: Request) -> Answer:
        """Say what the script says next."""
        self.requests.append(request)
        scripts = self._scripts.get((request.method, request.path))
        if scripts is None:
            return problem(404, "not_found", f"there is nothing at {request.path}")
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script if isinstance(script, Answer) else script(request)

    def wait_until_over(self) -> None:
        """Wait until it ends."""
        self._over.wait()


def shows(document: object, status: int = 200) -> Answer:
    """Answer with JSON."""
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def problem(
    status: int, code: str, detail: str, *problems: Json, headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer with a problem document."""
    document = {
        "type": f"urn:filemill:problem:{code}",
        "title": code,
        "status": status,
        "detail": detail,
        "code": code,
        "problems": problems,
    }
    said = {"Content-Type": "application/problem+json", **(headers or {})}
    return Answer(status, json.dumps(document).encode(), said)


def streams(*events: tuple[str, Json, int], then: Literal["end", "cut", "hold"] = "end") -> Answer:
    """Answer with server-sent events: kind, data and id of each."""
    text = "".join(
        f"event: {kind}\ndata: {json.dumps(data)}\nid: {at}\n\n: ping\n\n" for kind, data, at in events
    )
    return Answer(200, text.encode(), {"Content-Type": "text/event-stream; charset=utf-8"}, then)


def workflow(status: str = "running", **steps: str) -> Json:
    """Show a workflow ``w1`` whose steps have these statuses."""
    return {
        "id": "w1",
        "name": "films",
        "status": status,
        "progress": 0,
        "error": None,
        "created_at": _BEGINNING,
        "duration": 1.5 if status in {"completed", "failed", "cancelled"} else None,
        "steps": [step(name, of) for name, of in steps.items()],
    }


def step(name: str, status: str = "pending", **fields: Any) -> Json:
    """Show a step, whose task is ``t-`` and its name."""
    done = {"progress": 100, "output": {"file": f"filemill:///outputs/{name}.webm"}}
    return {
        "id": name,
        "type": "task",
        "status": status,
        "task_id": f"t-{name}",
        "attempt": 0 if status in {"pending", "ready", "skipped"} else 1,
        "progress": 0,
        "error": None,
        "reason": None,
        "output": None,
        **(done if status == "completed" else {}),
        **fields,
    }


def task(status: str = "running", **fields: Any) -> Json:
    """Show a task, ``t1`` and of type ``echo`` if nothing else is said."""
    return {
        "id": "t1",
        "type": "echo",
        "status": status,
        "progress": 100 if status == "completed" else 0,
        "attempt": 1,
        "message": None,
        "error": None,
        "created_at": _BEGINNING,
        **fields,
    }


def change(what: str, **views: Json) -> Json:
    """Make the data of a ``change``; with ``task`` or ``workflow``."""
    return {"type": f"io.filemill.{what}.v1", "time": _BEGINNING, **views}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    gateway: Gateway

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless it is only that a client went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self) -> None:
        """Answer one request."""
        gateway = cast("_Server", self.server).gateway
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = gateway.answer(Request(self.command, unquote(url.path), parse_qs(url.query), headers, body))
        self.send_response(answer.status)
        sent = {"Content-Length": str(len(answer.body)), **answer.headers}
        if answer.then != "end":
            sent["Content-Length"] = str(max(len(answer.body) + 1, int(sent["Content-Length"])))
            self.close_connection = True
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
            self.wfile.flush()
        if answer.then == "hold":
            gateway.wait_until_over()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do  # noqa: N815 - the names that the library calls

    def log_message(self, *_: object) -> None:
        """Keep quiet."""
