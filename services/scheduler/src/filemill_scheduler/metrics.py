"""What became of tasks and runs, counted once: here, after it was stored; and what waits."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from filemill_common.messaging.topology import Topology
from filemill_common.metrics import ATTEMPT_CODES, OTHER, bounded, exemplar, type_label
from filemill_common.task_types import TASK_TYPES
from filemill_scheduler.core import Decision, Fact
from filemill_scheduler.core.facts import (
    Accepted,
    AttemptClosed,
    Created,
    Queued,
    RunEnded,
    Started,
    TaskEnded,
)
from filemill_scheduler.repository import Standing

_DURATIONS: Final = tuple(float(2**power) for power in range(10))
"""Seconds: 1, 2, 4 … 512, the original's buckets."""

_HANDOFFS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 3600.0)
_COMMITS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
_OUTCOMES: Final = ("succeeded", "failed", "lost", "released", "cancelled")
REPAIRS: Final = ("outbox", "lease", "untaken")


class Metrics:
    """The original's five metrics, to the letter, and ours beside them.

    Counters of what is known beforehand begin at 0: the first of its kind would be no increase otherwise.

    Args:
        registry: Where they are registered.
        topology: Says in which pool a type runs.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, topology: Topology | None = None) -> None:
        self._topology = topology or Topology()
        self._registry = registry
        self.created = self._counter("task_created_total", "Tasks created.", "type")
        self.completed = self._counter("task_completed_total", "Tasks completed.", "type")
        self.failed = self._counter("task_failed_total", "Tasks failed for good.", "type")
        self.duration = self._histogram(
            "task_duration_seconds",
            "From the start to the end of the accepted execution.",
            _DURATIONS,
            "type",
        )
        self.queue = self._gauge("task_queue_size", "Tasks that wait for a worker.", "type", "pool")
        self._declare_ours()
        self._begin_at_zero()

    def _declare_ours(self) -> None:
        self.accepted = self._counter(
            "filemill_accepted_total", "Tasks and runs that somebody asked for, stored.", "kind"
        )
        self.ended = self._counter("filemill_workflows_ended_total", "Runs that ended.", "outcome")
        self.queued = self._counter("filemill_tasks_queued_total", "Tasks offered to the workers.", "pool")
        self.unfinished = self._counter(
            "filemill_tasks_not_run_total", "Tasks that were cancelled or skipped.", "type", "outcome"
        )
        self.task_failures = self._counter(
            "filemill_task_failures_total", "Tasks failed for good, by why.", "pool", "code"
        )
        self.attempts = self._counter(
            "filemill_attempts_total",
            "Attempts that ended: succeeded, failed, lost with their worker, released or cancelled.",
            "type",
            "outcome",
        )
        self.attempt_failures = self._counter(
            "filemill_attempt_failures_total", "Attempts that failed, by why.", "code"
        )
        self.retries = self._counter(
            "filemill_retries_total", "Attempts that failed and are followed by another one.", "type"
        )
        self.handoff = self._histogram(
            "filemill_task_handoff_seconds",
            "From a task being ready to a worker taking it.",
            _HANDOFFS,
            "pool",
        )
        self.ignored = self._counter(
            "filemill_reports_ignored_total",
            "Reports of closed attempts and facts already known, which changed nothing.",
        )
        self.deferred = self._counter(
            "filemill_events_deferred_total", "Events that came too early and were put off."
        )
        self.repairs = self._counter(
            "filemill_sweep_repairs_total",
            "What a sweep found left behind; zero on a healthy system.",
            "what",
        )
        self.batch = self._histogram(
            "filemill_fold_batch_events",
            "Events folded in one transaction.",
            (1, 2, 5, 10, 20, 50, 100, 200, 500),
        )
        self.commit = self._histogram(
            "filemill_commit_duration_seconds",
            "From the first read of a batch to its commit, lost races included.",
            _COMMITS,
        )
        self.pools = self._gauge(
            "filemill_pool_tasks",
            "Tasks of a pool that wait for a worker or run; what its workers are scaled by.",
            "pool",
            "status",
        )
        self.waiting = self._gauge(
            "filemill_pool_oldest_waiting_seconds", "How long a pool's oldest task has waited.", "pool"
        )
        self.open_runs = self._gauge("filemill_workflows_open", "Runs that have not ended.", "status")
        self.stuck = self._gauge(
            "filemill_workflows_stuck",
            "Runs that go on although nothing of them is under way or waited for.",
            "status",
        )
        self.outbox = self._gauge(
            "filemill_outbox_events", "Events owed that the broker does not have, at most 10,000.", "state"
        )
        self.outbox_age = self._gauge(
            "filemill_outbox_oldest_seconds", "How long the oldest event has been owed.", "state"
        )

    def _begin_at_zero(self) -> None:
        for kind in ("task", "workflow"):
            self.accepted.labels(kind)
        for outcome in ("completed", "failed", "cancelled"):
            self.ended.labels(outcome)
        for task_type in (*TASK_TYPES, OTHER):
            for each in (self.created, self.completed, self.failed, self.duration, self.retries):
                each.labels(task_type)
            for outcome in _OUTCOMES:
                self.attempts.labels(task_type, outcome)
            for outcome in ("cancelled", "skipped"):
                self.unfinished.labels(task_type, outcome)
        for pool in self._topology.pools:
            self.queued.labels(pool)
            self.handoff.labels(pool)
        for code, pool in product((*ATTEMPT_CODES, OTHER), self._topology.pools):
            self.attempt_failures.labels(code)
            self.task_failures.labels(pool, code)
        for what in REPAIRS:
            self.repairs.labels(what)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(name, what, labels, registry=self._registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, what, labels, buckets=buckets, registry=self._registry)

    def measure(self, seen: Standing, *, stuck: int) -> None:
        """Show what waits and what runs, and how many runs are stuck.

        Each pool is shown, an idle one as zero: nothing at all means that nobody measures.
        """
        self.measure_no_more()
        oldest: defaultdict[str, float] = defaultdict(float)
        for pool in self._topology.pools:
            oldest[pool] = 0.0
            for status in ("ready", "running"):
                self.pools.labels(pool, status).set(0)
        for kind, waiting in seen.queued.items():
            pool = self._topology.pool_of(kind)
            self.queue.labels(type_label(kind), pool).inc(waiting.count)
            self.pools.labels(pool, "ready").inc(waiting.count)
            oldest[pool] = max(oldest[pool], _seconds(seen.now - waiting.since))
        for pool, seconds in oldest.items():
            self.waiting.labels(pool).set(seconds)
        for kind, count in seen.running.items():
            self.pools.labels(self._topology.pool_of(kind), "running").inc(count)
        for status in ("pending", "running", "paused"):
            self.open_runs.labels(status).set(seen.open_runs.get(status, 0))
        self.stuck.labels("running").set(stuck)
        self.outbox.labels("owed").set(seen.owed)
        age = _seconds(seen.now - seen.owed_since) if seen.owed_since else 0.0
        self.outbox_age.labels("owed").set(age)

    def measure_no_more(self) -> None:
        """Leave it to another replica, so that two do not add up."""
        for gauge in (
            self.queue,
            self.pools,
            self.waiting,
            self.open_runs,
            self.stuck,
            self.outbox,
            self.outbox_age,
        ):
            gauge.clear()

    def count(self, decision: Decision, facts: Iterable[Fact], *, seconds: float) -> None:
        """Count what a stored decision made true, and how long it took to store it."""
        self.batch.observe(decision.taken)
        self.commit.observe(seconds)
        self.ignored.inc(decision.ignored)
        self.deferred.inc(len(decision.deferred))
        for fact in facts:
            self._count(fact)

    def _count(self, fact: Fact) -> None:
        match fact:
            case Accepted(kind):
                self.accepted.labels(kind).inc()
            case Created(task_type):
                self.created.labels(type_label(task_type)).inc()
            case Queued(task_type):
                self.queued.labels(self._topology.pool_of(task_type)).inc()
            case Started(task_type, seconds, traceparent):
                pool = self._topology.pool_of(task_type)
                self.handoff.labels(pool).observe(seconds, exemplar(traceparent))
            case AttemptClosed():
                self._count_attempt(fact)
            case TaskEnded():
                self._count_task(fact)
            case RunEnded(outcome, root):
                if root:
                    self.ended.labels(outcome).inc()

    def _count_attempt(self, closed: AttemptClosed) -> None:
        self.attempts.labels(type_label(closed.type), bounded(closed.outcome, _OUTCOMES)).inc()
        if closed.outcome == "failed":
            self.attempt_failures.labels(bounded(closed.code, ATTEMPT_CODES)).inc()
        if closed.again:
            self.retries.labels(type_label(closed.type)).inc()

    def _count_task(self, ended: TaskEnded) -> None:
        task_type = type_label(ended.type)
        match ended.outcome:
            case "completed":
                self.completed.labels(task_type).inc()
                self.duration.labels(task_type).observe(ended.seconds, exemplar(ended.traceparent))
            case "failed":
                self.failed.labels(task_type).inc()
                pool = self._topology.pool_of(ended.type)
                self.task_failures.labels(pool, bounded(ended.code, ATTEMPT_CODES)).inc()
            case outcome:
                self.unfinished.labels(task_type, outcome).inc()


def _seconds(span: timedelta) -> float:
    return max(0.0, span / timedelta(seconds=1))
