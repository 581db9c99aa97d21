"""An attempt may run twice; a transition happens once."""

from datetime import timedelta

import pytest

from filemill_common.events import (
    AttemptEvent,
    AttemptRevoked,
    AttemptStarted,
    Saw,
    TaskCompleted,
    TaskFailed,
    TaskReady,
    TaskStatus,
)
from filemill_scheduler.core.policy import LEASE
from filemill_scheduler.testing import Scene


def owed(scene: Scene, kind: type) -> list[object]:
    return [event for event in scene.last.owed if isinstance(event, kind)]


class TestARepeatedReport:
    def test_of_success_changes_nothing(self, scene: Scene) -> None:
        scene.create("t")
        report = scene.succeeded("t", output={"x": 1})
        scene.play(report)
        before = scene.task("t")

        decision = scene.play(report.model_copy(update={"output": {"x": 2}, "execution": "other"}))

        assert (scene.task("t"), decision.stores_nothing, decision.ignored) == (before, True, 1)

    def test_in_the_same_batch_completes_once(self, scene: Scene) -> None:
        scene.create("t")

        scene.play(scene.succeeded("t"), scene.succeeded("t"))

        assert len(owed(scene, TaskCompleted)) == 1

    def test_of_creation_changes_nothing(self, scene: Scene) -> None:
        scene.create("t")

        decision = scene.create("t")

        assert (decision.stores_nothing, decision.ignored) == (True, 1)

    def test_of_creation_with_another_body_is_refused(self, scene: Scene) -> None:
        scene.create("t")

        decision = scene.play(scene.created("t").model_copy(update={"body_digest": "other"}))

        assert [type(event).__name__ for event in decision.owed] == ["EventRejected"]
        assert decision.stores_nothing


class TestAnEarlyReport:
    def test_of_an_unknown_task_is_looked_at_again(self, scene: Scene) -> None:
        scene.create("t")
        report = scene.succeeded("t")
        del scene.state.tasks["t"]

        decision = scene.play(report)

        [(again, moment)] = decision.deferred
        assert (again.id, again.deferrals, moment - scene.state.now) == (report.id, 1, timedelta(seconds=1))

    def test_is_parked_after_the_sixth_look(self, scene: Scene) -> None:
        scene.create("t")
        report = scene.succeeded("t", deferrals=6)
        del scene.state.tasks["t"]

        decision = scene.play(report)

        assert (decision.deferred, [parked.code for parked in decision.parked]) == ((), ["unknown_task"])

    def test_of_an_attempt_not_open_yet_is_looked_at_again(self, scene: Scene) -> None:
        scene.create("t")

        decision = scene.play(scene.succeeded("t", attempt=2))

        assert len(decision.deferred) == 1


class TestALateReport:
    def test_of_a_closed_attempt_is_answered_with_its_revocation(self, scene: Scene) -> None:
        scene.create("t")
        late = scene.progressed("t", 50)
        scene.play(scene.started("t"))
        scene.play(scene.released("t"))

        decision = scene.play(late)

        assert [type(event) for event in decision.owed] == [AttemptRevoked]
        assert decision.stores_nothing


class TestTwoExecutions:
    def test_the_first_that_starts_is_recorded_and_the_other_only_renews_the_lease(
        self, scene: Scene
    ) -> None:
        scene.create("t")
        scene.play(scene.started("t", execution="first"), scene.progressed("t", 40, execution="first"))
        scene.state.later(seconds=10)

        scene.play(scene.started("t", execution="second"), scene.progressed("t", 5, execution="second"))

        task = scene.task("t")
        assert (task.execution, task.progress, task.lease_until) == ("first", 40, scene.state.now + LEASE)

    @pytest.mark.parametrize("how", ["failed", "released"])
    def test_the_other_one_giving_up_changes_nothing(self, scene: Scene, how: str) -> None:
        scene.create("t")
        scene.play(scene.started("t", execution="first"))

        scene.play(getattr(scene, how)("t", execution="second"))

        assert scene.task("t").status is TaskStatus.RUNNING

    def test_the_first_success_wins_whoever_has_it(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.started("t", execution="first"))

        scene.play(scene.succeeded("t", execution="second", output={"by": "second"}))

        assert scene.task("t").output == {"by": "second"}


class TestAFailedAttempt:
    def test_is_retried_after_a_pause_under_the_next_number(self, scene: Scene) -> None:
        scene.create("t", retry_delay=4)

        scene.play(scene.failed("t", retryable=True))
        task = scene.task("t")
        assert (task.status, task.attempt, task.retry_count) == (TaskStatus.RETRYING, 2, 1)
        assert task.due_at is not None
        assert timedelta(0) <= task.due_at - scene.state.now <= timedelta(seconds=4)

        scene.play(scene.check("t", Saw.RETRY_DUE))
        assert [event.attempt for event in owed(scene, TaskReady) if isinstance(event, TaskReady)] == [2]

    def test_that_no_retry_would_help_is_final(self, scene: Scene) -> None:
        scene.create("t")

        scene.play(scene.failed("t", retryable=False))

        assert len(owed(scene, TaskFailed)) == 1

    def test_is_final_when_no_retry_is_left(self, scene: Scene) -> None:
        scene.create("t", max_retries=1)
        scene.play(scene.failed("t", retryable=True))
        scene.play(scene.check("t", Saw.RETRY_DUE))

        scene.play(scene.failed("t", retryable=True))

        assert (scene.task("t").status, scene.task("t").retry_count) == (TaskStatus.FAILED, 2)

    def test_tells_nobody_while_a_retry_follows(self, scene: Scene) -> None:
        scene.create("t")

        scene.play(scene.failed("t", retryable=True))

        assert scene.last.durable == ()


class TestAReleasedAttempt:
    def test_is_offered_again_at_once_and_is_no_failure(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.started("t"))

        scene.play(scene.released("t", checkpoint={"at": 3}))

        task = scene.task("t")
        assert (task.status, task.attempt, task.retry_count) == (TaskStatus.READY, 2, 0)
        assert task.checkpoint == {"at": 3}


class TestALease:
    def test_that_lapses_costs_a_loss_and_opens_the_next_attempt(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.started("t"))
        look = scene.check("t", Saw.LEASE_LAPSED)
        scene.state.later(seconds=21)

        scene.play(look)

        [offer] = owed(scene, TaskReady)
        assert isinstance(offer, TaskReady)
        assert (offer.attempt, offer.losses, scene.task("t").retry_count) == (2, 1, 0)

    def test_that_was_renewed_meanwhile_does_not_lapse(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.started("t"))
        look = scene.check("t", Saw.LEASE_LAPSED)
        scene.state.later(seconds=21)

        scene.play(scene.progressed("t", 10), look)

        assert scene.task("t").status is TaskStatus.RUNNING

    def test_does_not_lapse_while_renewals_may_still_be_queued(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.started("t"))
        look = scene.check("t", Saw.LEASE_LAPSED)
        scene.state.later(seconds=60)

        scene.play(look, may_lapse=False)

        assert scene.task("t").status is TaskStatus.RUNNING

    def test_that_lapses_a_third_time_fails_the_task(self, scene: Scene) -> None:
        scene.create("t")
        for _ in range(3):
            scene.play(scene.started("t", execution=f"execution {scene.task('t').attempt}"))
            look = scene.check("t", Saw.LEASE_LAPSED)
            scene.state.later(seconds=21)
            scene.play(look)

        task = scene.task("t")
        assert (task.status, task.error and task.error.code, task.losses) == (
            TaskStatus.FAILED,
            "worker_lost",
            3,
        )


class TestARunTimeOut:
    def test_fails_the_attempt_and_revokes_it(self, scene: Scene) -> None:
        scene.create("t", timeout=30)
        scene.play(scene.started("t"))
        look = scene.check("t", Saw.OVERDUE)
        scene.state.later(seconds=31)

        scene.play(look)

        assert scene.code("t") == "timeout"
        assert scene.task("t").status is TaskStatus.RETRYING
        assert isinstance(scene.last.owed[0], AttemptRevoked)


class TestAnUntakenTask:
    def test_is_offered_again_under_the_same_number(self, scene: Scene) -> None:
        scene.create("t")
        look = scene.check("t", Saw.UNTAKEN)
        scene.state.later(seconds=61)

        scene.play(look)
        assert [event.attempt for event in owed(scene, TaskReady) if isinstance(event, TaskReady)] == [1]

        assert scene.play(look).stores_nothing


class TestCommands:
    def test_cancel_closes_the_attempt_and_revokes_it(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.started("t"))

        scene.play(scene.command("t", "cancel"))

        assert scene.task("t").status is TaskStatus.CANCELLED
        assert len(owed(scene, AttemptRevoked)) == 1

    def test_a_known_command_does_nothing(self, scene: Scene) -> None:
        scene.create("t")
        command = scene.command("t", "cancel")
        scene.play(command)
        scene.play(scene.command("t", "retry"))

        decision = scene.play(command)

        assert (scene.task("t").status, decision.stores_nothing) == (TaskStatus.READY, True)

    def test_retry_never_lowers_the_attempt(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.failed("t"))

        scene.play(scene.command("t", "retry"))

        assert (scene.task("t").status, scene.task("t").attempt) == (TaskStatus.READY, 2)

    def test_a_command_before_its_task_is_looked_at_again(self, scene: Scene) -> None:
        decision = scene.play(scene.command("t", "cancel"))

        assert len(decision.deferred) == 1

    def test_delete_leaves_a_tombstone_that_a_late_creation_does_not_fill(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.command("t", "delete"))

        scene.create("t")

        assert (scene.task("t").status, scene.task("t").expires_at) == (
            None,
            scene.state.now + timedelta(hours=24),
        )

    def test_cancelling_a_run_cancels_all_that_is_open(self, scene: Scene) -> None:
        scene.submit(a={}, b={"depends_on": ["a"]}, c={})
        scene.play(scene.succeeded("c"))

        scene.play(scene.run_command("run", "cancel"))

        assert scene.statuses() == {"a": "cancelled", "b": "cancelled", "c": "completed"}
        assert [type(event).__name__ for event in scene.last.durable][-1] == "WorkflowCancelled"

    def test_start_begins_a_pending_run_once(self, scene: Scene) -> None:
        scene.submit(start=False, a={})

        scene.play(scene.run_command("run", "start"), scene.run_command("run", "start"))

        assert len(owed(scene, TaskReady)) == 1


class TestEveryReport:
    @pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
    def test_in_any_order_and_twice_ends_the_same(self, scene: Scene, order: tuple[int, ...]) -> None:
        scene.create("t")
        reports: list[AttemptEvent] = [
            scene.started("t"),
            scene.progressed("t", 50),
            scene.succeeded("t", output={"x": 1}),
        ]

        scene.play(*(reports[index] for index in order))
        scene.play(*(reports[index] for index in reversed(order)))

        task = scene.task("t")
        assert (task.status, task.progress, task.output) == (TaskStatus.COMPLETED, 100, {"x": 1})
        assert isinstance(reports[0], AttemptStarted)


class TestCommandsOfOneBatch:
    def test_that_end_a_task_anew_are_stored_and_told_one_by_one(self, scene: Scene) -> None:
        scene.create("t", type="probe", input_file="missing.mp4")
        retries = [scene.command("t", "retry"), scene.command("t", "retry")]

        told: set[str] = set()
        while retries:
            decision = scene.play(*retries)
            told |= {event.id for event in decision.owed if isinstance(event, TaskFailed)}
            retries = retries[decision.taken :]

        assert len(told) == 2

    def test_for_what_the_batch_has_ended_wait_for_the_next(self, scene: Scene) -> None:
        scene.create("t")

        decision = scene.play(scene.succeeded("t"), scene.command("t", "delete"), scene.created("u"))

        assert decision.taken == 1
        assert scene.task("t").status is TaskStatus.COMPLETED
