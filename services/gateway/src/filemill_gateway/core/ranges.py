"""Ranges and conditions of RFC 9110: which bytes of a file a request wants, and whether any."""

import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from filemill_common.events import StoredFile

_SINGLE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII)
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Whole:
    """All of the file."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from ``start`` to before ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """No byte of the file is in the range."""


@dataclass(frozen=True, slots=True)
class NotModified:
    """The client has it already."""


Wanted = Whole | Part | Unsatisfiable | NotModified


def wanted(
    file: StoredFile, *, byte_range: str | None, if_range: str | None, if_none_match: str | None
) -> Wanted:
    """Say what a request wants of a file.

    A range that is malformed, of another unit, or several at once is ignored, as RFC 9110 (14.2) allows.
    ``If-Range`` must be this very file's tag; a date never is.
    """
    if if_none_match is not None and _matches(if_none_match, etag(file)):
        return NotModified()
    if byte_range is None or (if_range is not None and if_range.strip() != etag(file)):
        return Whole()
    found = _SINGLE.fullmatch(byte_range.strip().replace(" ", ""))
    if found is None:
        return Whole()
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(0, file.size - int(suffix)), file.size
    else:
        start, end = int(first), min(file.size, int(last) + 1) if last else file.size
        if last and int(last) < start:
            return Whole()  # malformed
    return Part(start, end) if start < end else Unsatisfiable()


def etag(file: StoredFile) -> str:
    """Name the content of a file: a strong tag."""
    return f'"{file.digest}"'


def repr_digest(file: StoredFile) -> str:
    """Write a file's digest as RFC 9530 has it."""
    digest = bytes.fromhex(file.digest.removeprefix("sha256:"))
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def disposition(path: str) -> str:
    """Offer a file to be saved under its own name, whatever characters that has (RFC 6266, RFC 8187)."""
    name = path.rsplit("/", 1)[-1]
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def _matches(condition: str, tag: str) -> bool:
    return condition.strip() == "*" or tag in _TAG.findall(condition)
