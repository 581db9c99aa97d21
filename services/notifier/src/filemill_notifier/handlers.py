"""What the notifier does with a batch of events: store who is to be told, then tell them."""

from collections.abc import Sequence
from typing import Protocol

from filemill_common.clock import utc_now
from filemill_common.events import DeliveryCommand
from filemill_common.messaging import Batch
from filemill_notifier.core.deliveries import Delivery, again, deliveries_for


class DeliveryLog(Protocol):
    """Where deliveries are kept."""

    async def add(self, deliveries: Sequence[Delivery]) -> tuple[Delivery, ...]:
        """Store new deliveries, claimed for us; give those that were not there yet."""
        ...

    async def get(self, delivery_id: str) -> Delivery | None:
        """Give a delivery, or None."""
        ...

    async def put(self, delivery: Delivery) -> None:
        """Store a delivery."""
        ...


class Sender(Protocol):
    """Who makes deliveries."""

    def send(self, delivery: Delivery) -> None:
        """Begin a try."""
        ...


class NotifierHandler:
    """Turns final events into deliveries."""

    def __init__(self, log: DeliveryLog, sender: Sender) -> None:
        self._log = log
        self._sender = sender

    async def on_batch(self, batch: Batch) -> int:
        """Store the deliveries that a batch asks for, and begin them; tell how much was taken.

        A crash after the store loses nothing: what was claimed becomes due again. A repeated event makes
        no second delivery.
        """
        now = utc_now()
        asked = {each.id: each for event in batch.events for each in deliveries_for(event, now=now)}
        for delivery in await self._log.add(tuple(asked.values())):
            self._sender.send(delivery)
        for event in batch.events:
            if isinstance(event, DeliveryCommand) and (known := await self._log.get(event.delivery_id)):
                await self._log.put(again(known, now=now))
        return len(batch.events)
