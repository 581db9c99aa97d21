"""The bus as a service holds it: one connection, restored by itself."""

from collections.abc import Sequence
from typing import Self

from filemill_common.events import Event
from filemill_common.health import Health
from filemill_common.messaging.consumer import LIMIT, BatchHandler, Consumption
from filemill_common.messaging.link import BrokerUnavailableError, Link, UnroutableError, speaking
from filemill_common.messaging.lot import ParkingLot
from filemill_common.messaging.parking import Parking
from filemill_common.messaging.publisher import Outcome, Publisher
from filemill_common.messaging.slots import Slot, TakenHandler
from filemill_common.messaging.subscription import EventHandler, Subscription
from filemill_common.messaging.topology import Topology


class Bus:
    """Publishes and consumes events.

    Args:
        url: Where RabbitMQ is.
        service: Who speaks: ``/filemill/<service>`` is the source of what it publishes.
        topology: What is declared, and how events are routed.
        health: Is told how the connection and its consumers are.

    Attributes:
        lot: What was parked, for people.
    """

    def __init__(self, url: str, *, service: str, topology: Topology, health: Health) -> None:
        source = f"/filemill/{service}"
        self._topology = topology
        self._health = health
        self._link = Link(url, name=f"filemill-{service}", topology=topology, health=health)
        self._publisher = Publisher(self._link, source=source)
        self._parking = Parking(self._publisher, topology, source=source)
        self.lot = ParkingLot(self._link, Publisher(self._link, source=source), topology)

    async def __aenter__(self) -> Self:
        """Connect; waits for the broker for ever, and is not ready meanwhile."""
        await self._link.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection; what was published and not confirmed is told as lost."""
        await self._link.close()

    async def publish(self, events: Sequence[Event]) -> tuple[bool, ...]:
        """Send events, in order; tell of each whether the broker has it.

        For a transient event that means that it was sent: nobody need listen. Never raises for a lost
        broker or a message that no queue takes.
        """
        return tuple(outcome is Outcome.CONFIRMED for outcome in await self._publish(events))

    async def publish_or_raise(self, *events: Event) -> None:
        """Send events, and return when the broker has them all.

        Raises:
            BrokerUnavailableError: It has not, as far as is known; sending them again does no harm.
            UnroutableError: No queue takes one of them.
        """
        outcomes = await self._publish(events)
        if Outcome.RETURNED in outcomes:
            raise UnroutableError("no queue takes what was sent; try again in a moment")
        if Outcome.LOST in outcomes:
            raise BrokerUnavailableError("RabbitMQ did not confirm; try again in a moment")

    async def tell(self, events: Sequence[Event]) -> None:
        """Tell requests to whoever listens, now that they are stored; nobody need."""
        await self._publisher.publish(events, [self._topology.told(event) for event in events])

    async def park(self, event: Event, code: str, message: str, *, queue: str) -> None:
        """Put an event of a queue that nobody can use into the parking lot; returns when the broker has it.

        Raises:
            BrokerUnavailableError: It has not; try again.
        """
        await self._parking.park_event(event, code, message, queue=queue)

    async def _publish(self, events: Sequence[Event]) -> tuple[Outcome, ...]:
        return await self._publisher.publish(events, [self._topology.route(event) for event in events])

    async def consume(self, queue: str, handle: BatchHandler, *, limit: int = LIMIT) -> Consumption:
        """Consume a queue in micro-batches until the answer is stopped."""
        return Consumption(self._link, self._parking, self._health, queue=queue, handle=handle, limit=limit)

    def slot(self, queue: str, handle: TakenHandler) -> Slot:
        """Give a slot that takes one delivery at a time, once it is started."""
        return Slot(self._link, self._parking, self._health, queue=queue, handle=handle)

    async def subscribe(
        self, exchange: str, keys: Sequence[str], handle: EventHandler, *, max_length: int | None = None
    ) -> Subscription:
        """Listen to what is published from now on; returns when it is listened to."""
        subscription = Subscription(
            self._link, exchange=exchange, keys=keys, handle=handle, max_length=max_length
        )
        await subscription.listening.wait()
        return subscription

    async def waiting(self, queue: str) -> int:
        """Count the messages of a queue that nobody has taken.

        Raises:
            BrokerUnavailableError: It cannot be asked.
        """
        channel = await self._link.channel()
        with speaking():
            try:
                found = await channel.declare_queue(queue, passive=True)
            finally:
                await channel.close()
        return int(found.declaration_result.message_count or 0)

    async def declare(self) -> None:
        """Declare the whole durable topology again.

        Raises:
            BrokerUnavailableError: It cannot be declared now.
        """
        await self._link.declare()
