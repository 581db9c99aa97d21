"""What a user may call a file: a path inside the storage, or ``filemill:///path``, which means the same."""

import re
from typing import Final

from filemill_common.errors import FilemillError

SCHEME: Final = "filemill://"
_LONGEST: Final = 1024
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\]|[\ud800-\udfff]")
_OTHER_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_OURS: Final = frozenset({"objects"})
"""First segments that hold the storage's own names."""


class InvalidPathError(FilemillError):
    """A path leaves the storage, or cannot be a path in it."""

    code = "invalid_path"


def normalise(path: str) -> str:
    """Give a user's path or URI as a path relative to the storage's root.

    Returns:
        Segments with ``/`` between them, none empty, ``.`` or ``..``; at most 1,024 characters.

    Raises:
        InvalidPathError: It is empty, absolute, too long, has ``.`` or ``..`` segments, a control
            character, a backslash, or another scheme such as ``file:`` or ``http:``.
    """
    relative = path
    if path.startswith(SCHEME):
        relative = path.removeprefix(SCHEME)
        if not relative.startswith("/"):
            raise InvalidPathError(f"{_shown(path)} names a host; write filemill:///path with three slashes")
        relative = relative[1:]
    elif _OTHER_SCHEME.match(path):
        raise InvalidPathError(f"{_shown(path)} is no path here; upload the file and use its path")
    if not relative:
        raise InvalidPathError("the path is empty")
    if len(relative) > _LONGEST:
        raise InvalidPathError(f"the path has {len(relative)} characters; {_LONGEST} are allowed")
    if _FORBIDDEN.search(relative):
        raise InvalidPathError(f"{_shown(path)} has a control character or a backslash")
    if relative.startswith("/"):
        raise InvalidPathError(f"{_shown(path)} is absolute; write it without the leading slash")
    segments = relative.split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise InvalidPathError(f"{_shown(path)} has an empty, '.' or '..' segment")
    if segments[0] in _OURS:
        raise InvalidPathError(f"'{segments[0]}/' is kept for the storage itself; choose another folder")
    return relative


def uri(path: str) -> str:
    """Write a normalised path as a URI."""
    return f"{SCHEME}/{path}"


def _shown(path: str) -> str:
    return repr(path[:80])
