"""The store client: the way to MongoDB, and what the collections are called."""

from filemill_common.store.client import (
    Collection,
    ConflictError,
    Document,
    Session,
    Store,
    StoreRefusedError,
    StoreUnavailableError,
    translated,
)
from filemill_common.store.documents import task_view, workflow_input, workflow_view
from filemill_common.store.files import Files, alias_id, alias_update

__all__ = [
    "Collection",
    "ConflictError",
    "Document",
    "Files",
    "Session",
    "Store",
    "StoreRefusedError",
    "StoreUnavailableError",
    "alias_id",
    "alias_update",
    "task_view",
    "translated",
    "workflow_input",
    "workflow_view",
]
