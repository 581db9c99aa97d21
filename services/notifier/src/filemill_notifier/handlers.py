"""What the notifier does with a batch of events: store who is to be told, then tell them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from filemill_common.clock import utc_now
from filemill_common.events import DeliveryCommand
from filemill_common.messaging import Batch
from filemill_notifier.core.deliveries import Delivery, again, claimed, deliveries_for


class DeliveryLog(Protocol):
    """Where deliveries are kept."""

    async def add(self, deliveries: Sequence[Delivery]) -> tuple[Delivery, ...]:
        """Store new deliveries as they stand; give those that were not there yet."""
        ...

    async def get(self, delivery_id: str) -> Delivery | None:
        """Give a delivery, or None."""
        ...

    async def put(self, delivery: Delivery, *, held: datetime | None) -> bool:
        """Store a delivery, unless it was taken since it was read with this ``due_at``; tell which."""
        ...


class Sender(Protocol):
    """Who makes deliveries."""

    def fitting(self, deliveries: Iterable[Delivery]) -> frozenset[str]:
        """Give the ids of those for which there is room at once."""
        ...

    def send(self, delivery: Delivery) -> None:
        """Begin a try."""
        ...

    def look(self) -> None:
        """Look for what is due as soon as there is room."""
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
        at_once = self._sender.fitting(asked.values())
        stored = await self._log.add(
            [claimed(each, now=now) if each.id in at_once else each for each in asked.values()]
        )
        for delivery in stored:
            if delivery.id in at_once:
                self._sender.send(delivery)
            else:
                self._sender.look()
        for event in batch.events:
            if isinstance(event, DeliveryCommand):
                await self._again(event.delivery_id, now)
        return len(batch.events)

    async def _again(self, delivery_id: str, now: datetime) -> None:
        """Make a delivery due, whatever else happens to it meanwhile."""
        while known := await self._log.get(delivery_id):
            if await self._log.put(again(known, now=now), held=known.due_at):
                self._sender.look()
                return
