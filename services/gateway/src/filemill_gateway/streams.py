"""Live streams: a snapshot, then changes, then the end; whatever gets lost is found by looking again."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from fastapi.sse import ServerSentEvent

from filemill_common.events import Event
from filemill_common.store import StoreUnavailableError
from filemill_gateway.core.changes import Position, change, ends
from filemill_gateway.live import Watcher


@dataclass(frozen=True, slots=True)
class Shown:
    """What a stream shows whole.

    Attributes:
        text: As JSON, in the shape that GET gives.
        versions: Of each task and run in it.
        is_final: Whether nothing more is to be told.
    """

    text: str
    versions: Mapping[str, int]
    is_final: bool = False


class Source(Protocol):
    """Where a stream looks."""

    @property
    def topic(self) -> str:
        """The id of the task or run, or ``EVERYTHING``."""
        ...

    async def look(self) -> Shown | None:
        """Show it as it is stored; None once it is gone."""
        ...

    async def has_moved(self, position: int, last: Shown) -> bool:
        """Say whether more is stored than the client has seen."""
        ...


async def follow(
    source: Source, watcher: Watcher, shown: Shown, *, position: Position, repair: float
) -> AsyncIterator[ServerSentEvent]:
    """Tell a client of everything that becomes of what it watches.

    The watcher was there before ``shown`` was read, so nothing between is missed. Live events are
    transient: after ``repair`` seconds of silence the stream looks whether one was lost, and a client
    that reads too slowly gets a fresh snapshot instead of what it missed.
    """
    yield _sse("snapshot", shown.text, position)
    is_stale = has_ended = False
    while not shown.is_final:
        arrived = await watcher.wait(repair)
        if watcher.is_over:
            return
        events = watcher.take()
        is_stale |= events is None
        for event, told in _changes(events or (), position):
            yield _sse("change", told, position)
            has_ended |= ends(event, source.topic)
        # With the store away: look again at the next event, or after the next silence.
        with suppress(StoreUnavailableError):
            is_stale |= not arrived and await source.has_moved(position.value, shown)
            if is_stale or has_ended:
                found = await source.look()
                if found is None:
                    return
                position.restart(found.versions)
                if is_stale and not found.is_final:
                    yield _sse("snapshot", found.text, position)
                shown, is_stale, has_ended = found, False, False
    yield _sse("end", shown.text, position)


def _changes(events: Iterable[Event], position: Position) -> Iterator[tuple[Event, str]]:
    """Give those events that are news to the client, as they are written to it."""
    for event in events:
        told = change(event)
        if told is not None and position.advance(event):
            yield event, told


def _sse(kind: str, text: str, position: Position) -> ServerSentEvent:
    return ServerSentEvent(event=kind, raw_data=text, id=str(position.value))
