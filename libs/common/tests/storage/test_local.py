import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from filemill_common.storage import LocalStorage, ObjectMissingError, TooLargeError


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def everything(storage: LocalStorage, name: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in storage.read(name, start, end)])


class TestAnObject:
    async def test_is_read_back_whole_or_in_part(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path)

        stored = await storage.write("objects/a", chunks(b"hello ", b"world"), limit=100)

        assert (stored.size, stored.content_type) == (11, "text/plain")
        assert stored.digest == "sha256:" + hashlib.sha256(b"hello world").hexdigest()
        assert await everything(storage, "objects/a") == b"hello world"
        assert await everything(storage, "objects/a", 4, 7) == b"o w"

    async def test_is_never_written_twice(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path)
        await storage.write("objects/a", chunks(b"first"), limit=100)

        await storage.write("objects/a", chunks(b"second"), limit=100)

        assert await everything(storage, "objects/a") == b"first"

    async def test_over_the_limit_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(TooLargeError):
            await LocalStorage(tmp_path).write("objects/a", chunks(b"12345", b"6"), limit=5)

        assert list((tmp_path / "objects").iterdir()) == []

    async def test_can_be_a_file_that_a_worker_made(self, tmp_path: Path) -> None:
        made = tmp_path / "scratch.png"
        made.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))

        stored = await LocalStorage(tmp_path / "root").adopt("objects/tasks/t/1-e.png", made)

        assert (stored.size, stored.content_type) == (28, "image/png")
        assert not made.exists()

    @pytest.mark.parametrize("name", ["objects/none", "../etc/passwd", "objects/../../x", "/etc/passwd", ""])
    async def test_that_is_not_there_is_said_to_be_missing(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ObjectMissingError):
            LocalStorage(tmp_path).local_path(name)
