"""The parking lot as people use it: look at what lies there, send it back to where it came from, or drop it.

A queue cannot be read without taking from it. So whoever looks takes messages one by one without
acknowledging them, and gives them back at the end; what dies meanwhile gives them back by dying. One looks
at a time, or two would see a part each: an exclusive queue is the lock, which ends with its holder.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq import spec
from aiormq.exceptions import ChannelLockedResource

from filemill_common.clock import EPOCH
from filemill_common.errors import FilemillError
from filemill_common.messaging.link import BrokerUnavailableError, Link, speaking
from filemill_common.messaging.parking import OURS, sendable
from filemill_common.messaging.publisher import Outcome, Publisher
from filemill_common.messaging.topology import DELIVERY_LIMIT, PARKING_LOT, PARKING_LOT_LOCK, Route, Topology

WINDOW: Final = 1_000
"""Messages that are looked at, the oldest first; what lies behind them comes in sight as they leave."""

_LARGEST_WINDOW: Final = 64 << 20
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.05


class BusyError(FilemillError):
    """Somebody else has looked at the parking lot for seconds now."""

    code = "parking_lot_busy"
    retryable = True


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """What is known of a parked message without reading it.

    Attributes:
        id: Derived from its content and from what is noted about it: the same whenever and wherever it is
            looked at. Equal messages that were parked within one millisecond share it.
        event_id: Id of its event; empty if there was none to be read, as for the three below.
        queue: The queue whose consumer refused it.
        code: Why, short and stable.
        reason: Why, for people.
        parked_at: None if it was not one of our services that put it here.
        size: Bytes of its body.
    """

    id: str
    event_id: str
    event_type: str
    queue: str
    code: str
    reason: str
    parked_at: datetime | None
    size: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A parked message with all that it holds; none of it can be trusted.

    Attributes:
        headers: As the sender wrote them: of any type that AMQP knows.
    """

    message: ParkedMessage
    body: bytes
    content_type: str
    headers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What lies in the parking lot, by the time it was parked at, then by id.

    Attributes:
        beyond: Messages behind these, which were not looked at.
    """

    messages: tuple[ParkedMessage, ...]
    beyond: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What was sent back or dropped.

    Attributes:
        done: Messages that are no longer here.
        stuck: Messages that stay, because the queue they came from takes nothing or is none of ours.
        beyond: Messages that were not looked at.
    """

    done: int
    stuck: int
    beyond: int


Wanted = Callable[[ParkedMessage], bool]
_Move = Callable[[AbstractIncomingMessage, ParkedMessage], Awaitable[bool]]


class ParkingLot:
    """Gives people a hand in the parking lot. Each method may fail, and then may be called again.

    All raise BrokerUnavailableError if the broker is away, and BusyError if others look for too long.

    Args:
        link: The connection.
        publisher: Sends back what was parked; nobody else may use it, because what is sent has an id that
            its sender chose, and the broker's answers are told apart by these.
        topology: Says which queues there are.
    """

    def __init__(self, link: Link, publisher: Publisher, topology: Topology) -> None:
        self._link = link
        self._publisher = publisher
        self._queues = {queue.name for queue in topology.queues()} - {PARKING_LOT}
        self._alone = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._looked_at = 0.0
        self._seen = Look((), 0)

    async def look(self) -> Look:
        """Tell what lies there; those who ask at the same time share a look."""
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        async with self._looking:
            if self._looked_at < asked_at:
                began = clock()
                async with self._walk() as walk:
                    messages = [parked async for _, parked in walk]
                messages.sort(key=lambda parked: (parked.parked_at or EPOCH, parked.id))
                self._seen, self._looked_at = Look(tuple(messages), walk.beyond), began
            return self._seen

    async def open(self, of: str) -> Opened | None:
        """Show a message with its content; None if there is none with that id."""
        async with self._walk() as walk:
            async for message, parked in walk:
                if parked.id == of:
                    headers = dict(message.headers)
                    return Opened(parked, message.body, message.content_type or "", headers)
        return None

    async def redrive(self, wanted: Wanted, *, most: int = WINDOW) -> Moved:
        """Send messages back to the queues that they came from.

        A message leaves when that queue has it. Whoever dies in between leaves it in both, and then it is
        handled twice, which changes nothing.
        """

        async def send_back(message: AbstractIncomingMessage, parked: ParkedMessage) -> bool:
            return parked.queue in self._queues and await self._send(message, parked.queue)

        return await self._move(wanted, send_back, most=most)

    async def drop(self, wanted: Wanted, *, most: int = WINDOW) -> Moved:
        """Forget messages for ever."""

        async def forget(*_: object) -> bool:
            return True

        return await self._move(wanted, forget, most=most)

    async def _move(self, wanted: Wanted, move: _Move, *, most: int) -> Moved:
        done = stuck = 0
        async with self._walk() as walk:
            async for message, parked in walk:
                if not wanted(parked):
                    continue
                if await move(message, parked):
                    await walk.take(message)
                    done += 1
                else:
                    stuck += 1
                if done + stuck == most:
                    break
            return Moved(done, stuck, walk.beyond)

    async def _send(self, message: AbstractIncomingMessage, queue: str) -> bool:
        """Send a message to a queue; tell whether it is there, or nothing takes it.

        Raises:
            BrokerUnavailableError: That is not known.
        """
        stays = queue == PARKING_LOT
        properties = spec.Basic.Properties(
            content_type=message.content_type,
            message_type=message.type,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            delivery_mode=DeliveryMode.PERSISTENT,
            headers=sendable(message.headers, with_notes=stays),
        )
        outcome = await self._publisher.deliver(Route("", queue, must_arrive=True), message.body, properties)
        if outcome is Outcome.LOST:
            raise BrokerUnavailableError("RabbitMQ did not confirm; try again in a moment")
        return outcome is Outcome.CONFIRMED

    async def _renew(self, message: AbstractIncomingMessage) -> None:
        """Put a message that was looked at half a million times at the end of the lot, to be counted anew.

        The broker would drop it at a million; 3.10 knows no queue without such a limit.
        """
        if not await self._send(message, PARKING_LOT):
            raise BrokerUnavailableError("the parking lot takes nothing")

    @asynccontextmanager
    async def _walk(self) -> AsyncIterator["_Walk"]:
        """Take what lies there, as the only one who does; what is not taken for good goes back."""
        async with self._locked():
            channel = await self._link.channel()
            try:
                walk = _Walk(channel, self._renew)
                yield walk
                await walk.give_back()
                with speaking():
                    # Answered after what was given back, so that whoever comes next finds it all.
                    await channel.declare_queue(PARKING_LOT, passive=True)
            finally:
                with speaking():
                    await channel.close()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Look alone, here and elsewhere.

        Raises:
            BusyError: Somebody else looks, for too long.
        """
        try:
            async with asyncio.timeout(_PATIENCE) as patience, self._alone:
                channel = await self._lock()
                patience.reschedule(None)
                try:
                    yield
                finally:
                    with speaking():
                        await channel.queue_delete(PARKING_LOT_LOCK)
                        await channel.close()
        except TimeoutError as error:
            raise BusyError("somebody else looks at the parking lot; try again in a moment") from error

    async def _lock(self) -> AbstractChannel:
        """Give the channel that holds the lock; a lost lock of this process's own is taken again."""
        while True:
            channel = await self._link.channel()
            try:
                with speaking():
                    await channel.declare_queue(PARKING_LOT_LOCK, exclusive=True)
            except BrokerUnavailableError as error:
                if not isinstance(error.__cause__, ChannelLockedResource):
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                return channel


class _Walk:
    """One walk through the lot, the oldest message first.

    Attributes:
        beyond: Messages that it did not come to.
    """

    def __init__(
        self, channel: AbstractChannel, renew: Callable[[AbstractIncomingMessage], Awaitable[None]]
    ) -> None:
        self._channel = channel
        self._renew = renew
        self._held: list[int | None] = []
        self.beyond = 0

    async def __aiter__(self) -> AsyncIterator[tuple[AbstractIncomingMessage, ParkedMessage]]:
        """Give messages up to the bound; what is parked meanwhile, or again, is not among them."""
        count = size = 0
        behind: int | None = None
        with speaking():
            queue = await self._channel.get_queue(PARKING_LOT, ensure=False)
        while count < WINDOW and size < _LARGEST_WINDOW and behind != 0:
            with speaking():
                message = await queue.get(fail=False)
            if message is None:
                return
            self._held.append(message.delivery_tag)
            if behind is None:
                behind = (message.message_count or 0) + 1
            if _looks(message) > DELIVERY_LIMIT // 2:
                await self._renew(message)
                await self.take(message)
                continue
            behind -= 1
            count += 1
            size += len(message.body)
            self.beyond = behind
            yield message, _parked(message)

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Take the message in hand for good."""
        with speaking():
            await message.ack()
        self._held.pop()

    async def give_back(self) -> None:
        """Put all back that was not taken."""
        if self._held:
            with speaking():
                underlay = await self._channel.get_underlay_channel()
                await underlay.basic_nack(self._held[-1] or 0, multiple=True, requeue=True)


def _looks(message: AbstractIncomingMessage) -> int:
    count = message.headers.get("x-delivery-count")
    return count if isinstance(count, int) else 0


def _parked(message: AbstractIncomingMessage) -> ParkedMessage:
    def note(name: str) -> str:
        value = message.headers.get(OURS + name, "")
        return value if isinstance(value, str) else ""

    notes = [note(name) for name in ("event-id", "event-type", "queue", "code", "reason", "parked-at")]
    digest = hashlib.blake2b(message.body, digest_size=16)
    digest.update(repr((message.message_id, notes)).encode())
    event_id, event_type, queue, code, reason, parked_at = notes
    return ParkedMessage(
        id=digest.hexdigest(),
        event_id=event_id,
        event_type=event_type,
        queue=queue,
        code=code,
        reason=reason,
        parked_at=_moment(parked_at),
        size=len(message.body),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
