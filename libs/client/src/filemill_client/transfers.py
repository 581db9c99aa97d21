"""Files on the way: in pieces, never whole in memory, and checked by their digest at the end."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import httpx

from filemill_client.errors import DamagedFileError
from filemill_client.patience import BROKEN, check
from filemill_client.shapes import StoredFile

Progress = Callable[[int], None]
Transferred = Callable[[int, int], None]

_CHUNK: Final = 1 << 18
"""Bytes that are read, sent or written at once."""

_SHA_256: Final = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")
_PLAIN: Final = {"Accept-Encoding": "identity"}
"""Ranges and digests are of the bytes as they are stored."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the gateway has it.

    Attributes:
        size: In bytes.
        tag: Its ``ETag``; empty if there is none, and then nothing can be taken up again.
        digest: ``sha256:`` and 64 hexadecimal digits; None if the gateway does not say.
    """

    size: int
    tag: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that has arrived.

    Attributes:
        size: In bytes.
        digest: ``sha256:`` and 64 hexadecimal digits.
        is_checked: Whether the gateway said the digest too, and it is the same.
    """

    target: Path
    size: int
    digest: str
    is_checked: bool


def upload(http: httpx.Client, source: Path, place: str, progress: Progress) -> StoredFile:
    """Send a file whole.

    Raises:
        DamagedFileError: It changed on the way, or the gateway has got something else.
    """
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        sent = 0
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            yield chunk
            progress(sent := sent + len(chunk))

    with source.open("rb") as file:
        length = source.stat().st_size
        try:
            answer = http.put(place, content=pieces(), headers={"Content-Length": str(length)})
        except httpx.LocalProtocolError as error:
            raise DamagedFileError(f"{source} changed while it was sent: {error}") from error
    stored = cast("StoredFile", check(answer).json())
    own = f"sha256:{digest.hexdigest()}"
    if stored["digest"] != own:
        raise DamagedFileError(f"{source} has the digest {own}, but {stored['digest']} has arrived")
    return stored


def look(http: httpx.Client, place: str) -> Remote:
    """Ask what a file is before its bytes are asked for."""
    answer = http.head(place, headers=_PLAIN)
    if answer.is_client_error:
        answer = http.get(place)  # for the problem document, which an answer to HEAD has not
    headers = check(answer).headers
    return Remote(int(headers["Content-Length"]), headers.get("ETag", ""), _digest(headers))


def part_of(target: Path, remote: Remote) -> Path:
    """Name the file beside ``target`` that keeps what has arrived; another content has another name."""
    if remote.tag:
        return target.with_name(f".{target.name}.{hashlib.sha256(remote.tag.encode()).hexdigest()[:12]}.part")
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    return part


def fetch(http: httpx.Client, place: str, part: Path, remote: Remote, progress: Transferred) -> None:
    """Get what is missing, as far as the connection lasts.

    Raises:
        DamagedFileError: The file is another one by now.
        httpx.TransportError: The connection broke before anything came.
    """
    have = part.stat().st_size if part.exists() and remote.tag else 0
    headers = dict(_PLAIN)
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": remote.tag}
    before = have
    with http.stream("GET", place, headers=headers) as answer:
        check(answer)
        if answer.headers.get("ETag", "") != remote.tag:
            raise DamagedFileError("the file was replaced while it was downloaded; download it again")
        if answer.status_code != 206:
            have = before = 0
        with part.open("ab" if have else "wb") as file:
            try:
                for chunk in answer.iter_raw():
                    file.write(chunk)
                    progress(have := have + len(chunk), remote.size)
            except BROKEN:
                if have == before:
                    raise


def finish(part: Path, target: Path, remote: Remote) -> Downloaded:
    """Check what has arrived, and put it in its place.

    Raises:
        DamagedFileError: It is not what the gateway has; it is removed.
    """
    with part.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    size = part.stat().st_size
    if size != remote.size or (remote.digest is not None and digest != remote.digest):
        part.unlink()
        message = f"{size} bytes with the digest {digest} arrived, and not {remote.size} with {remote.digest}"
        raise DamagedFileError(f"{message}; download it again")
    part.replace(target)
    return Downloaded(target, size, digest, is_checked=remote.digest is not None)


def write_lines(http: httpx.Client, place: str, target: Path) -> int:
    """Write lines to a local file, which is replaced once all have arrived; give its size in bytes.

    Raises:
        DamagedFileError: It ended before its end.
    """
    part = target.with_name(f".{target.name}.part")
    last = b""
    with http.stream("GET", place) as answer:
        check(answer)
        with part.open("wb") as file:
            for chunk in answer.iter_bytes():
                file.write(chunk)
                last = (last + chunk)[-1:]
    if last != b"\n":
        part.unlink()
        raise DamagedFileError("what arrived ends in the middle of a line; ask for it again")
    size = part.stat().st_size
    part.replace(target)
    return size


def _digest(headers: httpx.Headers) -> str | None:
    found = _SHA_256.search(headers.get("Repr-Digest", ""))
    return f"sha256:{base64.b64decode(found[1]).hex()}" if found else None
