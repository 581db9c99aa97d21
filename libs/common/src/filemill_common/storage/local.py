"""The storage on a local (or mounted) file system."""

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from filemill_common.errors import FilemillError
from filemill_common.events import StoredFile
from filemill_common.storage.sniff import HEAD, sniff

_CHUNK: Final = 1 << 20
_OBJECT: Final = re.compile(r"objects/[A-Za-z0-9._/-]{1,400}")


class TooLargeError(FilemillError):
    """More bytes came than are allowed; none are kept."""

    code = "too_large"


class ObjectMissingError(FilemillError):
    """There is no such object in the storage."""

    code = "object_missing"


class StorageFullError(FilemillError):
    """The disk has no room left; it may have later."""

    code = "storage_full"
    retryable = True


class LocalStorage:
    """Immutable objects below one folder.

    An object appears whole or not at all: it is written beside its place, flushed to the disk and
    renamed. A name is never written twice; a second writer of the same name changes nothing.

    Args:
        root: Folder of the storage, made if it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        (self._root / "objects").mkdir(parents=True, exist_ok=True)

    async def write(self, name: str, chunks: AsyncIterator[bytes], *, limit: int) -> StoredFile:
        """Store what ``chunks`` give as object ``name``.

        Args:
            name: Such as ``objects/uploads/<id>``.
            chunks: The bytes, in order.
            limit: The most bytes that are allowed.

        Raises:
            TooLargeError: More than ``limit`` bytes came.
            StorageFullError: The disk is full.
        """
        beside = self._beside(name)
        try:
            with await asyncio.to_thread(beside.open, "xb") as target:
                digest, size, head = hashlib.sha256(), 0, b""
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise TooLargeError(f"the file has more than {limit} bytes, which is the limit")
                    head = head + chunk[: HEAD - len(head)] if len(head) < HEAD else head
                    await asyncio.to_thread(_append, target, digest, chunk)
                await asyncio.to_thread(_flush, target)
            await asyncio.to_thread(self._settle, beside, name)
        except OSError as error:
            raise _ours(error) from error
        finally:
            await asyncio.to_thread(beside.unlink, missing_ok=True)
        return StoredFile(
            object=name, size=size, digest=f"sha256:{digest.hexdigest()}", content_type=sniff(head)
        )

    async def adopt(self, name: str, path: Path) -> StoredFile:
        """Store a local file as object ``name``; the file itself is moved, or copied from another disk.

        Raises:
            StorageFullError: The disk is full.
        """
        return await asyncio.to_thread(self._adopt, name, path)

    def _adopt(self, name: str, path: Path) -> StoredFile:
        beside = self._beside(name)
        try:
            shutil.move(path, beside)
            with beside.open("rb+") as source:
                head = source.read(HEAD)
                source.seek(0)
                digest = hashlib.file_digest(source, "sha256").hexdigest()
                size = source.tell()
                _flush(source)
            self._settle(beside, name)
        except OSError as error:
            raise _ours(error) from error
        finally:
            beside.unlink(missing_ok=True)
        return StoredFile(object=name, size=size, digest=f"sha256:{digest}", content_type=sniff(head))

    async def read(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give the bytes of an object from ``start`` to before ``end``, in chunks of at most 1 MiB.

        Raises:
            ObjectMissingError: There is no such object.
        """
        path = self.local_path(name)
        with await asyncio.to_thread(path.open, "rb") as source:
            source.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                chunk = await asyncio.to_thread(source.read, _CHUNK if left is None else min(_CHUNK, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    def local_path(self, name: str) -> Path:
        """Give the place of an object on this machine; it may be read and must not be changed.

        Raises:
            ObjectMissingError: There is no such object.
        """
        path = self._place(name)
        if not path.is_file():
            raise ObjectMissingError(f"the storage has no object {name!r}")
        return path

    def _place(self, name: str) -> Path:
        if not _OBJECT.fullmatch(name) or ".." in name:
            raise ObjectMissingError(f"{name[:80]!r} is no name of an object")
        return self._root / name

    def _beside(self, name: str) -> Path:
        place = self._place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.with_name(f".{place.name}.{uuid4().hex}.part")

    def _settle(self, beside: Path, name: str) -> None:
        place = self._place(name)
        if not place.exists():
            beside.rename(place)
            folder = os.open(place.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _append(target: BinaryIO, digest: "hashlib._Hash", chunk: bytes) -> None:
    target.write(chunk)
    digest.update(chunk)


def _flush(target: BinaryIO) -> None:
    target.flush()
    os.fsync(target.fileno())


def _ours(error: OSError) -> Exception:
    return StorageFullError(f"the storage is full: {error.strerror}") if error.errno in {28, 122} else error
