"""The bus: the only module that speaks to RabbitMQ."""

from filemill_common.messaging.bus import Bus
from filemill_common.messaging.codec import DecodeError
from filemill_common.messaging.consumer import Batch, BatchHandler, Consumption
from filemill_common.messaging.link import BrokerUnavailableError, UnroutableError
from filemill_common.messaging.lot import BusyError, Look, Moved, Opened, ParkedMessage, ParkingLot, Wanted
from filemill_common.messaging.slots import Slot, Taken
from filemill_common.messaging.subscription import Subscription
from filemill_common.messaging.topology import Topology

__all__ = [
    "Batch",
    "BatchHandler",
    "BrokerUnavailableError",
    "Bus",
    "BusyError",
    "Consumption",
    "DecodeError",
    "Look",
    "Moved",
    "Opened",
    "ParkedMessage",
    "ParkingLot",
    "Slot",
    "Subscription",
    "Taken",
    "Topology",
    "UnroutableError",
    "Wanted",
]
