"""How busy a worker is, what goes through it, and how what it took ended."""

from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from filemill_common.events import StoredFile
from filemill_common.messaging.topology import Topology
from filemill_common.metrics import OTHER, exemplar, type_label
from filemill_common.task_types import TASK_TYPES
from filemill_worker.core.attempts import Take

_SECONDS: Final = (0.01, 0.1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_OUTCOMES: Final = ("succeeded", "failed", "released", "revoked")


class Metrics:
    """A worker's metrics, all in base units.

    What it counts are executions, the takings of an attempt by a worker. What became of the attempts is
    counted by the scheduler, which alone knows.

    Args:
        registry: Where they are registered.
        topology: Says in which pool a type runs.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, topology: Topology | None = None) -> None:
        self._topology = topology or Topology()
        self.slots = Gauge(
            "filemill_worker_slots", "Tasks that may run side by side.", ["pool"], registry=registry
        )
        self.busy = Gauge("filemill_worker_busy_slots", "Tasks in hand.", ["pool"], registry=registry)
        self.executions = Counter(
            "filemill_executions_total",
            "Attempts in hand that ended: succeeded, failed, released or revoked.",
            ["type", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "filemill_execution_duration_seconds",
            "From the taking of an attempt to its end, however it ended.",
            ["type"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.processing = Histogram(
            "filemill_processor_duration_seconds",
            "How long a processor worked, by the clock, without waiting for its turn, input or output.",
            ["type"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.progress = Counter(
            "filemill_progress_ratio_total",
            "How far executions came, as parts of a whole task: 1 is one from beginning to end.",
            ["type"],
            registry=registry,
        )
        self.read = Counter(
            "filemill_input_bytes_total", "Size of the inputs of executions.", ["type"], registry=registry
        )
        self.written = Counter(
            "filemill_output_bytes_total", "Size of the files that were made.", ["type"], registry=registry
        )
        for pool in self._topology.pools:
            self.slots.labels(pool)
            self.busy.labels(pool)
        for task_type in (*TASK_TYPES, OTHER):
            for each in (self.duration, self.processing, self.progress, self.read, self.written):
                each.labels(task_type)
            for outcome in _OUTCOMES:
                self.executions.labels(task_type, outcome)

    def took(self, take: Take) -> None:
        """Note that an attempt is in hand."""
        self.busy.labels(self._topology.pool_of(take.ready.task_type)).inc()

    def let_go(self, take: Take) -> None:
        """Note that it is not in hand any more."""
        self.busy.labels(self._topology.pool_of(take.ready.task_type)).dec()

    def ended(self, take: Take, outcome: str | None, *, seconds: float) -> None:
        """Count an execution that came to an end."""
        task_type = type_label(take.ready.task_type)
        self.executions.labels(task_type, outcome or OTHER).inc()
        self.duration.labels(task_type).observe(seconds, exemplar(take.ready.traceparent))

    def progressed(self, take: Take, *, percent: float) -> None:
        """Count that an execution came so much further."""
        self.progress.labels(type_label(take.ready.task_type)).inc(percent / 100)

    def processed(
        self, task_type: str, *, seconds: float, source: StoredFile | None, made: StoredFile | None
    ) -> None:
        """Count what went through a processor that succeeded, and how long it took."""
        label = type_label(task_type)
        self.processing.labels(label).observe(seconds)
        self.read.labels(label).inc(source.size if source else 0)
        self.written.labels(label).inc(made.size if made else 0)
