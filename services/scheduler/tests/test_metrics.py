"""What is measured for those who scale and those who look."""

from collections import Counter

from prometheus_client import CollectorRegistry

from filemill_common.messaging.topology import Topology
from filemill_scheduler.metrics import Metrics

TOPOLOGY = Topology(pools={"video": ["video_*"], "default": ["*"]})


def shown(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


class TestWhatAPoolHasToDo:
    def test_is_what_waits_and_what_runs_and_zero_where_there_is_nothing(self) -> None:
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        metrics.measure(Counter(echo=9), Counter(), TOPOLOGY)
        metrics.measure(Counter(video_convert=2, video_preview=1), Counter(video_convert=4), TOPOLOGY)

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

    def test_is_not_shown_by_who_does_not_measure(self) -> None:
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        assert shown(registry, "filemill_pool_tasks") == {}

        metrics.measure(Counter(echo=1), Counter(), TOPOLOGY)
        metrics.measure_no_more()

        assert shown(registry, "filemill_pool_tasks") == {}
