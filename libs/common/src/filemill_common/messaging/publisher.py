"""Publishing: in order, many confirms under way at once, and never lost without saying so."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, cast

import aiormq
import structlog
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel
from aiormq import spec
from aiormq.exceptions import PublishError

from filemill_common.events import Event
from filemill_common.messaging import metrics
from filemill_common.messaging.codec import BATCH, encode, join
from filemill_common.messaging.link import BrokerUnavailableError, Link, speaking
from filemill_common.messaging.topology import Route
from filemill_common.telemetry import publishing, trace_headers

WINDOW: Final = 200
"""Messages that are sent and not confirmed yet, at the most."""

_TIMEOUT: Final = 10.0
_LARGEST_BATCH: Final = 1 << 20

_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of a message."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    LOST = "lost"


@dataclass(slots=True)
class Letter:
    """One message in the making: events of one partition that go the same way.

    Attributes:
        first: Names the message.
        places: Where in the call's events these stand.
        parts: Each of them, encoded.
        size: Bytes of them.
    """

    route: Route
    first: Event
    places: list[int] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0


def letters(events: Sequence[Event], routes: Sequence[Route], *, source: str) -> tuple[Letter, ...]:
    """Put events of one partition that go the same way into one message, up to 50 of them or 1 MB.

    What goes the same way keeps its order.
    """
    open_: dict[Route, Letter] = {}
    done: list[Letter] = []
    for place, (event, route) in enumerate(zip(events, routes, strict=True)):
        part = encode(event, source=source)
        letter = open_.get(route)
        if letter is None or len(letter.parts) == BATCH or letter.size + len(part) > _LARGEST_BATCH:
            letter = Letter(route, event)
            done.append(letter)
            if route.partition is not None:
                open_[route] = letter
        letter.places.append(place)
        letter.parts.append(part)
        letter.size += len(part)
    return tuple(done)


class Publisher:
    """Publishes on one channel, which is opened again whenever it is lost.

    Args:
        link: The connection.
        source: Who says so, such as ``/filemill/scheduler``.
    """

    def __init__(self, link: Link, *, source: str) -> None:
        self._link = link
        self._source = source
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._declaring = asyncio.Lock()
        self._declared_at = 0.0
        self._window = asyncio.Semaphore(WINDOW)
        self._under_way: set[asyncio.Task[Outcome]] = set()
        self._ids: set[str] = set()

    async def publish(self, events: Sequence[Event], routes: Sequence[Route]) -> tuple[Outcome, ...]:
        """Send events; tell of each what became of it.

        A message that no queue takes is sent once more after the topology was declared again.

        Raises:
            ValueError: An event cannot be written or routed; nothing was sent.
        """
        if not events:
            return ()
        with publishing({route.exchange for route in routes}, events):
            pack = letters(events, routes, source=self._source)
            headers = trace_headers()
            sending: list[asyncio.Task[Outcome]] = []
            for letter in pack:
                await self._window.acquire()
                task = asyncio.create_task(self._send(letter, headers))
                self._under_way.add(task)
                task.add_done_callback(self._sent)
                sending.append(task)
            outcomes = [Outcome.LOST] * len(events)
            for letter, task in zip(pack, sending, strict=True):
                outcome = await task
                for place in letter.places:
                    outcomes[place] = outcome
            return tuple(outcomes)

    async def deliver(self, route: Route, body: bytes, properties: spec.Basic.Properties) -> Outcome:
        """Deliver a message, and once more if it came back; tell what became of it."""
        outcome = await self._try(route, body, properties)
        if outcome is Outcome.RETURNED and await self._declare_again():
            outcome = await self._try(route, body, properties)
        return outcome

    def _sent(self, task: asyncio.Task[Outcome]) -> None:
        self._under_way.discard(task)
        self._window.release()

    async def _send(self, letter: Letter, trace: dict[str, str]) -> Outcome:
        first = letter.first
        parent = {"traceparent": first.traceparent} if first.traceparent else trace
        body, content_type = join(letter.parts)
        mode = DeliveryMode.PERSISTENT if letter.route.must_arrive else DeliveryMode.NOT_PERSISTENT
        # aiormq tells a returned message by its id, so of two copies on their way only one may have it.
        name = first.id
        is_known = name in self._ids
        self._ids.add(name)
        properties = spec.Basic.Properties(
            content_type=content_type,
            message_type=type(first).__name__,
            message_id=None if is_known else name,
            delivery_mode=mode,
            headers=dict[str, Any](parent),
        )
        try:
            outcome = await self.deliver(letter.route, body, properties)
        finally:
            if not is_known:
                self._ids.discard(name)
        if outcome is Outcome.CONFIRMED:
            metrics.events.labels(letter.route.exchange).inc(len(letter.parts))
        return outcome

    async def _try(self, route: Route, body: bytes, properties: spec.Basic.Properties) -> Outcome:
        outcome = Outcome.CONFIRMED
        try:
            self._link.check_open()
            channel = await self._open()
            with metrics.confirmation.time(), speaking():
                underlay = cast("aiormq.Channel", await channel.get_underlay_channel())
                await underlay.basic_publish(
                    body,
                    exchange=route.exchange,
                    routing_key=route.key,
                    properties=properties,
                    mandatory=route.must_arrive,
                    timeout=_TIMEOUT,
                    wait=False,  # the confirmation says more than that it was written to the socket
                )
        except BrokerUnavailableError as error:
            outcome = Outcome.RETURNED if isinstance(error.__cause__, PublishError) else Outcome.LOST
            log = _log.warning if outcome is Outcome.RETURNED else _log.debug
            log(f"a message was {outcome}", exchange=route.exchange, key=route.key, error=str(error))
        if outcome is Outcome.RETURNED:
            metrics.returned.labels(route.exchange).inc()
        metrics.published.labels(route.exchange, outcome).inc()
        return outcome

    async def _declare_again(self) -> bool:
        """Declare the topology, once for all that came back together."""
        asked_at = asyncio.get_running_loop().time()
        async with self._declaring:
            if self._declared_at >= asked_at:
                return True
            try:
                await self._link.declare()
            except BrokerUnavailableError as error:
                _log.warning("the topology could not be declared", error=str(error))
                return False
            self._declared_at = asyncio.get_running_loop().time()
            return True

    async def _open(self) -> AbstractChannel:
        """Give the channel, opening one if need be."""
        if self._channel is None or self._channel.is_closed:
            async with self._opening:
                if self._channel is None or self._channel.is_closed:
                    self._channel = await self._link.channel(confirms=True)
        return self._channel
