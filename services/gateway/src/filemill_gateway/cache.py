"""A small cache in the process, in front of the store's."""

from collections import OrderedDict
from datetime import datetime, timedelta

from filemill_common.events import JsonObject
from filemill_gateway import metrics


class MetadataCache:
    """Metadata by digest, in the process: the last used, for a time.

    Args:
        size: The most files that are remembered.
        life: How long each is.
    """

    def __init__(self, *, size: int, life: timedelta) -> None:
        self._size = size
        self._life = life
        self._entries: OrderedDict[str, tuple[datetime, JsonObject]] = OrderedDict()

    def get(self, digest: str, *, now: datetime) -> JsonObject | None:
        """Give what is remembered of a content."""
        until, found = self._entries.get(digest, (now, {}))
        if until <= now:
            self._entries.pop(digest, None)
            return None
        self._entries.move_to_end(digest)
        return found

    def put(self, digest: str, metadata: JsonObject, *, now: datetime) -> None:
        """Remember the metadata of a content, and forget what was used longest ago."""
        self._entries[digest] = (now + self._life, metadata)
        self._entries.move_to_end(digest)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
        metrics.entries.set(len(self._entries))
