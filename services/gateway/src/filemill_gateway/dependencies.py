"""What the routes work with, put together once and handed to each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Protocol

from fastapi import Depends, Request

from filemill_common.events import Event, StoredFile
from filemill_common.messaging import Look, Moved, Opened, Wanted
from filemill_common.messaging.lot import WINDOW
from filemill_common.storage import Storage
from filemill_gateway.admission import Admission
from filemill_gateway.cache import MetadataCache
from filemill_gateway.live import Hub
from filemill_gateway.queries import Queries
from filemill_gateway.repository import Templates

TENANT = "default"


class Publisher(Protocol):
    """The part of the bus that requests need."""

    async def publish_or_raise(self, *events: Event) -> None:
        """Publish with confirm."""
        ...


class Aliases(Protocol):
    """What paths stand for."""

    async def get(self, tenant: str, path: str) -> StoredFile | None:
        """Tell what a path stands for now, or None."""
        ...

    async def put(self, tenant: str, path: str, file: StoredFile, *, at: datetime) -> StoredFile:
        """Let a path stand for a file."""
        ...


class Lot(Protocol):
    """The parking lot."""

    async def look(self) -> Look:
        """Tell what lies there, the oldest first."""
        ...

    async def open(self, of: str) -> Opened | None:
        """Show a message with its content."""
        ...

    async def redrive(self, wanted: Wanted, *, most: int = WINDOW) -> Moved:
        """Send messages back to where they came from."""
        ...

    async def drop(self, wanted: Wanted, *, most: int = WINDOW) -> Moved:
        """Forget messages for ever."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what is accepted and waited for.

    Attributes:
        body: Bytes of a request.
        definition: Bytes of a request with a definition.
        signal: Bytes of what comes with a signal.
        upload: Bytes of a file.
        arrive: How long a body may take to arrive.
        appear: How long an unknown id may take to appear.
        probe: How long a request waits for the metadata of a file.
        repair: How long a live stream may be silent before it looks whether something was lost.
    """

    body: int = 1 << 20
    definition: int = 4 << 20
    signal: int = 64 << 10
    upload: int = 10 << 30
    arrive: timedelta = timedelta(seconds=10)
    appear: timedelta = timedelta(seconds=2)
    probe: timedelta = timedelta(seconds=5)
    repair: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """All that the gateway needs of the world.

    Attributes:
        metrics_url: Where people look at metrics, for the page to link to.
    """

    publisher: Publisher
    queries: Queries
    templates: Templates
    aliases: Aliases
    storage: Storage
    hub: Hub
    metadata: MetadataCache
    now: Callable[[], datetime]
    admission: Admission
    lot: Lot
    limits: Limits = Limits()
    metrics_url: str | None = None


def _of(request: Request) -> Dependencies:
    found: Dependencies = request.app.state.dependencies
    return found


Needs = Annotated[Dependencies, Depends(_of)]
"""What a route declares to be handed the dependencies."""
