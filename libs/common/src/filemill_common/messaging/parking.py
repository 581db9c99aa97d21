"""The parking lot: what nobody can use is kept there with the reason, and whoever sent it is told."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from prometheus_client import Counter

from filemill_common.clock import rfc3339, utc_now
from filemill_common.events import Event, EventRejected
from filemill_common.messaging.codec import encode_batch
from filemill_common.messaging.publisher import Publisher
from filemill_common.messaging.topology import PARKING_LOT, Route, Topology

_LONGEST_HEADER: Final = 2_000

_parked = Counter("filemill_messages_parked_total", "Messages put into the parking lot.", ["queue", "code"])
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

    async def park(
        self,
        body: bytes,
        content_type: str | None,
        rejected: EventRejected,
        *,
        queue: str,
        headers: Mapping[str, str] | None = None,
        reply_to: str | None = None,
    ) -> None:
        """Keep a message with its reason, and tell of it; returns when the broker has it, however late."""
        named = {
            "x-filemill-queue": queue,
            "x-filemill-code": rejected.code,
            "x-filemill-reason": rejected.message[:_LONGEST_HEADER],
            "x-filemill-parked-at": rfc3339(utc_now()),
            **(headers or {}),
        }
        route = Route("", PARKING_LOT, must_arrive=True)
        pause = 0.1
        while not await self._publisher.send_raw(route, body, content_type=content_type, headers=named):
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)
        _parked.labels(queue, rejected.code).inc()
        _log.warning("parked", queue=queue, code=rejected.code, reason=rejected.message)
        routes = [self._topology.told(rejected)]
        if reply_to:
            routes.append(Route("", reply_to, must_arrive=False))
        await self._publisher.publish([rejected] * len(routes), routes)

    async def park_event(self, event: Event, code: str, message: str, *, queue: str) -> None:
        """Keep an event that was read and cannot be used."""
        body, content_type = encode_batch((event,), source=self._source)
        rejected = EventRejected(
            event_id=event.id,
            event_type=event.type,
            code=code,
            message=message,
            time=utc_now(),
            partition_key=event.partition_key,
        )
        await self.park(body, content_type, rejected, queue=queue)
