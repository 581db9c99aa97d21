"""Exchanges, queues and what is routed where: one table of values."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, Literal

from filemill_common.events import (
    AttemptEvent,
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
PARKING_LOT_LOCK: Final = "parking-lot.lock"
"""Exclusive: held by the one that looks into the parking lot."""

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
        must_arrive: Whether it is persistent, and returned if no queue takes it.
        partition: Events of one partition that go the same way may share a message; with None one travels
            alone.
    """

    exchange: str
    key: str
    must_arrive: bool
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """What differs between installations: how many partitions, and which types run in which pool.

    Attributes:
        given: Whether somebody else declares it all, so that services only look whether it is there.
    """

    partitions: int = 1
    pools: Mapping[str, Sequence[str]] = field(default_factory=lambda: POOLS)
    given: bool = False

    def __post_init__(self) -> None:
        """Have a pool for what no other takes."""
        if DEFAULT_POOL not in self.pools:
            object.__setattr__(self, "pools", {**self.pools, DEFAULT_POOL: ("*",)})

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
        partition = self.partition_of(event.partition_key)
        match event:
            case TaskCreated() | WorkflowCreated() | TaskCommand() | WorkflowCommand():
                return Route(SCHEDULER, str(partition), must_arrive=True, partition=partition)
            case AttemptEvent() | Check():
                return Route(SCHEDULER, str(partition), not event.transient, partition)
            case TaskReady():
                # Alone, because a worker takes one by one.
                key = f"{self.pool_of(event.task_type)}.{event.task_type}"
                return Route(WORK, key, must_arrive=True)
            case AttemptRevoked():
                return Route(WORK, control_key(event.worker), must_arrive=False, partition=partition)
            case _:
                return self.told(event)

    def told(self, event: Event) -> Route:
        """Tell where an event goes for whoever listens."""
        match event:
            case TaskEvent():
                key, must_arrive = f"task.{_what(event)}.{event.task.type}", not event.transient
            case WorkflowEvent():
                key, must_arrive = f"workflow.{_what(event)}", not event.transient
            case TaskCreated():
                key, must_arrive = f"task.created.{event.task.type}", False
            case WorkflowCreated():
                key, must_arrive = "workflow.created", False
            case DeliveryCommand():
                key, must_arrive = "delivery.command", True
            case EventRejected():
                key, must_arrive = "event.rejected", False
            case _:
                raise ValueError(f"{type(event).__name__} is not told to others")
        return Route(EVENTS, key, must_arrive, self.partition_of(event.partition_key))


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
