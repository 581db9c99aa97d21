"""Filemill over HTTP: each method is one call, tried again while the gateway is away."""

import ipaddress
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast
from urllib.parse import quote

import httpx

from filemill_client import sse, transfers
from filemill_client.errors import InvalidArgumentError, NotFoundError, UnreachableError
from filemill_client.patience import PATIENCE, Notice, check, patiently
from filemill_client.shapes import (
    Json,
    Kind,
    MediaType,
    Page,
    StoredFile,
    Task,
    Template,
    Validation,
    Workflow,
)
from filemill_client.sse import StreamEvent
from filemill_client.transfers import Progress

Result = TypeVar("Result")

DEFAULT_URL: Final = "http://127.0.0.1:8080"

_TIMEOUT: Final = httpx.Timeout(30, connect=5)
_A_MOMENT: Final = httpx.Timeout(0.4, connect=5)
"""Within it a gateway shows what it has; it waits 2 s before it says that it has nothing."""

_URI: Final = "filemill:///"


class Client:
    """A gateway. Its methods block; threads may share it.

    Every method raises `UnreachableError` after ``patience`` seconds without an answer, `NotFoundError`
    for an id or path that stands for nothing, and `RefusedError` for any other no. What is created or
    commanded carries an ``Idempotency-Key``, so a call that is tried again happens once.

    Args:
        url: Address of the gateway; ``http`` or ``https``.
        patience: Seconds.
        notice: Told, in a sentence, when a call has to be tried again.

    Raises:
        InvalidArgumentError: ``url`` is none.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, patience: float = PATIENCE, notice: Notice = lambda _: None
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._notice = notice
        host = _host(self.url)
        # A proxy of the environment could not reach this machine's own gateway.
        self._http = httpx.Client(base_url=self.url, timeout=_TIMEOUT, trust_env=not _is_loopback(host))

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self._http.close()

    def create_workflow(
        self, body: Mapping[str, Any], *, key: str | None = None, start: bool = True
    ) -> Workflow:
        """Submit ``{definition, input}``, ``{template, input}`` or a bare definition.

        The same key again gives the same run. Without ``start`` it stays pending until `start` is called.
        """
        path = "/v1/workflows" if start else "/v1/workflows?start=false"
        return cast("Workflow", self._post(path, body, key))

    def validate(self, text: bytes, *, media_type: MediaType = "application/yaml") -> Validation:
        """Check a workflow without running it; what is wrong comes with its line and column in ``text``."""
        sent = {"content": text, "headers": {"Content-Type": media_type}}
        return cast("Validation", self._json("POST", "/v1/workflows/validate", **sent))

    def create_task(self, body: Mapping[str, Any], *, key: str | None = None) -> Task:
        """Submit a task of its own; the same key again gives the same task."""
        return cast("Task", self._post("/v1/tasks", body, key))

    def workflow(self, of: str) -> Workflow:
        """Show a workflow with its steps."""
        return cast("Workflow", self._get(_path("workflow", of)))

    def task(self, of: str) -> Task:
        """Show a task."""
        return cast("Task", self._get(_path("task", of)))

    def find(self, of: str) -> tuple[Kind, Workflow | Task]:
        """Show what has an id: a workflow, or else a task.

        A gateway waits before it says that it has no such workflow, for one that is very new; so that
        each look at a task does not cost that wait, the first question is a short one.
        """
        # Whatever becomes of the short questions, the last one tells.
        with suppress(httpx.HTTPError):
            answer = self._http.get(_path("workflow", of), timeout=_A_MOMENT)
            if answer.is_success:
                return "workflow", answer.json()
        with suppress(NotFoundError):
            return "task", self.task(of)
        try:
            return "workflow", self.workflow(of)
        except NotFoundError as error:
            document = error.document() | {"detail": f"there is no workflow and no task with the id {of!r}"}
            raise NotFoundError(error.status, document) from error

    def workflows(self, **filters: str | int | Sequence[str] | None) -> Page:
        """List workflows: by ``status``, ``name``, ``user_id``, ``limit``, ``cursor`` and so on."""
        return cast("Page", self._get("/v1/workflows", filters))

    def tasks(self, **filters: str | int | Sequence[str] | None) -> Page:
        """List tasks: by ``status``, ``type``, ``label`` (``key:value``), ``limit``, ``cursor`` and so on."""
        return cast("Page", self._get("/v1/tasks", filters))

    def deliveries(self, **filters: str | int | Sequence[str] | None) -> Page:
        """List messages to people and programs: by ``status``, ``task_id``, ``workflow_id`` and so on."""
        return cast("Page", self._get("/v1/deliveries", filters))

    def history(self, workflow_id: str, **filters: str | int | None) -> Page:
        """List what happened to a workflow, the oldest first; by ``limit`` and ``cursor``."""
        return cast("Page", self._get(f"{_path('workflow', workflow_id)}/history", filters))

    def export_history(self, workflow_id: str, target: Path) -> int:
        """Write a workflow's whole history to a local file, which is replaced; give its size in bytes.

        Raises:
            OSError: ``target`` cannot be written.
        """
        place = f"{_path('workflow', workflow_id)}/history/export"
        return self._patiently(lambda: transfers.write_lines(self._http, place, target))

    def parked(self, **filters: str | int | None) -> Page:
        """List messages that no service could use: by ``code``, ``queue``, ``limit`` and ``cursor``."""
        return cast("Page", self._get("/v1/parked", filters))

    def parked_message(self, of: str) -> Json:
        """Show a parked message with its content."""
        return self._get(_parked_path(of))

    def redrive(self, of: str) -> Json:
        """Send a parked message back to the queue it came from; gives ``{redriven, left, beyond}``."""
        return self._json("POST", f"{_parked_path(of)}/redrive")

    def redrive_many(self, *, code: str | None = None, queue: str | None = None) -> Json:
        """Send back what was parked for a reason or came from a queue; all of it, if neither is given."""
        return self._json("POST", "/v1/parked/redrive", params=_which(code, queue))

    def drop(self, of: str) -> Json:
        """Forget a parked message for ever; gives ``{dropped, beyond}``."""
        return self._json("DELETE", _parked_path(of))

    def drop_many(self, *, code: str | None = None, queue: str | None = None) -> Json:
        """Forget what was parked for a reason or came from a queue; all of it, if neither is given."""
        return self._json("DELETE", "/v1/parked", params=_which(code, queue))

    def task_types(self) -> list[Json]:
        """List the types of tasks, with the JSON Schema of the options of each."""
        return cast("list[Json]", self._get("/v1/task-types")["items"])

    def put_template(self, name: str, text: bytes, *, media_type: MediaType = "application/yaml") -> Template:
        """Keep a definition as the next version of a template; what is its newest already stays that."""
        sent = {"content": text, "headers": {"Content-Type": media_type}}
        return cast("Template", self._json("PUT", _template_path(name), **sent))

    def template(self, reference: str) -> Template:
        """Show a template: ``name`` for its newest version, or ``name@version``."""
        return cast("Template", self._get(_template_path(reference)))

    def templates(self, **filters: str | int | None) -> Page:
        """List templates by their newest versions; by ``limit`` and ``cursor``."""
        return cast("Page", self._get("/v1/templates", filters))

    def start(self, workflow_id: str, *, key: str | None = None) -> Json:
        """Ask for the start of a pending workflow; like all commands it gives it as it is at that moment."""
        return self._post(f"{_path('workflow', workflow_id)}/start", None, key)

    def pause(self, workflow_id: str, *, key: str | None = None) -> Json:
        """Ask that nothing new starts in a workflow."""
        return self._post(f"{_path('workflow', workflow_id)}/pause", None, key)

    def resume(self, workflow_id: str, *, key: str | None = None) -> Json:
        """Ask that a paused workflow goes on."""
        return self._post(f"{_path('workflow', workflow_id)}/resume", None, key)

    def rerun(
        self, workflow_id: str, *, step: str | None = None, index: int | None = None, key: str | None = None
    ) -> Json:
        """Ask that an ended workflow runs again: what failed, a step, or an item of a map."""
        asked = {"step": step, "index": index}
        body = {name: value for name, value in asked.items() if value is not None}
        return self._post(f"{_path('workflow', workflow_id)}/rerun", body, key)

    def signal(
        self, workflow_id: str, name: str, payload: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Json:
        """Send a signal to a workflow; the output of the step that waits for it is what comes with it."""
        path = f"{_path('workflow', workflow_id)}/signals/{quote(name, safe='')}"
        return self._post(path, payload or {}, key)

    def cancel(self, kind: Kind, of: str, *, key: str | None = None) -> Json:
        """Ask for the end of a workflow or task; gives it as it is at that moment."""
        return self._post(f"{_path(kind, of)}/cancel", None, key)

    def retry(self, task_id: str, *, key: str | None = None) -> Json:
        """Ask for another try at a failed or cancelled task; gives it as it is at that moment."""
        return self._post(f"{_path('task', task_id)}/retry", None, key)

    def delete(self, kind: Kind, of: str) -> Json:
        """Hide a workflow or task, and cancel it if it has not ended; gives it as it was."""
        return self._json("DELETE", _path(kind, of))

    def follow(self, kind: Kind, of: str, *, is_new: bool = False) -> Iterator[StreamEvent]:
        """Give what becomes of a workflow or task until it has ended, over as many connections as it takes.

        With ``is_new``, it was accepted just now, and may not be stored yet.
        """
        path = f"{_path(kind, of)}/events"
        return sse.follow(self._http, path, patience=self._patience, notice=self._notice, is_new=is_new)

    def upload(self, source: Path, path: str, *, progress: Progress = lambda _: None) -> StoredFile:
        """Store a local file under a path; what had the path before is replaced.

        ``progress`` is told how many bytes are sent; the number falls when a try begins anew.

        Raises:
            DamagedFileError: What arrived has another digest.
            OSError: ``source`` cannot be read.
        """
        place = _file_path(path)
        return self._patiently(lambda: transfers.upload(self._http, source, place, progress))

    def download(
        self, path: str, target: Path, *, progress: transfers.Transferred = lambda _, __: None
    ) -> transfers.Downloaded:
        """Store a file of the gateway in a local one, which is replaced once all of it is there.

        What has arrived stands beside it until then, under a name that ends in ``.part``; a download that
        was broken off goes on from there, if the file is still the same. ``progress`` is told how many bytes
        there are, and how many there will be.

        Raises:
            DamagedFileError: What arrived has another digest than the gateway says.
            OSError: ``target`` cannot be written.
        """
        place = _file_path(path)
        remote = self._patiently(lambda: transfers.look(self._http, place))
        part = transfers.part_of(target, remote)
        while True:
            have = part.stat().st_size if part.exists() else 0
            progress(have, remote.size)
            if have >= remote.size and part.exists():
                return transfers.finish(part, target, remote)
            self._patiently(lambda: transfers.fetch(self._http, place, part, remote, progress))

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Json:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        return self._json("GET", path, params=given)

    def _post(self, path: str, body: Mapping[str, Any] | None, key: str | None) -> Json:
        return self._json("POST", path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})

    def _json(self, method: str, path: str, **request: Any) -> Json:
        response = self._patiently(lambda: check(self._http.request(method, path, **request)))
        try:
            return cast("Json", response.json())
        except ValueError as error:
            raise UnreachableError(f"what answers at {self.url} is no gateway: it sent no JSON") from error

    def _patiently(self, call: Callable[[], Result]) -> Result:
        return patiently(call, url=self.url, seconds=self._patience, notice=self._notice)


def _path(kind: Kind, of: str) -> str:
    return f"/v1/{kind}s/{quote(of, safe='')}"


def _template_path(reference: str) -> str:
    return f"/v1/templates/{quote(reference, safe='@')}"


def _parked_path(of: str) -> str:
    return f"/v1/parked/{quote(of, safe='')}"


def _which(code: str | None, queue: str | None) -> dict[str, str]:
    given = {name: value for name, value in (("code", code), ("queue", queue)) if value is not None}
    return given or {"all": "true"}


def _file_path(path: str) -> str:
    """Give the address of a file by its path or ``filemill:///`` URI."""
    # Dots are escaped, or httpx would resolve them, and another address would be asked.
    segments = path.removeprefix(_URI).split("/")
    escaped = ("%2E" * len(each) if each in {".", ".."} else quote(each, safe="") for each in segments)
    return f"/v1/files/{'/'.join(escaped)}"


def _host(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidArgumentError(f"{url!r} is no address: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InvalidArgumentError(f"{url!r} is no address of a gateway, such as {DEFAULT_URL}")
    return parsed.host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
