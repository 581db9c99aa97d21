"""What is counted of a decision: each fact once, however often and together with whatever it is told."""

from datetime import timedelta

from filemill_common.events import Event, Saw
from filemill_scheduler.core.facts import (
    Accepted,
    AttemptClosed,
    Created,
    Fact,
    Queued,
    RunEnded,
    Started,
    TaskEnded,
    facts,
)
from filemill_scheduler.testing import Scene

TIME = timedelta(seconds=1)


def told(scene: Scene, *events: Event) -> list[Fact]:
    decision = scene.play(*events)
    return list(facts(scene.before, decision))


class TestATaskOfItsOwn:
    def test_is_accepted_created_and_queued_once(self, scene: Scene) -> None:
        asked = scene.created("t")

        assert told(scene, asked) == [Created("echo"), Accepted("task"), Queued("echo")]
        assert told(scene, asked) == []

    def test_that_somebody_waited_for_is_created_when_it_comes(self, scene: Scene) -> None:
        assert told(scene, scene.created("later", depends_on=["t"])) == [Created("echo"), Accepted("task")]
        assert told(scene, scene.created("t")) == [Created("echo"), Accepted("task"), Queued("echo")]

    def test_that_was_quick_has_started_and_ended(self, scene: Scene) -> None:
        scene.create("t")
        report = scene.succeeded(
            "t", started_at=scene.state.now + 3 * TIME, completed_at=scene.state.now + 5 * TIME
        )

        assert told(scene, report, report) == [
            Started("echo", 3.0),
            AttemptClosed("echo", "succeeded"),
            TaskEnded("echo", "completed", seconds=2.0),
        ]
        assert told(scene, report) == []

    def test_that_is_long_has_started_once(self, scene: Scene) -> None:
        scene.create("t")

        assert told(scene, scene.started("t", started_at=scene.state.now + TIME)) == [Started("echo", 1.0)]
        assert told(scene, scene.started("t")) == []
        assert Started("echo", 0.0) not in told(scene, scene.succeeded("t"))


class TestAFailure:
    def test_that_is_tried_again_is_an_attempt_and_no_end(self, scene: Scene) -> None:
        scene.create("t", max_retries=1)

        assert told(scene, scene.failed("t", retryable=True)) == [
            Started("echo", 0.0),
            AttemptClosed("echo", "failed", "boom", again=True),
        ]
        scene.state.now += timedelta(minutes=2)
        assert told(scene, scene.due("t")) == [Queued("echo")]
        assert told(scene, scene.failed("t", retryable=True)) == [
            Started("echo", 0.0),
            AttemptClosed("echo", "failed", "boom"),
            TaskEnded("echo", "failed", "boom"),
        ]

    def test_of_a_worker_is_a_loss_and_another_offer(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.started("t"))
        scene.state.now += timedelta(minutes=1)

        assert told(scene, scene.check("t", Saw.LEASE_LAPSED)) == [
            AttemptClosed("echo", "lost"),
            Queued("echo"),
        ]

    def test_that_is_run_again_is_not_counted_again(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.play(scene.failed("a"))

        assert told(scene, scene.run_command("run", "rerun")) == [Queued("echo")]


class TestARun:
    def test_is_accepted_and_ends_once(self, scene: Scene) -> None:
        asked = scene.submitted(a={}, b={"depends_on": ["a"]})

        assert told(scene, asked) == [
            Created("echo"),
            Created("echo"),
            Accepted("workflow"),
            Queued("echo"),
        ]
        assert told(scene, asked) == []
        scene.play(scene.succeeded("a"))
        assert RunEnded("completed", root=True) in told(scene, scene.succeeded("b"))

    def test_within_another_is_not_accepted(self, scene: Scene) -> None:
        inner = {"name": "sub", "steps": [{"id": "x", "type": "task", "task": "echo"}]}
        outer = scene.asked(
            subworkflows={"sub@1": inner},
            steps=[{"id": "s", "type": "subworkflow", "workflow": "sub@1"}],
        )
        counted = told(scene, outer)
        while any(type(event).__name__ in {"Check", "WorkflowCreated"} for event in scene.last.owed):
            due = [event for event in scene.last.owed if type(event).__name__ in {"Check", "WorkflowCreated"}]
            counted += told(scene, *due)
        counted += told(scene, scene.succeeded("s/x"))

        assert counted.count(Accepted("workflow")) == 1
        assert [fact for fact in counted if isinstance(fact, RunEnded) and not fact.root] == [
            RunEnded("completed", root=False)
        ]

    def test_that_is_cancelled_ends_with_what_it_had_under_way(self, scene: Scene) -> None:
        scene.submit(a={}, b={"depends_on": ["a"]})
        scene.play(scene.started("a"))

        counted = told(scene, scene.run_command("run", "cancel"))

        assert counted[0] == AttemptClosed("echo", "cancelled")
        assert TaskEnded("echo", "cancelled") in counted
        assert counted[-1] == RunEnded("cancelled", root=True)
