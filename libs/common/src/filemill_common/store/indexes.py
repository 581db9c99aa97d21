"""What the collections are called, and their indexes."""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel

from filemill_common.store.client import Store, translated

TASKS: Final = "tasks"
WORKFLOWS: Final = "workflows"
OUTBOX: Final = "outbox"
LOCKS: Final = "locks"
FILES: Final = "files"
FILE_METADATA: Final = "file_metadata"
DELIVERIES: Final = "deliveries"
TEMPLATES: Final = "templates"
HISTORY: Final = "history"


def _when(field: str, *, name: str) -> IndexModel:
    """An index of the few documents that have a moment in ``field``."""
    return IndexModel([(field, ASCENDING)], name=name, partialFilterExpression={field: {"$type": "date"}})


def _gone_after(field: str) -> IndexModel:
    """Let the server remove a document when the moment in ``field`` has passed."""
    return IndexModel([(field, ASCENDING)], name="ttl", expireAfterSeconds=0)


INDEXES: Final[dict[str, tuple[IndexModel, ...]]] = {
    TASKS: (
        IndexModel([("workflow_id", ASCENDING), ("index", ASCENDING)], name="steps"),
        IndexModel([("tenant", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel(
            [("tenant", ASCENDING), ("status", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)],
            name="newest_by_status",
        ),
        _when("due_at", name="due"),
        _when("deadline", name="overdue"),
        _when("lease_until", name="lapsed"),
        _when("ready_at", name="untaken"),
        _gone_after("expires_at"),
    ),
    WORKFLOWS: (
        IndexModel([("tenant", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel(
            [("tenant", ASCENDING), ("status", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)],
            name="newest_by_status",
        ),
        _gone_after("expires_at"),
    ),
    OUTBOX: (IndexModel([("due_at", ASCENDING)], name="due"),),
    FILES: (IndexModel([("tenant", ASCENDING), ("path", ASCENDING)], name="path"),),
    FILE_METADATA: (_gone_after("expires_at"),),
    HISTORY: (
        # Of the few documents whose run was deleted; the names of all find those of a run, in their order.
        IndexModel(
            [("expires_at", ASCENDING)],
            name="ttl",
            expireAfterSeconds=0,
            partialFilterExpression={"expires_at": {"$type": "date"}},
        ),
    ),
    TEMPLATES: (
        IndexModel([("tenant", ASCENDING), ("name", ASCENDING), ("version", DESCENDING)], name="newest"),
    ),
}
"""Collection to its indexes; the notifier's own stand with its repository."""


async def ensure(store: Store, indexes: dict[str, tuple[IndexModel, ...]]) -> None:
    """Make the indexes that are missing; those that are there stay.

    Raises:
        StoreUnavailableError: MongoDB cannot be reached.
        StoreRefusedError: An index of that name is there with other fields.
    """
    with translated():
        for collection, models in indexes.items():
            await store.collection(collection).create_indexes(list(models))
