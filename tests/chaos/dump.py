"""What lies in the servers and on the disk when all is quiet, as one JSON document."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from pymongo import MongoClient

from tests.chaos.oplog import versions

Json = dict[str, Any]

COLLECTIONS: Final = ("workflows", "tasks", "outbox", "deliveries", "files")
WITNESSED: Final = ("workflows", "tasks")
_PARKING_LOT: Final = "parking-lot"
_HEAVY: Final = frozenset({"definition", "options", "template", "outputs", "traceparent"})
"""Fields that no rule looks at."""


def dump(mongo_url: str, management: str, files: Path) -> Json:
    """Collect the last state and its history, when all has been quiet for five seconds.

    So old the broker's counts of messages may be.

    Args:
        mongo_url: Where the replica set is.
        management: Address of RabbitMQ's management plugin, such as ``http://127.0.0.1:15672``.
        files: The storage's root folder.

    Returns:
        ``{collections: {name: [document]}, history: {name: {id: [version]}}, queues: {name: messages},
        parked: [{message_id, type, code, reason, queue}], digests: {object: digest}}``. Times are seconds
        since 1970. A version is the document as it lay, with ``at``, the moment at which it was written.

    Raises:
        LookupError: The replica set has forgotten the beginning.
    """
    with MongoClient[Json](mongo_url, tz_aware=True) as client:
        database = client["filemill"]
        collections = {
            name: [_light(document) for document in database[name].find({})] for name in COLLECTIONS
        }
        oplog = (
            client["local"]["oplog.rs"]
            .find({"ns": {"$in": [*_namespaces(), "admin.$cmd"]}})
            .sort("$natural", 1)
        )
        history = _histories(oplog)
    with httpx.Client(base_url=management, auth=("guest", "guest"), trust_env=False, timeout=30) as broker:
        queues = _queues(broker)
        parked = _parked(broker)
    found: Json = _plain(
        {
            "collections": collections,
            "history": history,
            "queues": queues,
            "parked": parked,
            "digests": _digests(files),
        }
    )
    return found


def save(found: Json, path: Path) -> None:
    """Keep a dump beside its journal."""
    path.write_text(json.dumps(found, ensure_ascii=False))


def load(path: Path) -> Json:
    """Read a dump again."""
    found: Json = json.loads(path.read_text())
    return found


def _namespaces() -> list[str]:
    return [f"filemill.{name}" for name in WITNESSED]


def _histories(oplog: Iterable[Json]) -> Json:
    histories: dict[str, dict[str, list[Json]]] = {name: {} for name in WITNESSED}
    for namespace, identity, version in versions(oplog, _namespaces()):
        of = histories[namespace.removeprefix("filemill.")]
        of.setdefault(identity, []).append(_light(version))
    return dict(histories)


def _light(document: Json) -> Json:
    return {name: value for name, value in document.items() if name not in _HEAVY}


def _queues(broker: httpx.Client) -> dict[str, int]:
    asked = {"disable_stats": "true", "enable_queue_totals": "true"}
    found = broker.get("/api/queues", params=asked).raise_for_status().json()
    return {queue["name"]: queue["messages"] for queue in found}


def _parked(broker: httpx.Client) -> list[Json]:
    """Look at what is parked, and leave it there."""
    asked = {"count": 10_000, "ackmode": "ack_requeue_true", "encoding": "auto"}
    found = broker.post(f"/api/queues/%2F/{_PARKING_LOT}/get", json=asked).raise_for_status().json()
    return [
        {
            "message_id": message["properties"].get("message_id"),
            "type": message["properties"].get("type"),
            "payload": message["payload"],
            **{
                name: message["properties"]["headers"].get(f"x-filemill-{name}")
                for name in ("code", "reason", "queue")
            },
        }
        for message in found
    ]


def _digests(files: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (files / "objects").rglob("*"):
        if path.is_file():
            with path.open("rb") as source:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
            found[str(path.relative_to(files))] = f"sha256:{digest}"
    return found


def _plain(value: Any) -> Any:
    """Give a value as JSON holds it; a moment becomes seconds since 1970."""
    match value:
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.timestamp()
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)
