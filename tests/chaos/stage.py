"""A small stack whose services chaos starts, with the witnesses of the journal around it."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

import aio_pika
import httpx

from filemill_local.plan import SERVICES
from filemill_local.stack import Stack
from filemill_local.user import User
from tests.chaos.checker import Verdict, check
from tests.chaos.dump import Json, dump
from tests.chaos.journal import Journal, Line, read

ROOT: Final = Path(__file__).parents[2]
OBSERVER: Final = "chaos.observer"


class Stage:
    """A stack, its user, and what is known of both.

    Attributes:
        stack: All of it runs.
        user: Speaks to the gateway.
        folder: Where the journal lies.
        sink: Address that notifications may be sent to.
        environment: What chaos tells the services.
    """

    def __init__(
        self, stack: Stack, user: User, journal: Journal, *, sink: str, environment: dict[str, str]
    ) -> None:
        self.stack = stack
        self.user = user
        self.environment = environment
        self.folder = journal.folder
        self.sink = sink
        self._journal = journal

    @classmethod
    @contextmanager
    def set(cls, folder: Path, *, bug: str = "", partitions: int = 1) -> Iterator[Self]:
        """Start a stack that keeps its journal in a folder, with a seeded bug if one is named."""
        folder.mkdir(parents=True, exist_ok=True)
        journal = Journal(folder, "stage")
        environment = {
            "FILEMILL_CHAOS_JOURNAL": str(folder),
            "FILEMILL_CHAOS_BUG": bug,
            "FILEMILL_PARTITIONS": str(partitions),
            "PYTHONPATH": str(ROOT),
        }
        commands = {name: command(name) for name in SERVICES}
        with (
            _sink(journal) as sink,
            Stack.temporary(commands=commands, settled=None, **environment) as stack,
            User(stack) as user,
        ):
            yield cls(stack, user, journal, sink=sink, environment=environment)

    async def observe(self) -> None:
        """Listen to all that is told, in a queue that outlives the broker."""
        async with await aio_pika.connect(self.stack.plan.rabbit_url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(OBSERVER, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind("filemill.events", "#")

    def workflow(self, definition: Json, *, key: str | None = None) -> str:
        """Submit a workflow until it is accepted."""
        return self._submitted("workflow", {"definition": definition, "input": {}}, key)

    def task(self, type_: str, *, key: str | None = None, **asked: object) -> str:
        """Submit a task until it is accepted."""
        return self._submitted("task", {"type": type_, **asked}, key)

    def _submitted(self, kind: str, body: Json, key: str | None) -> str:
        headers = {"Idempotency-Key": key} if key else {}

        def submit() -> Json | None:
            response = self.user.http.post(f"/v1/{kind}s", json=body, headers=headers)
            return dict(response.json()) if response.status_code == 202 else None

        made = self.user.eventually(submit, within=60)
        return self.accepted(kind, str(made["id"]), key=key)

    def accepted(self, kind: str, identity: str, *, key: str | None = None) -> str:
        """Note a request that was acknowledged; give its id."""
        self._journal.write("accepted", kind=kind, id=identity, key=key)
        return identity

    def commanded(self, task: str, name: str) -> None:
        """Note a command for a task that was acknowledged."""
        self._journal.write(
            "commanded", kind="task", id=task, command=name, command_id=f"{name} {task}", status=202
        )

    def plant(self, message_id: str) -> None:
        """Note that a message is sent on purpose which nobody can use."""
        self._journal.write("planted", message_id=message_id)

    def lines(self, what: str) -> list[Line]:
        """Give the lines of the journal that say something, so far."""
        return [line for line in read(self.folder) if line["what"] == what]

    def until(self, look: Callable[[], Any], *, within: float = 60) -> Any:
        """Look until there is something to be seen; give it."""
        return self.user.eventually(look, within=within)

    def queue(self, name: str, method: str = "GET") -> httpx.Response:
        """Ask the broker's management for a queue, or delete it."""
        management = f"http://127.0.0.1:{self.stack.plan.ports['management']}"
        with httpx.Client(base_url=management, auth=("guest", "guest"), trust_env=False) as client:
            return client.request(method, f"/api/queues/%2F/{name}")

    async def verdict(self, *, within: float) -> Verdict:
        """Wait until all is quiet, but not longer than so many seconds; then judge what was."""
        deadline = time.monotonic() + within
        found = self.dump()
        while not _is_quiet(found, self.lines("accepted")) and time.monotonic() < deadline:
            await asyncio.sleep(1)
            found = self.dump()
        await self._hear()
        return check(self.folder, found)

    def dump(self) -> Json:
        """Collect what lies there now."""
        plan = self.stack.plan
        return dump(plan.mongo_url, f"http://127.0.0.1:{plan.ports['management']}", plan.home / "files")

    async def _hear(self) -> None:
        """Note what was told."""
        async with await aio_pika.connect(self.stack.plan.rabbit_url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(OBSERVER)
            while (message := await queue.get(fail=False, no_ack=True)) is not None:
                events = json.loads(message.body)
                for event in events if isinstance(events, list) else [events]:
                    self._journal.write(
                        "told",
                        event_id=event["id"],
                        type=event["type"],
                        subject=event.get("subject"),
                        sequence=event["data"].get("sequence"),
                        data=event["data"],
                    )


def command(service: str, python: str = sys.executable) -> tuple[str, ...]:
    """Say how chaos starts a service."""
    return (python, "-m", "tests.chaos.service", service)


def _is_quiet(found: Json, accepted: list[Line]) -> bool:
    documents = {each["_id"]: each for name in ("tasks", "workflows") for each in found["collections"][name]}
    ended = all(
        documents.get(line["id"], {}).get("completed_at") is not None for line in accepted
    ) and not any(
        each.get("status") in {"pending", "ready", "running", "retrying"} for each in documents.values()
    )
    sent = all(each["status"] != "pending" for each in found["collections"]["deliveries"])
    queues = sum(
        count for name, count in found["queues"].items() if name.startswith(("sched", "work", "noti"))
    )
    return ended and sent and not queues and not found["collections"]["outbox"]


@contextmanager
def _sink(journal: Journal) -> Iterator[str]:
    """Receive notifications, note them and take them all."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            about = body.get("data", body)
            kind = "task" if "task_id" in about else "workflow"
            journal.write(
                "notified",
                webhook_id=self.headers["webhook-id"],
                kind=kind,
                id=about[f"{kind}_id"],
                type=f"{kind}.{about['status']}",
                answered=204,
            )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing; the journal does."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
