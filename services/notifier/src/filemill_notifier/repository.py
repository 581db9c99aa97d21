"""The delivery log: one document for each event and target, which several notifiers share by claim."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne

from filemill_common.clock import utc_now
from filemill_common.store import Document, Store, translated
from filemill_common.store.documents import decode_json, encode_json
from filemill_common.store.indexes import DELIVERIES
from filemill_notifier.core.deliveries import CLAIM, Delivery, Status, Try

_KEPT: Final = timedelta(days=30)

INDEXES: Final[dict[str, tuple[IndexModel, ...]]] = {
    DELIVERIES: (
        IndexModel(
            [("due_at", ASCENDING)], name="due", partialFilterExpression={"due_at": {"$type": "date"}}
        ),
        IndexModel([("tenant", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("task_id", ASCENDING)], name="task", sparse=True),
        IndexModel([("workflow_id", ASCENDING)], name="workflow", sparse=True),
        IndexModel([("created_at", ASCENDING)], name="ttl", expireAfterSeconds=int(_KEPT.total_seconds())),
    )
}


class Deliveries:
    """Deliveries in MongoDB.

    A claim moves ``due_at`` to its own end: what is claimed is not due, and what was claimed by somebody
    who died becomes due again.
    """

    def __init__(self, store: Store) -> None:
        self._deliveries = store.collection(DELIVERIES)

    async def add(self, deliveries: Sequence[Delivery]) -> tuple[Delivery, ...]:
        """Store new deliveries as they stand; give those that were not there yet.

        Raises:
            StoreUnavailableError: MongoDB cannot be reached.
        """
        if not deliveries:
            return ()
        writes: list[Any] = []
        for delivery in deliveries:
            document = _document(delivery)
            identity = document.pop("_id")
            writes.append(UpdateOne({"_id": identity}, {"$setOnInsert": document}, upsert=True))
        with translated():
            result = await self._deliveries.bulk_write(writes, ordered=False)
        return tuple(deliveries[place] for place in sorted(result.upserted_ids or {}))

    async def claim(self, *, not_to: Sequence[str] = ()) -> Delivery | None:
        """Take the delivery that has been due longest; None if none is due.

        Args:
            not_to: Hosts that are left alone.
        """
        now = utc_now()
        with translated():
            document = await self._deliveries.find_one_and_update(
                {"due_at": {"$lte": now}, "host": {"$nin": list(not_to)}},
                {"$set": {"due_at": now + CLAIM}},
                sort=[("due_at", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return _delivery(document) if document else None

    async def get(self, delivery_id: str) -> Delivery | None:
        """Give a delivery, or None."""
        with translated():
            document = await self._deliveries.find_one({"_id": delivery_id})
        return _delivery(document) if document else None

    async def put(self, delivery: Delivery, *, held: datetime | None) -> bool:
        """Store what became of a delivery, unless somebody else took it meanwhile; tell which.

        Args:
            delivery: As it shall stand.
            held: Its ``due_at`` as it was read: where the claim ends.
        """
        document = _document(delivery)
        identity = document.pop("_id")
        with translated():
            result = await self._deliveries.update_one({"_id": identity, "due_at": held}, {"$set": document})
        return result.matched_count == 1

    async def due(self, *, before: datetime) -> int:
        """Count what is due and not claimed."""
        with translated():
            return await self._deliveries.count_documents({"due_at": {"$lte": before}})


def _document(delivery: Delivery) -> Document:
    plain = asdict(delivery)
    return {
        **plain,
        "_id": plain.pop("id"),
        "host": delivery.host,
        "status": delivery.status.value,
        "payload": encode_json(delivery.payload),
    }


def _delivery(document: Document) -> Delivery:
    known = {each.name for each in fields(Delivery)}
    given = {name: value for name, value in document.items() if name in known}
    return Delivery(
        **{
            **given,
            "id": document["_id"],
            "status": Status(document["status"]),
            "payload": decode_json(document["payload"]),
            "tries": tuple(Try(**each) for each in document["tries"]),
        }
    )
