"""Saying what a file is."""

import asyncio
from pathlib import Path

from pydantic import JsonValue

from filemill_common.storage.sniff import HEAD, sniff
from filemill_worker.core.media import Media
from filemill_worker.errors import ProcessingError
from filemill_worker.media import MediaFile
from filemill_worker.processors.job import Product

_UNKNOWN = "application/octet-stream"
_MEDIA = frozenset({"video", "audio", "image"})


async def probe(media_file: MediaFile, source: Path) -> Product:
    """Describe a file; one that is no medium is described by its type alone.

    Returns:
        ``content_type`` and ``family``; for media ``streams``, and where there is one ``duration``
        (seconds), ``width`` and ``height`` (pixels, as shown).

    Raises:
        ProcessingError: It begins like a medium and is broken.
    """
    content_type = await asyncio.to_thread(_sniff, source)
    family = content_type.partition("/")[0]
    if family not in _MEDIA and content_type != _UNKNOWN:
        return Product({"content_type": content_type, "family": "text" if family == "text" else "other"})
    try:
        media = await media_file.probe()
    except ProcessingError as error:
        if content_type == _UNKNOWN and error.code in {"corrupt_input", "unsupported_input"}:
            return Product({"content_type": content_type, "family": "other"})
        raise
    return Product({"content_type": content_type, **_described(media)})


def _described(media: Media) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = {"family": media.family, "streams": list(media.streams)}
    if media.duration is not None:
        facts["duration"] = media.duration
    if media.picture is not None:
        facts |= {"width": media.picture.width, "height": media.picture.height}
    return facts


def _sniff(source: Path) -> str:
    with source.open("rb") as file:
        return sniff(file.read(HEAD))
