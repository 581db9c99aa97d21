"""Files by URI: immutable objects under one root, and the paths that users call them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from filemill_common.events import StoredFile
from filemill_common.storage.local import LocalStorage, ObjectMissingError, StorageFullError, TooLargeError
from filemill_common.storage.paths import InvalidPathError, normalise, uri
from filemill_common.storage.sniff import sniff


class Storage(Protocol):
    """Where objects lie; a name is written once and never changes."""

    async def write(self, name: str, chunks: AsyncIterator[bytes], *, limit: int) -> StoredFile:
        """Store bytes under a new name."""
        ...

    async def adopt(self, name: str, path: Path) -> StoredFile:
        """Store a local file under a new name; the file is moved."""
        ...

    def read(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give the bytes from ``start`` to before ``end``."""
        ...

    def local_path(self, name: str) -> Path:
        """Give a place on this machine where the object can be read."""
        ...


__all__ = [
    "InvalidPathError",
    "LocalStorage",
    "ObjectMissingError",
    "Storage",
    "StorageFullError",
    "TooLargeError",
    "normalise",
    "sniff",
    "uri",
]
