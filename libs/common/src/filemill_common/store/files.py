"""Aliases: what a user calls a file, and the immutable object that the name stands for."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from filemill_common.events import StoredFile
from filemill_common.store.client import Document, Session, Store, translated
from filemill_common.store.indexes import FILES


def alias_id(tenant: str, path: str) -> str:
    """Name the document of an alias."""
    return f"{tenant}:{path}"


def alias_update(tenant: str, file: StoredFile, *, at: datetime) -> UpdateOne:
    """Make ``file.path`` stand for ``file.object``; the last alias written wins.

    The gateway (uploads) and the scheduler (accepted outputs) write aliases through this alone.
    Raises the version, so that a reader that saw an older one can tell.
    """
    return UpdateOne(
        {"_id": alias_id(tenant, file.path or "")},
        {
            "$set": {"tenant": tenant, "updated_at": at, **file.model_dump(mode="json")},
            "$inc": {"version": 1},
        },
        upsert=True,
    )


class Files:
    """The aliases in MongoDB."""

    def __init__(self, store: Store) -> None:
        self._files = store.collection(FILES)

    async def get(self, tenant: str, path: str) -> StoredFile | None:
        """Tell what a path stands for now, or None."""
        found = await self.get_many([(tenant, path)])
        return found.get((tenant, path))

    async def get_many(
        self, wanted: Iterable[tuple[str, str]], *, session: Session | None = None
    ) -> dict[tuple[str, str], StoredFile]:
        """Tell what paths stand for, by tenant and path; one that stands for nothing is left out."""
        ids = [alias_id(tenant, path) for tenant, path in wanted]
        with translated():
            documents = await self._files.find({"_id": {"$in": ids}}, session=session).to_list(None)
        return {(document["tenant"], document["path"]): _stored(document) for document in documents}

    async def put(self, tenant: str, path: str, file: StoredFile, *, at: datetime) -> StoredFile:
        """Let ``path`` stand for ``file`` from now on, and give the file under that path."""
        named = file.model_copy(update={"path": path})
        with translated():
            await self._files.bulk_write([alias_update(tenant, named, at=at)])
        return named


def _stored(document: Document) -> StoredFile:
    fields: dict[str, Any] = {name: document[name] for name in StoredFile.model_fields if name in document}
    return StoredFile(**fields)
