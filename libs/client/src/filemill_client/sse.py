"""A live stream that survives its connection: opened again where it broke, until its end."""

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

import httpx
import httpx_sse

from filemill_client.errors import NotFoundError, UnreachableError
from filemill_client.patience import BROKEN, Notice, NotYetError, check, patiently
from filemill_client.shapes import Json

EventKind = Literal["snapshot", "change", "end"]

_TIMEOUT: Final = httpx.Timeout(45, connect=5)
"""Seconds without a byte after which a connection counts as broken; the gateway pings every 15."""

_PAUSE: Final = 0.2
"""Seconds between connections, so that a gateway that closes each one is not stormed."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a live stream.

    Attributes:
        event: ``snapshot`` and ``end`` show the whole task or workflow, ``change`` one thing that happened.
        id: Where the stream stands after it.
    """

    event: EventKind
    data: Json
    id: str


def follow(
    http: httpx.Client,
    path: str,
    *,
    patience: float,
    notice: Notice,
    is_new: bool = False,
) -> Iterator[StreamEvent]:
    """Give the events of a stream until its ``end``.

    A connection that breaks, or closes without ``end``, is opened again with ``Last-Event-ID``; the
    gateway then begins with a fresh snapshot. Leaving the iteration closes the connection. After
    ``patience`` seconds without a connection it is given up. With ``is_new``, what is followed was accepted
    just now, so that a 404 only means: not stored yet.

    Raises:
        UnreachableError: The time is over.
        RefusedError: The gateway does not give the stream.
    """
    last_id = ""

    def connect() -> Iterator[StreamEvent]:
        return _connected(http, path, last_id, held, is_new=is_new and not last_id)

    while True:
        with ExitStack() as held:
            events = patiently(connect, url=str(http.base_url), seconds=patience, notice=notice)
            for event in _until_broken(events):
                last_id = event.id or last_id
                yield event
                if event.event == "end":
                    return
        notice("the live stream broke; taking it up again")
        time.sleep(_PAUSE)


def _connected(
    http: httpx.Client, path: str, last_id: str, held: ExitStack, *, is_new: bool
) -> Iterator[StreamEvent]:
    """Connect and wait for the first event; ``held`` closes the connection, and an earlier one now."""
    held.close()
    headers = {"Last-Event-ID": last_id} if last_id else {}
    source = held.enter_context(httpx_sse.connect_sse(http, "GET", path, headers=headers, timeout=_TIMEOUT))
    try:
        check(source.response)
    except NotFoundError as error:
        if not is_new:
            raise
        raise NotYetError(f"it was accepted, and is not there yet ({error})") from error
    events = filter(None, map(_event, source.iter_sse()))
    try:
        first = next(events, None)
    except httpx_sse.SSEError as error:
        raise UnreachableError(f"{source.response.url} gives no event stream: {error}") from error
    if first is None:
        raise httpx.RemoteProtocolError("the stream closed before its first event")
    return itertools.chain((first,), events)


def _until_broken(events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    try:
        yield from events
    except BROKEN:
        return


def _event(sse: httpx_sse.ServerSentEvent) -> StreamEvent | None:
    """Read one event; pings, and kinds that are new to this client, are none."""
    if sse.event not in get_args(EventKind):
        return None
    return StreamEvent(cast("EventKind", sse.event), json.loads(sse.data), sse.id)
