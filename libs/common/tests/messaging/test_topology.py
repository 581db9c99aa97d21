"""Events go where their readers are."""

import pytest

from filemill_common.events import (
    AttemptRevoked,
    Check,
    Event,
    EventRejected,
    Saw,
    TaskReady,
    TaskView,
    WorkflowCompleted,
    WorkflowView,
)
from filemill_common.events.base import EPOCH
from filemill_common.events.tasks import TaskCompleted, TaskProgressed
from filemill_common.messaging.topology import Route, Topology

TASK = TaskView(id="t", type="video_convert", status="completed", created_at=EPOCH, updated_at=EPOCH)
RUN = WorkflowView(id="w", name="w", status="completed", created_at=EPOCH, updated_at=EPOCH)


class TestARoute:
    @pytest.mark.parametrize(
        ("event", "route"),
        [
            (
                TaskReady(task_id="t", attempt=1, task_type="video_convert", options={}),
                Route("filemill.work", "video.video_convert", must_arrive=True),
            ),
            (
                TaskReady(task_id="t", attempt=1, task_type="echo", options={}),
                Route("filemill.work", "default.echo", must_arrive=True),
            ),
            (
                AttemptRevoked(task_id="t", attempt=1),
                Route("filemill.work", "control.all", must_arrive=False),
            ),
            (
                AttemptRevoked(task_id="t", attempt=1, worker="w7"),
                Route("filemill.work", "control.w7", must_arrive=False),
            ),
            (
                Check(task_id="t", attempt=1, saw=Saw.UNTAKEN, at=EPOCH, partition_key="t"),
                Route("filemill.scheduler", "0", must_arrive=True),
            ),
            (
                TaskCompleted(task=TASK),
                Route("filemill.events", "task.completed.video_convert", must_arrive=True),
            ),
            (
                TaskProgressed(task=TASK),
                Route("filemill.events", "task.progressed.video_convert", must_arrive=False),
            ),
            (
                WorkflowCompleted(workflow=RUN),
                Route("filemill.events", "workflow.completed", must_arrive=True),
            ),
            (
                EventRejected(code="x", message="x"),
                Route("filemill.events", "event.rejected", must_arrive=False),
            ),
        ],
    )
    def test_follows_from_the_event(self, event: Event, route: Route) -> None:
        assert Topology().route(event) == route

    def test_of_a_partition_is_the_same_everywhere(self) -> None:
        topology = Topology(partitions=8)

        assert [topology.partition_of(key) for key in ("a", "b", "c", "d")] == [5, 6, 2, 3]

    def test_follows_the_pools_that_are_set(self) -> None:
        topology = Topology(pools={"fast": ("echo",), "default": ("*",)})

        assert [topology.pool_of(kind) for kind in ("echo", "video_convert")] == ["fast", "default"]
        assert {queue.name for queue in topology.queues()} >= {"worker.fast", "worker.default"}
