"""Paths as users may give them to files."""

from filemill_common.storage.paths import InvalidPathError, normalise

_KEPT = "/metadata"


def user_path(path: str) -> str:
    """Give a user's path or URI relative to the storage's root.

    Raises:
        InvalidPathError: It leaves the storage, or ends in ``/metadata``, where a file's metadata is read.
    """
    relative = normalise(path)
    if relative.endswith(_KEPT):
        raise InvalidPathError(f"{path[:80]!r} ends in '{_KEPT}', where a file's metadata is read")
    return relative
