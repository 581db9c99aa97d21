"""Events go where their readers are."""

import pytest

from filemill_common.clock import EPOCH
from filemill_common.events import (
    EVENTS,
    AttemptProgressed,
    AttemptRevoked,
    Check,
    Event,
    EventRejected,
    Saw,
    TaskCommand,
    TaskCompleted,
    TaskCreated,
    TaskProgressed,
    TaskReady,
    TaskSpec,
    TaskStatus,
    TaskView,
    WorkflowCompleted,
    WorkflowCreated,
    WorkflowStatus,
    WorkflowView,
)
from filemill_common.messaging.topology import Route, Topology

TASK = TaskView(id="t", type="video_convert", status=TaskStatus.COMPLETED, created_at=EPOCH, updated_at=EPOCH)
RUN = WorkflowView(id="w", name="w", status=WorkflowStatus.COMPLETED, created_at=EPOCH, updated_at=EPOCH)


class TestARoute:
    @pytest.mark.parametrize(
        ("event", "route"),
        [
            (
                Check(task_id="t", attempt=1, saw=Saw.UNTAKEN, at=EPOCH, partition_key="a"),
                Route("filemill.scheduler", "5", must_arrive=True, partition=5),
            ),
            (
                AttemptProgressed(
                    task_id="t",
                    attempt=1,
                    execution="x",
                    worker="w",
                    sequence=1,
                    progress=0,
                    partition_key="a",
                ),
                Route("filemill.scheduler", "5", must_arrive=False, partition=5),
            ),
            (
                TaskCommand(task_id="t", command="cancel", command_id="c", partition_key="b"),
                Route("filemill.scheduler", "1", must_arrive=True, partition=1),
            ),
            (
                TaskReady(task_id="t", attempt=1, task_type="video_convert", options={}, partition_key="a"),
                Route("filemill.work", "video.video_convert", must_arrive=True, partition=None),
            ),
            (
                AttemptRevoked(task_id="t", attempt=1, partition_key="a"),
                Route("filemill.work", "control.all", must_arrive=False, partition=5),
            ),
            (
                AttemptRevoked(task_id="t", attempt=1, worker="w7", partition_key="a"),
                Route("filemill.work", "control.w7", must_arrive=False, partition=5),
            ),
            (
                TaskCompleted(task=TASK, partition_key="a"),
                Route("filemill.events", "task.completed.video_convert", must_arrive=True, partition=5),
            ),
            (
                TaskProgressed(task=TASK, partition_key="a"),
                Route("filemill.events", "task.progressed.video_convert", must_arrive=False, partition=5),
            ),
            (
                WorkflowCompleted(workflow=RUN, partition_key="a"),
                Route("filemill.events", "workflow.completed", must_arrive=True, partition=5),
            ),
            (
                EventRejected(code="x", message="x", partition_key="a"),
                Route("filemill.events", "event.rejected", must_arrive=False, partition=5),
            ),
        ],
    )
    def test_follows_from_the_event(self, event: Event, route: Route) -> None:
        assert Topology(partitions=8).route(event) == route

    @pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.__name__)
    def test_that_nobody_need_take_is_that_of_transient_events(self, kind: type[Event]) -> None:
        event = kind.model_construct(task_id="t", task_type="echo", task=TASK, workflow=RUN, worker=None)

        assert Topology().route(event).must_arrive == (not event.transient)

    @pytest.mark.parametrize(
        ("event", "key"),
        [
            (TaskCreated(task_id="t", task=TaskSpec(type="echo")), "task.created.echo"),
            (WorkflowCreated(workflow_id="w", definition={}), "workflow.created"),
        ],
    )
    def test_of_a_request_told_again_leads_to_whoever_listens(self, event: Event, key: str) -> None:
        assert Topology().told(event) == Route("filemill.events", key, must_arrive=False, partition=0)

    def test_of_a_partition_is_the_same_everywhere(self) -> None:
        topology = Topology(partitions=8)

        assert [topology.partition_of(key) for key in ("a", "b", "c", "d")] == [5, 1, 1, 3]

    def test_follows_the_pools_that_are_set_and_always_a_default_one(self) -> None:
        topology = Topology(pools={"fast": ("echo",)})

        assert [topology.pool_of(kind) for kind in ("echo", "video_convert")] == ["fast", "default"]
        assert {queue.name for queue in topology.queues()} >= {"worker.fast", "worker.default"}


class TestTheQueues:
    def test_are_what_every_publisher_declares(self) -> None:
        queues = {queue.name: queue for queue in Topology(partitions=2).queues()}

        assert set(queues) == {
            "scheduler.0",
            "scheduler.1",
            "scheduler.intake",
            "worker.video",
            "worker.image",
            "worker.document",
            "worker.model",
            "worker.archive",
            "worker.default",
            "notifier.events",
            "parking-lot",
        }
        assert {name for name, queue in queues.items() if queue.single} == {
            "scheduler.0",
            "scheduler.1",
            "scheduler.intake",
        }
        assert queues["scheduler.1"].arguments == {
            "x-queue-type": "quorum",
            "x-delivery-limit": 1_000_000,
            "x-single-active-consumer": True,
        }

    def test_of_the_notifier_gets_what_is_final_and_what_is_asked_of_it(self) -> None:
        [notifier] = [queue for queue in Topology().queues() if queue.name == "notifier.events"]

        assert {key for _, key in notifier.bindings} == {
            "task.completed.#",
            "task.failed.#",
            "task.cancelled.#",
            "workflow.completed",
            "workflow.failed",
            "workflow.cancelled",
            "delivery.command",
        }
