"""How busy a worker is, and how its attempts end."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """A worker's metrics, all in base units.

    Args:
        registry: Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.slots = Gauge(
            "filemill_worker_slots", "Tasks that may run side by side.", ["pool"], registry=registry
        )
        self.busy = Gauge("filemill_worker_busy_slots", "Tasks in hand.", registry=registry)
        self.attempts = Counter(
            "filemill_attempts_total",
            "Attempts in hand that ended: succeeded, failed, released or revoked.",
            ["type", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "filemill_attempt_duration_seconds",
            "From the taking of an attempt to its end, however it ended.",
            ["type"],
            buckets=(0.01, 0.1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
            registry=registry,
        )
