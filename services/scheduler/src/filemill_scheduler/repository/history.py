"""The history of runs as documents: some events each, in the order in which they were folded.

A document's id is its run's and a number that grows, so the index that every collection has finds a run's
history in its order, and no other is kept up.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from filemill_common.clock import EPOCH
from filemill_common.store import Document
from filemill_common.store.documents import history_id
from filemill_scheduler.core import Loaded
from filemill_scheduler.core.history import Folded

_MILLISECOND: Final = timedelta(milliseconds=1)
_FULL: Final = 1 << 20
"""Characters after which another document is begun; a larger event has a document alone."""

_LARGE: Final = 1 << 16
"""Characters from which on they are compressed: a definition shrinks to a tenth, and always has room."""


@dataclass(slots=True)
class _Chapter:
    """Some events of one run."""

    root: str
    tenant: str
    entries: list[str] = field(default_factory=list)
    runs: set[str] = field(default_factory=set)
    size: int = 0


class Historian:
    """Writes what became of a batch, each commit's after that of all that it follows from.

    The order is that of the store's time; but a commit comes after the last one written here, and after all
    that it has read was written. So it is right also where a scheduler takes over from another one whose
    reading of that time differs by a little.
    """

    def __init__(self) -> None:
        self._last = 0

    def documents(
        self, history: Iterable[Folded], loaded: Loaded, *, now: datetime, without: Iterable[str] = ()
    ) -> list[Document]:
        """Write the history of a batch, a document for each run; of runs that are deleted, nothing.

        Args:
            history: What became of the events.
            loaded: What was read to decide it.
            now: When it was decided.
            without: Runs that are deleted.
        """
        found = _chapters(history, frozenset(without))
        if not found:
            return []
        first = self._after(loaded, now)
        self._last = first + len(found) - 1
        return [_document(chapter, place, now) for place, chapter in enumerate(found, first)]

    def _after(self, loaded: Loaded, now: datetime) -> int:
        read = (each.updated_at for each in (*loaded.tasks.values(), *loaded.runs.values()) if each)
        written = max((moment for moment in read if moment is not None), default=EPOCH)
        return max(_number(now), _number(written) + 1 if written > now else 0, self._last + 1)


def _number(moment: datetime) -> int:
    return ((moment - EPOCH) // _MILLISECOND) << 16


def _chapters(history: Iterable[Folded], without: frozenset[str]) -> list[_Chapter]:
    found: list[_Chapter] = []
    open_: dict[str, _Chapter] = {}
    for folded in history:
        if folded.root in without:
            continue
        entry, runs = _entry(folded)
        chapter = open_.get(folded.root)
        if chapter is None or chapter.size + len(entry) > _FULL:
            chapter = open_[folded.root] = _Chapter(folded.root, folded.tenant)
            found.append(chapter)
        chapter.entries.append(entry)
        chapter.runs |= runs
        chapter.size += len(entry)
    return found


def _entry(folded: Folded) -> tuple[str, set[str]]:
    """Write what became of an event; name the runs within the outermost one that it concerned.

    The outermost one is named by the document, and so in no event (`history_entries` names it again).
    """
    said, root = folded.document(), folded.root
    runs = set()
    for each in (said, *said.get("changes", ())):
        if each["run"] == root:
            del each["run"]
        else:
            runs.add(each["run"])
    event = folded.event
    known = {"partition_key"} if event.partition_key == root else None
    data = event.model_dump_json(exclude_defaults=True, exclude=known)
    text = json.dumps({**said, "type": event.type}, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"data":{data}}}', runs


def _document(chapter: _Chapter, place: int, now: datetime) -> Document:
    text = f"[{','.join(chapter.entries)}]"
    document: Document = {
        "_id": history_id(chapter.root, place),
        "workflow_id": chapter.root,
        "tenant": chapter.tenant,
        "at": now,
        "entries": zlib.compress(text.encode(), 1) if len(text) > _LARGE else text,
    }
    if chapter.runs:
        document["runs"] = sorted(chapter.runs)
    return document
