"""What is measured for those who scale and those who look."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from filemill_common.messaging.topology import Topology
from filemill_scheduler.core import facts
from filemill_scheduler.metrics import Metrics
from filemill_scheduler.repository import Queue, Standing
from filemill_scheduler.testing import Scene

TOPOLOGY = Topology(pools={"video": ["video_*"], "default": ["*"]})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def shown(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


def seen(
    queued: Mapping[str, int],
    running: Mapping[str, int],
    *,
    for_seconds: float = 0,
    owed_for: float | None = None,
) -> Standing:
    since = NOW - timedelta(seconds=for_seconds)
    return Standing(
        now=NOW,
        queued={kind: Queue(count, since) for kind, count in queued.items()},
        running=running,
        open_runs={"running": 3},
        owed=0 if owed_for is None else 7,
        owed_since=None if owed_for is None else NOW - timedelta(seconds=owed_for),
    )


class TestWhatAPoolHasToDo:
    def test_is_what_waits_and_what_runs_and_zero_where_there_is_nothing(self) -> None:
        registry = CollectorRegistry()
        metrics = Metrics(registry, TOPOLOGY)
        metrics.measure(seen({"echo": 9}, {}), stuck=0)
        metrics.measure(
            seen({"video_convert": 2, "video_preview": 1}, {"video_convert": 4}, for_seconds=90), stuck=0
        )

        assert shown(registry, "filemill_pool_tasks") == {
            ("video", "ready"): 3,
            ("video", "running"): 4,
            ("default", "ready"): 0,
            ("default", "running"): 0,
        }
        assert shown(registry, "task_queue_size") == {
            ("video_convert", "video"): 2,
            ("video_preview", "video"): 1,
        }
        assert shown(registry, "filemill_pool_oldest_waiting_seconds") == {("video",): 90, ("default",): 0}

    def test_is_not_shown_by_who_does_not_measure(self) -> None:
        registry = CollectorRegistry()
        metrics = Metrics(registry, TOPOLOGY)
        assert shown(registry, "filemill_pool_tasks") == {}

        metrics.measure(seen({"echo": 1}, {}, owed_for=5), stuck=1)
        metrics.measure_no_more()

        for gauge in ("filemill_pool_tasks", "filemill_outbox_events", "filemill_workflows_stuck"):
            assert shown(registry, gauge) == {}

    def test_counts_types_that_nobody_knows_as_one(self) -> None:
        registry = CollectorRegistry()
        Metrics(registry, TOPOLOGY).measure(seen({"mine": 1, "yours": 2}, {}), stuck=0)

        assert shown(registry, "task_queue_size") == {("other", "default"): 3}


class TestWhatIsOwed:
    def test_is_shown_with_the_age_of_the_oldest(self) -> None:
        registry = CollectorRegistry()
        Metrics(registry, TOPOLOGY).measure(seen({}, {}, owed_for=61.5), stuck=2)

        assert shown(registry, "filemill_outbox_events") == {("owed",): 7}
        assert shown(registry, "filemill_outbox_oldest_seconds") == {("owed",): 61.5}
        assert shown(registry, "filemill_workflows_stuck") == {("running",): 2}
        assert shown(registry, "filemill_workflows_open") == {
            ("pending",): 0,
            ("running",): 3,
            ("paused",): 0,
        }


class TestAThousandTasks:
    def test_that_differ_in_all_make_no_series(self) -> None:
        registry = CollectorRegistry()
        metrics = Metrics(registry, TOPOLOGY)
        before = series(registry)
        for number in range(1000):
            scene = Scene()
            scene.create(f"unknown-{number}", type=f"type-{number}", user_id=f"user-{number}")
            metrics.count(scene.last, facts(scene.before, scene.last), seconds=0.01)
            scene.create(f"t{number}")
            metrics.count(scene.last, facts(scene.before, scene.last), seconds=0.01)
            scene.play(scene.failed(f"t{number}", code=f"code-{number}"))
            metrics.count(scene.last, facts(scene.before, scene.last), seconds=0.01)

        assert series(registry) == before
        assert registry.get_sample_value("task_failed_total", {"type": "other"}) == 1000
        assert registry.get_sample_value("filemill_attempt_failures_total", {"code": "other"}) == 1000


def series(registry: CollectorRegistry) -> int:
    return sum(len(metric.samples) for metric in registry.collect())
