"""Exchanges, queues and what is routed where: one table of values."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, Literal

from filemill_common.events import (
    AttemptEvent,
    AttemptProgressed,
    AttemptRevoked,
    Check,
    DeliveryCommand,
    Event,
    EventRejected,
    TaskCommand,
    TaskCreated,
    TaskEvent,
    TaskReady,
    WorkflowCommand,
    WorkflowCreated,
    WorkflowEvent,
)

SCHEDULER: Final = "filemill.scheduler"
INTAKE: Final = "filemill.intake"
WORK: Final = "filemill.work"
EVENTS: Final = "filemill.events"

INTAKE_QUEUE: Final = "scheduler.intake"
NOTIFIER_QUEUE: Final = "notifier.events"
PARKING_LOT: Final = "parking-lot"

DELIVERY_LIMIT: Final = 1_000_000
"""A closed channel counts as a delivery; a crash loop must never spend the limit of good messages."""

DEFAULT_POOL: Final = "default"
POOLS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "video": ("video_*", "probe"),
        "image": ("image_*",),
        "document": ("document_*", "pdf_*"),
        "model": ("model_*",),
        "archive": ("archive_*",),
        DEFAULT_POOL: ("*",),
    }
)
"""Pool to patterns of the task types that run in it; the first pool that matches has a type."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: Literal["direct", "topic"]


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue.

    Attributes:
        bindings: Exchange and routing key of each.
        single: Whether one consumer at a time has all of it, so that its order is kept.
    """

    name: str
    bindings: tuple[tuple[str, str], ...] = ()
    single: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """The same on RabbitMQ 3.10 and 4."""
        single = {"x-single-active-consumer": True} if self.single else {}
        return {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT, **single}


EXCHANGES: Final = (
    Exchange(SCHEDULER, "direct"),
    Exchange(INTAKE, "topic"),
    Exchange(WORK, "topic"),
    Exchange(EVENTS, "topic"),
)

_FOR_THE_NOTIFIER: Final = (
    "task.completed.#",
    "task.failed.#",
    "task.cancelled.#",
    "workflow.completed",
    "workflow.failed",
    "workflow.cancelled",
    "delivery.command",
)


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes.

    Attributes:
        must_arrive: Whether it is persistent, confirmed, and returned if no queue takes it.
    """

    exchange: str
    key: str
    must_arrive: bool


@dataclass(frozen=True, slots=True)
class Topology:
    """What differs between installations: how many partitions, and which types run in which pool."""

    partitions: int = 1
    pools: Mapping[str, Sequence[str]] = field(default_factory=lambda: POOLS)

    def queues(self) -> tuple[Queue, ...]:
        """Give all durable queues."""
        return (
            *(
                Queue(scheduler_queue(number), ((SCHEDULER, str(number)),), single=True)
                for number in range(self.partitions)
            ),
            Queue(INTAKE_QUEUE, ((INTAKE, "#"),), single=True),
            *(Queue(worker_queue(pool), ((WORK, f"{pool}.*"),)) for pool in self.pools),
            Queue(NOTIFIER_QUEUE, tuple((EVENTS, key) for key in _FOR_THE_NOTIFIER)),
            Queue(PARKING_LOT),
        )

    def pool_of(self, task_type: str) -> str:
        """Tell which pool a task type runs in."""
        for pool, patterns in self.pools.items():
            if any(fnmatchcase(task_type, pattern) for pattern in patterns):
                return pool
        return DEFAULT_POOL

    def partition_of(self, partition_key: str) -> int:
        """Tell which partition keeps the order of a workflow, or of a task of its own.

        Computed by the publisher, since a hash exchange's answer depends on the order of its bindings.
        """
        digest = hashlib.blake2b(partition_key.encode("utf-8", "replace"), digest_size=4).digest()
        return int.from_bytes(digest, "big") % self.partitions

    def route(self, event: Event) -> Route:
        """Tell where an event goes when it is first told."""
        match event:
            case TaskCreated() | WorkflowCreated() | TaskCommand() | WorkflowCommand() | Check():
                return Route(SCHEDULER, str(self.partition_of(event.partition_key)), must_arrive=True)
            case AttemptEvent():
                partition = str(self.partition_of(event.partition_key))
                return Route(SCHEDULER, partition, not isinstance(event, AttemptProgressed))
            case TaskReady():
                key = f"{self.pool_of(event.task_type)}.{event.task_type}"
                return Route(WORK, key, must_arrive=True)
            case AttemptRevoked():
                return Route(WORK, control_key(event.worker), must_arrive=False)
            case _:
                return self.told(event)

    def told(self, event: Event) -> Route:
        """Tell where an event goes for whoever listens."""
        match event:
            case TaskEvent():
                key = f"task.{_what(event)}.{event.task.type}"
                return Route(EVENTS, key, must_arrive=not event.transient)
            case WorkflowEvent():
                return Route(EVENTS, f"workflow.{_what(event)}", must_arrive=not event.transient)
            case TaskCreated():
                return Route(EVENTS, f"task.created.{event.task.type}", must_arrive=False)
            case WorkflowCreated():
                return Route(EVENTS, "workflow.created", must_arrive=False)
            case DeliveryCommand():
                return Route(EVENTS, "delivery.command", must_arrive=True)
            case EventRejected():
                return Route(EVENTS, "event.rejected", must_arrive=False)
            case _:
                raise ValueError(f"{type(event).__name__} is not told to others")


def scheduler_queue(partition: int) -> str:
    """Name the queue of a partition."""
    return f"scheduler.{partition}"


def worker_queue(pool: str) -> str:
    """Name the queue of a pool."""
    return f"worker.{pool}"


def control_key(worker: str | None) -> str:
    """Name the key by which one worker, or all of them, are told to stop something."""
    return f"control.{worker or 'all'}"


def _what(event: Event) -> str:
    """Take ``completed`` out of ``io.filemill.task.completed.v1``."""
    return event.type.split(".")[-2]
