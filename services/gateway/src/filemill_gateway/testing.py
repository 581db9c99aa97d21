"""For tests: a gateway over a real store and a real folder, with a bus that only remembers."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from filemill_common.errors import FilemillError
from filemill_common.events import Event, TaskCompleted, TaskProgressed, WorkflowCompleted, WorkflowStarted
from filemill_common.messaging import Look, Moved, Opened, ParkedMessage, Wanted
from filemill_common.messaging.lot import WINDOW
from filemill_common.storage import LocalStorage
from filemill_common.store import Document, Store, task_view, workflow_view
from filemill_common.store.documents import JSON_FIELDS, encode_json, encode_labels
from filemill_gateway.cache import MetadataCache
from filemill_gateway.live import Hub

BEGINNING = datetime.fromisoformat("2026-11-05T10:00:00.000Z")


class BrokerAwayError(FilemillError):
    """The broker is away, as the bus would say."""

    code = "broker_unavailable"
    retryable = True


@dataclass
class Publisher:
    """Remembers what was published."""

    published: list[Event] = field(default_factory=list)
    is_away: bool = False

    async def publish_or_raise(self, *events: Event) -> None:
        """Remember events, or say that the broker is away."""
        if self.is_away:
            raise BrokerAwayError("RabbitMQ is not reachable")
        self.published += events


@dataclass
class Lot:
    """Has what it is given, the oldest first, and remembers what was sent back."""

    parked: list[Opened] = field(default_factory=list)
    redriven: list[Opened] = field(default_factory=list)
    is_away: bool = False

    def put(self, id: str, *, body: bytes = b"", **fields: Any) -> None:  # noqa: A002 - the field's name
        """Park a message, with these headers if there are any."""
        headers = fields.pop("headers", {})
        known: dict[str, Any] = {
            "event_id": "e1",
            "event_type": "io.filemill.task.created.v1",
            "queue": "scheduler.0",
            "code": "invalid_event",
            "reason": "it is not valid",
            "parked_at": BEGINNING,
            "size": len(body),
        }
        self.parked.append(Opened(ParkedMessage(id=id, **known | fields), body, "", headers))

    async def look(self) -> Look:
        """Tell what lies there."""
        if self.is_away:
            raise BrokerAwayError("RabbitMQ is not reachable")
        return Look(tuple(each.message for each in self.parked), 0)

    async def open(self, of: str) -> Opened | None:
        """Show a message with its content."""
        return next((each for each in self.parked if each.message.id == of), None)

    async def redrive(self, wanted: Wanted, *, most: int = WINDOW) -> Moved:
        """Remember what was sent back; what came from no queue stays."""
        found = [each for each in self.parked if wanted(each.message)][:most]
        gone = [each for each in found if each.message.queue]
        self.redriven += gone
        self.parked = [each for each in self.parked if each not in gone]
        return Moved(len(gone), len(found) - len(gone), 0)

    async def drop(self, wanted: Wanted, *, most: int = WINDOW) -> Moved:
        """Forget messages."""
        gone = [each for each in self.parked if wanted(each.message)][:most]
        self.parked = [each for each in self.parked if each not in gone]
        return Moved(len(gone), 0, 0)


@dataclass
class World:
    """The gateway and all around it."""

    client: httpx.AsyncClient
    publisher: Publisher
    store: Store
    storage: LocalStorage
    hub: Hub
    metadata: MetadataCache
    lot: Lot

    @property
    def published(self) -> list[Event]:
        """All that was published, in order."""
        return self.publisher.published

    async def put_task(self, id: str = "t1", **fields: Any) -> Document:  # noqa: A002 - the field's name
        """Store a task, or what is left of one, as the scheduler does."""
        document = _task(id, fields)
        await self.store.collection("tasks").replace_one({"_id": id}, document, upsert=True)
        return document

    async def put_workflow(self, id: str = "w1", **fields: Any) -> Document:  # noqa: A002
        """Store a run, as the scheduler does."""
        document = _workflow(id, fields)
        await self.store.collection("workflows").replace_one({"_id": id}, document, upsert=True)
        return document

    async def put_file(self, path: str, content: bytes = b"hello") -> None:
        """Upload a file."""
        (await self.client.put(f"/v1/files/{path}", content=content)).raise_for_status()

    async def task_becomes(self, id: str = "t1", **fields: Any) -> None:  # noqa: A002
        """Store a task and tell of it; with version and status."""
        task = task_view(await self.put_task(id, **fields))
        kind = TaskCompleted if task.status.is_final else TaskProgressed
        await self.hub.tell(kind(task=task, sequence=fields["version"], time=BEGINNING))

    async def workflow_becomes(self, id: str = "w1", **fields: Any) -> None:  # noqa: A002
        """Store a run and tell of it; with version and status."""
        run = workflow_view(await self.put_workflow(id, **fields))
        kind = WorkflowCompleted if run.status.is_final else WorkflowStarted
        await self.hub.tell(kind(workflow=run, sequence=fields["version"], time=BEGINNING))

    async def asked(self, count: int = 1) -> list[Event]:
        """Wait until so much was published."""
        async with asyncio.timeout(5):
            while len(self.published) < count:  # noqa: ASYNC110 - a test may look
                await asyncio.sleep(0.005)
        return self.published


def _stored(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: encode_json(value) if name in JSON_FIELDS else value for name, value in fields.items()}


def _common(id: str, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
    return {
        "_id": id,
        "tenant": "default",
        "version": 1,
        "status": "pending",
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
        **_stored(fields),
    }


def _task(id: str, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
    labels = encode_labels(fields.pop("labels", {}))
    return {"type": "echo", "partition_key": fields.get("workflow_id", id), "labels": labels} | _common(
        id, fields
    )


def _workflow(id: str, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
    return {"name": "films"} | _common(id, fields)
