"""The parking lot: what nobody can use is kept there with the reason, and whoever sent it is told."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractIncomingMessage
from aiormq import spec
from pamqp.encode import encode_table_value

from filemill_common.clock import rfc3339, utc_now
from filemill_common.events import Event, EventRejected
from filemill_common.messaging import metrics
from filemill_common.messaging.codec import CONTENT_TYPE, DecodeError, encode
from filemill_common.messaging.link import BrokerUnavailableError
from filemill_common.messaging.publisher import Outcome, Publisher
from filemill_common.messaging.topology import PARKING_LOT, Route, Topology

OURS: Final = "x-filemill-"
"""How the headers begin in which is noted why a message lies here."""

_LONGEST_HEADER: Final = 2_000
_LARGEST_HEADERS: Final = 64 << 10
_THE_BROKERS: Final = frozenset({"CC", "BCC", "x-delivery-count", "x-acquired-count"})
"""Headers that tell the broker where else a message goes, and those in which it counts."""

_log = structlog.get_logger(__name__)


class Parking:
    """Parks messages and events.

    Args:
        publisher: Sends.
        topology: Says where rejections go.
        source: Who refuses, such as ``/filemill/scheduler``.
    """

    def __init__(self, publisher: Publisher, topology: Topology, *, source: str) -> None:
        self._publisher = publisher
        self._topology = topology
        self._source = source

    async def park_message(self, message: AbstractIncomingMessage, error: DecodeError, *, queue: str) -> None:
        """Keep a message that cannot be read, or the one event of it that cannot; returns when it is kept.

        Raises:
            BrokerUnavailableError: The broker does not confirm.
        """
        rejected = EventRejected(
            event_id=error.event_id,
            event_type=error.event_type,
            code=error.code,
            message=str(error),
            problems=error.problems,
            time=utc_now(),
            partition_key=error.event_id,
        )
        properties = spec.Basic.Properties(
            content_type=message.content_type if error.part is None else CONTENT_TYPE,
            message_type=message.type,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            headers=sendable(message.headers),
        )
        body = message.body if error.part is None else error.part
        await self._park(body, properties, rejected, queue=queue)

    async def park_event(self, event: Event, code: str, message: str, *, queue: str) -> None:
        """Keep an event that was read and cannot be used; returns when it is kept.

        Raises:
            BrokerUnavailableError: The broker does not confirm.
        """
        rejected = EventRejected(
            event_id=event.id,
            event_type=event.type,
            code=code,
            message=message,
            time=utc_now(),
            partition_key=event.partition_key,
        )
        properties = spec.Basic.Properties(
            content_type=CONTENT_TYPE, message_type=type(event).__name__, message_id=event.id
        )
        await self._park(encode(event, source=self._source), properties, rejected, queue=queue)

    async def _park(
        self, body: bytes, properties: spec.Basic.Properties, rejected: EventRejected, *, queue: str
    ) -> None:
        headers: dict[str, Any] = {
            **(properties.headers or {}),
            f"{OURS}queue": queue,
            f"{OURS}code": rejected.code,
            f"{OURS}reason": rejected.message[:_LONGEST_HEADER],
            f"{OURS}event-id": rejected.event_id,
            f"{OURS}event-type": rejected.event_type,
            f"{OURS}parked-at": rfc3339(rejected.time),
        }
        properties.headers = headers
        properties.delivery_mode = DeliveryMode.PERSISTENT
        route = Route("", PARKING_LOT, must_arrive=True)
        if await self._publisher.deliver(route, body, properties) is not Outcome.CONFIRMED:
            raise BrokerUnavailableError(f"{rejected.event_id or 'a message'} could not be parked")
        metrics.parked(queue, rejected.code)
        _log.warning("parked", queue=queue, code=rejected.code, reason=rejected.message)
        routes = [self._topology.told(rejected)]
        if properties.reply_to:
            routes.append(Route("", properties.reply_to, must_arrive=False))
        await self._publisher.publish([rejected] * len(routes), routes)


def sendable(headers: Mapping[str, Any], *, with_notes: bool = False) -> dict[str, Any]:
    """Keep the headers with which a message may be sent again, to one queue alone.

    What is too large to stand beside our notes is left out: with over 128 kB of them the connection ends.

    Args:
        headers: Of a message that was received.
        with_notes: Whether to keep those that say why it was parked.
    """
    kept: dict[str, Any] = {}
    room = _LARGEST_HEADERS
    for name, value in headers.items():
        if name in _THE_BROKERS or (name.startswith(OURS) and not with_notes):
            continue
        writable, size = _writable(value)
        room -= len(name.encode()) + size
        if room < 0:
            break
        kept[name] = writable
    return kept


def _writable(value: Any) -> tuple[Any, int]:
    """Give a header, or its text where the AMQP client can only read it; and its size in bytes."""
    if isinstance(value, bytes):
        value = bytearray(value)
    try:
        return value, len(encode_table_value(value))
    except Exception:  # noqa: BLE001 - it raises by the value: TypeError, OverflowError, struct.error ...
        text = repr(value)
        return text, len(encode_table_value(text))
