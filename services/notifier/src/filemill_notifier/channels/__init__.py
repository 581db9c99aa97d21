"""The ways to a recipient: each makes one try and says what it came to."""

from typing import Protocol

from filemill_notifier.core.deliveries import Delivery, Outcome


class Channel(Protocol):
    """One way to a recipient."""

    async def send(self, delivery: Delivery) -> Outcome:
        """Make one try; never raises for what the recipient or the network does."""
        ...
