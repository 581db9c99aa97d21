"""What a file is, told by its first bytes and never by its name or its sender."""

from typing import Final

import filetype

HEAD: Final = 8192
"""Bytes that are looked at."""

_TEXT: Final = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x100)) - {0x7F})


def sniff(head: bytes) -> str:
    """Tell the content type of a file by its first bytes.

    Args:
        head: The first ``HEAD`` bytes, or all if there are fewer.

    Returns:
        A media type; ``text/plain`` for text, ``application/octet-stream`` for what is unknown.
    """
    if not head:
        return "application/octet-stream"
    kind = filetype.guess(head)
    if kind is not None:
        return str(kind.mime)
    if head[:4] == b"glTF":
        return "model/gltf-binary"
    return "application/octet-stream" if head.translate(None, _TEXT) else "text/plain"
