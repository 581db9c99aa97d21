"""Publishing: in order, many confirms under way at once, and never lost without saying so."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError
from prometheus_client import Counter, Histogram

from filemill_common.events import Event, TaskReady
from filemill_common.messaging.codec import BATCH, encode_batch
from filemill_common.messaging.link import LOST, BrokerUnavailableError, Link
from filemill_common.messaging.topology import SCHEDULER, Route
from filemill_common.telemetry import current_traceparent

WINDOW: Final = 200
"""Messages that are sent and not confirmed yet, at the most."""

_TIMEOUT: Final = 15.0
_LARGEST_BATCH: Final = 1 << 20

_published = Counter(
    "filemill_messages_published_total", "Messages that the broker has.", ["exchange", "outcome"]
)
_events = Counter("filemill_events_published_total", "Events that the broker has.", ["exchange"])
_duration = Histogram(
    "filemill_publish_duration_seconds",
    "From sending to the broker's confirmation.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 15),
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message: events of one partition that go the same way.

    Attributes:
        places: Where in the call's events these stand.
    """

    route: Route
    events: tuple[Event, ...]
    places: tuple[int, ...]


def letters(events: Sequence[Event], routes: Sequence[Route]) -> tuple[Letter, ...]:
    """Put events that go the same way, for the same partition, into one message each.

    What goes the same way keeps its order. Work travels one by one, because a worker takes one by one.
    """
    open_: dict[tuple[Route, str], list[int]] = {}
    done: list[list[int]] = []
    for place, (event, route) in enumerate(zip(events, routes, strict=True)):
        if isinstance(event, TaskReady):
            done.append([place])
            continue
        # A scheduler's route is its partition already, so reports on many runs share a message.
        way = (route, "" if route.exchange == SCHEDULER else event.partition_key)
        places = open_.setdefault(way, [])
        if not places:
            done.append(places)
        places.append(place)
        if len(places) == BATCH:
            del open_[way]
    return tuple(
        Letter(routes[places[0]], tuple(events[place] for place in places), tuple(places)) for places in done
    )


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
        self._exchanges: dict[str, AbstractExchange] = {}
        self._opening = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._window = asyncio.Semaphore(WINDOW)

    async def publish(self, events: Sequence[Event], routes: Sequence[Route]) -> tuple[bool, ...]:
        """Send events; tell of each whether the broker has it.

        A message that no queue takes is sent once more after the topology was declared again.
        """
        if not events:
            return ()
        outcome = [False] * len(events)
        sending: list[asyncio.Task[bool]] = []
        pack = letters(events, routes)
        for letter in pack:
            await self._window.acquire()
            sending.append(asyncio.create_task(self._send(letter)))
        for letter, task in zip(pack, sending, strict=True):
            confirmed = await task
            for place in letter.places:
                outcome[place] = confirmed
        return tuple(outcome)

    async def send_raw(
        self, route: Route, body: bytes, *, content_type: str | None, headers: Mapping[str, str]
    ) -> bool:
        """Send a body as it is; tell whether the broker has it."""
        message = aio_pika.Message(
            body,
            content_type=content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers=dict(headers),
        )
        return await self._deliver(message, route)

    async def _send(self, letter: Letter) -> bool:
        try:
            body, content_type = encode_batch(letter.events, source=self._source)
            if len(body) > _LARGEST_BATCH and len(letter.events) > 1:
                return await self._send_alone(letter)
            confirmed = await self._deliver(self._message(letter, body, content_type), letter.route)
            if confirmed:
                _events.labels(letter.route.exchange).inc(len(letter.events))
            return confirmed
        finally:
            self._window.release()

    async def _send_alone(self, letter: Letter) -> bool:
        sent = True
        for event in letter.events:
            body, content_type = encode_batch((event,), source=self._source)
            message = self._message(Letter(letter.route, (event,), ()), body, content_type)
            sent = await self._deliver(message, letter.route) and sent
        return sent

    def _message(self, letter: Letter, body: bytes, content_type: str) -> aio_pika.Message:
        first = letter.events[0]
        parent = first.traceparent or current_traceparent()
        persistent = aio_pika.DeliveryMode.PERSISTENT
        return aio_pika.Message(
            body,
            content_type=content_type,
            type=type(first).__name__,
            message_id=first.id,
            delivery_mode=persistent if letter.route.must_arrive else aio_pika.DeliveryMode.NOT_PERSISTENT,
            headers={"traceparent": parent} if parent else {},
        )

    async def _deliver(self, message: aio_pika.Message, route: Route) -> bool:
        """Deliver a message, and once more if it came back; tell whether the broker has it."""
        for last in (False, True):
            try:
                with _duration.time():
                    exchange = await self._exchange(route.exchange)
                    await exchange.publish(message, route.key, mandatory=route.must_arrive, timeout=_TIMEOUT)
            except PublishError:
                _published.labels(route.exchange, "returned").inc()
                _log.warning("no queue takes a message", exchange=route.exchange, key=route.key)
                if last or not await self._declare_again():
                    return False
            except (DeliveryError, BrokerUnavailableError, *LOST) as error:
                _published.labels(route.exchange, "failed").inc()
                _log.debug("a message was not confirmed", error=f"{type(error).__name__}: {error}")
                return False
            else:
                _published.labels(route.exchange, "confirmed").inc()
                return True
        return False

    async def _declare_again(self) -> bool:
        try:
            await self._link.declare()
        except (BrokerUnavailableError, *LOST):
            return False
        return True

    async def _exchange(self, name: str) -> AbstractExchange:
        """Give an exchange on a channel that is open, opening one if need be."""
        channel = self._channel
        if channel is None or channel.is_closed:
            channel = await self._open()
        found = self._exchanges.get(name)
        if found is None:
            found = await channel.get_exchange(name, ensure=False) if name else channel.default_exchange
            self._exchanges[name] = found
        return found

    async def _open(self) -> AbstractChannel:
        async with self._opening:
            if self._channel is not None and not self._channel.is_closed:
                return self._channel
            opened = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._hold(opened))
            self._exchanges.clear()
            self._channel = await opened
            return self._channel

    async def _hold(self, opened: "asyncio.Future[AbstractChannel]") -> None:
        """Hold a channel open for as long as it lives."""
        try:
            async with self._link.channel(confirms=True) as channel:
                opened.set_result(channel)
                await channel.closed()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the channel
            if not opened.done():
                opened.set_exception(error)
