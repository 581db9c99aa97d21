"""What became final, counted once: here, after it was stored."""

from collections import Counter as Tally

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from filemill_common.events import TaskCompleted, TaskFailed
from filemill_common.messaging.topology import Topology
from filemill_scheduler.core import Decision

_DURATIONS = tuple(float(2**power) for power in range(10))
"""Seconds: 1, 2, 4 … 512, the original's buckets."""


class Metrics:
    """The original's five metrics, to the letter, and ours beside them.

    Args:
        registry: Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.created = Counter("task_created_total", "Tasks created.", ["type"], registry=registry)
        self.completed = Counter("task_completed_total", "Tasks completed.", ["type"], registry=registry)
        self.failed = Counter("task_failed_total", "Tasks failed for good.", ["type"], registry=registry)
        self.duration = Histogram(
            "task_duration_seconds",
            "From the start to the end of the accepted execution.",
            ["type"],
            buckets=_DURATIONS,
            registry=registry,
        )
        self.queue = Gauge(
            "task_queue_size", "Tasks that wait for a worker.", ["type", "pool"], registry=registry
        )
        self.pools = Gauge(
            "filemill_pool_tasks",
            "Tasks of a pool that wait for a worker or run; what its workers are scaled by.",
            ["pool", "status"],
            registry=registry,
        )
        self.ignored = Counter(
            "filemill_reports_ignored_total",
            "Reports of closed attempts and facts already known, which changed nothing.",
            registry=registry,
        )
        self.deferred = Counter(
            "filemill_events_deferred_total",
            "Events that came too early and were put off.",
            registry=registry,
        )
        self.repairs = Counter(
            "filemill_sweep_repairs_total",
            "What a sweep found left behind; zero on a healthy system.",
            ["what"],
            registry=registry,
        )
        self.batch = Histogram(
            "filemill_fold_batch_events",
            "Events folded in one transaction.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
            registry=registry,
        )

    def measure(self, queued: Tally[str], running: Tally[str], topology: Topology) -> None:
        """Show what waits and what runs, by type.

        Each pool is shown, an idle one as zero: nothing at all means that nobody measures.
        """
        self.measure_no_more()
        for pool in topology.pools:
            for status in ("ready", "running"):
                self.pools.labels(pool, status).set(0)
        for kind, count in queued.items():
            self.queue.labels(kind, topology.pool_of(kind)).set(count)
            self.pools.labels(topology.pool_of(kind), "ready").inc(count)
        for kind, count in running.items():
            self.pools.labels(topology.pool_of(kind), "running").inc(count)

    def measure_no_more(self) -> None:
        """Leave it to another replica, so that two do not add up."""
        self.queue.clear()
        self.pools.clear()

    def count(self, decision: Decision) -> None:
        """Count what a stored decision made final."""
        self.batch.observe(decision.taken)
        self.ignored.inc(decision.ignored)
        self.deferred.inc(len(decision.deferred))
        for task in decision.tasks:
            if task.version == 0 and task.status is not None and task.kind == "task":
                self.created.labels(task.type).inc()
        for event in decision.durable:
            match event:
                case TaskCompleted() if event.task.kind == "task":
                    self.completed.labels(event.task.type).inc()
                    self.duration.labels(event.task.type).observe(event.task.duration or 0)
                case TaskFailed() if event.task.kind == "task":
                    self.failed.labels(event.task.type).inc()
                case _:
                    pass
