"""The gateway's whole application over HTTP, on a real store and a real folder, with nothing behind it.

What would go to the broker is written as it would go there, and read again as the scheduler would, so a
request that only breaks what comes after the door is found here too.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from filemill_common.clock import utc_now
from filemill_common.events import Event
from filemill_common.messaging.codec import decode, encode, join
from filemill_common.storage import LocalStorage
from filemill_common.store import Files, Store
from filemill_gateway.admission import Admission
from filemill_gateway.app import create_app
from filemill_gateway.cache import MetadataCache
from filemill_gateway.core.templates import Template
from filemill_gateway.dependencies import Dependencies, Limits
from filemill_gateway.live import Hub
from filemill_gateway.queries import Queries
from filemill_gateway.repository import Templates
from filemill_gateway.testing import BEGINNING, Lot, World

STATUSES = ("pending", "ready", "running", "retrying", "completed", "failed", "cancelled")
ERROR = {"code": "input_not_found", "message": "there is no such file", "retryable": False}


class Publisher:
    """Takes only what another service can read again."""

    async def publish_or_raise(self, *events: Event) -> None:
        for event in events:
            body, content_type = join([encode(event, source="/filemill/gateway")])
            [read] = decode(body, content_type, {})
            assert type(read) is type(event), read
            assert read.id == event.id


def application(store: Store, files: Path, hub: Hub) -> Any:
    """Put the gateway together, as its process does."""
    needs = Dependencies(
        publisher=Publisher(),
        queries=Queries(store),
        templates=Templates(store),
        aliases=Files(store),
        storage=LocalStorage(files),
        hub=hub,
        metadata=MetadataCache(size=10, life=Limits().probe),
        now=utc_now,
        admission=Admission(at_once=64, backlog=10_000),
        lot=parked(),
        limits=Limits(upload=1 << 20),
    )
    return create_app(needs)


def parked() -> Lot:
    """Give a parking lot with what nobody could use in it."""
    lot = Lot()
    lot.put("p1", body=b"\x00\xff", headers={"$x": b"\xff", "nan": float("nan"), "": [None, {"a.b": 2**63}]})
    lot.put("p2", body=b'{"type": 7}', queue="", parked_at=None)
    for number in range(100):
        lot.put(f"m{number}")
    return lot


@contextmanager
def opened(mongo_url: str, files: Path) -> Iterator[str]:
    """Serve it on a port of loopback until the block is left; give its address.

    It does not wait for what may come later, and no stream lasts: its hub is at its end from the beginning.
    """
    started = threading.Event()
    server: list[uvicorn.Server] = []

    async def serve() -> None:
        store, hub = Store(mongo_url, app_name="fuzz"), Hub()
        await furnish(store)
        hub.end()
        app = application(store, files, hub)
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
        server.append(uvicorn.Server(config))
        serving = asyncio.create_task(server[0].serve())
        while not server[0].started:
            await asyncio.sleep(0.01)
        started.set()
        await serving
        store.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait(30)
    port = server[0].servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    try:
        httpx.put(f"{url}/v1/files/a/film.mp4", content=b"\0" * 1000).raise_for_status()
        yield url
    finally:
        server[0].should_exit = True
        thread.join()


async def furnish(store: Store) -> None:
    """Put tasks and workflows of every status, and deliveries, into the store."""
    nobody: Any = None
    world = World(nobody, nobody, store, nobody, nobody, nobody, nobody)
    for status in STATUSES:
        ended = {"error": ERROR, "completed_at": BEGINNING} if status == "failed" else {}
        done = (
            {"output": {"file": "filemill:///x.webm", "$or": [{"a.b": 1}]}} if status == "completed" else {}
        )
        await world.put_task(f"task-{status}", status=status, labels={"team": "x"}, **ended, **done)
        if status not in {"ready", "retrying"}:
            await world.put_workflow(f"run-{status}", status=status, definition=DEFINITION)
            await world.put_task(
                f"step-{status}", status=status, workflow_id=f"run-{status}", step_id="a", index=0, **ended
            )
    await furnish_templates(store)
    await store.collection("deliveries").replace_one(
        {"_id": "d1"},
        {"tenant": "default", "status": "pending", "task_id": "task-failed", "created_at": BEGINNING},
        upsert=True,
    )


DEFINITION = {
    "name": "films",
    "steps": [
        {"id": "a", "type": "task", "task": "echo"},
        {"id": "all", "type": "map", "items": "[1, 2]", "step": {"type": "task", "task": "echo"}},
        {"id": "go", "type": "wait", "signal": {"name": "go", "schema": {"required": ["ok"]}}},
    ],
}


async def furnish_templates(store: Store) -> None:
    """Put two versions of a template into the store."""
    for version in (1, 2):
        template = Template(
            name="films",
            version=version,
            description="",
            created_at=BEGINNING,
            definition=json.dumps(DEFINITION),
            digest=f"sha256:{version}",
            uses=(),
            depth=0,
        )
        await Templates(store).put(template)


KNOWN: dict[str, tuple[str, ...]] = {
    "task_id": ("step-failed", "step-running", *(f"task-{status}" for status in STATUSES)),
    "workflow_id": ("run-pending", "run-running", "run-completed", "run-failed", "run-cancelled"),
    "delivery_id": ("d1",),
    "path": ("a/film.mp4",),
    "name": ("films", "films@1", "go", "done"),
    "parked_id": ("p1", "p2", "m1"),
}
"""Ids that stand for something, by the name of the parameter."""
