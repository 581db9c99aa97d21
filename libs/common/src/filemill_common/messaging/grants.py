"""What each service may do on RabbitMQ, derived from the topology."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from filemill_common.messaging.topology import (
    EVENTS,
    INTAKE_QUEUE,
    NOTIFIER_QUEUE,
    PARKING_LOT,
    PARKING_LOT_LOCK,
    SCHEDULER,
    WORK,
    Topology,
    scheduler_queue,
    worker_queue,
)

_DEFAULT_EXCHANGE: Final = "amq.default"
"""Leads to any queue. Whoever consumes needs it: for the parking lot, and for a sender's ``reply_to``."""

_OWN: Final = r"amq\.gen-.*"
"""Queues that the broker names: each belongs to the connection that asked for it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Regular expressions of the names that a user may make, write to and read from."""

    configure: str
    write: str
    read: str


def grants(topology: Topology) -> dict[str, Grant]:
    """Tell what each service may do in the virtual host, by its name, if the topology is given to it.

    None of them can make or delete anything durable. To bind a queue of one's own needs write to it and read
    from the exchange.
    """
    partitions = [scheduler_queue(number) for number in range(topology.partitions)]
    pools = [worker_queue(pool) for pool in topology.pools]
    return {
        "gateway": Grant(
            configure=_names([PARKING_LOT_LOCK], _OWN),
            write=_names([SCHEDULER, EVENTS, _DEFAULT_EXCHANGE], _OWN),
            read=_names([EVENTS, PARKING_LOT], _OWN),
        ),
        "scheduler": Grant(
            configure=_names([]),
            write=_names([SCHEDULER, WORK, EVENTS, _DEFAULT_EXCHANGE]),
            read=_names([*partitions, INTAKE_QUEUE]),
        ),
        "worker": Grant(
            configure=_names([], _OWN),
            write=_names([SCHEDULER, EVENTS, _DEFAULT_EXCHANGE], _OWN),
            read=_names([*pools, WORK], _OWN),
        ),
        "notifier": Grant(
            configure=_names([]),
            write=_names([EVENTS, _DEFAULT_EXCHANGE]),
            read=_names([NOTIFIER_QUEUE]),
        ),
    }


def _names(names: Iterable[str], *patterns: str) -> str:
    """Match these names whole, and nothing else; no name at all is ``^$``."""
    return f"^({'|'.join([*map(re.escape, names), *patterns])})$".replace("^()$", "^$")
