"""What a step that fails means for the rest of its run."""

import pytest

from filemill_common.events import AttemptRevoked, Counts, WorkflowFailed
from filemill_common.language.words import FailurePolicy
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import bring, each, parallel, step, told, wait, why

POLICIES = ("fail_fast", "drain", "continue")


class TestAFailedStep:
    @pytest.mark.parametrize(
        ("policy", "under_way", "not_begun", "retrying"),
        [
            ("fail_fast", "cancelled", "skipped: run_failed", "cancelled"),
            ("drain", "running", "skipped: run_failed", "retrying"),
            ("continue", "running", "pending", "retrying"),
        ],
    )
    def test_means_to_the_others_what_the_policy_says(
        self, scene: Scene, policy: FailurePolicy, under_way: str, not_begun: str, retrying: str
    ) -> None:
        scene.define(
            failure_policy=policy,
            steps=[step("a"), step("b"), step("later", "b"), step("again"), step("z", "later")],
        )
        scene.play(scene.started("b"), scene.failed("again", retryable=True))

        bring(scene, "a", "failed")

        assert [why(scene, name) for name in ("b", "later", "again", "z")] == [
            under_way,
            not_begun,
            retrying,
            not_begun,
        ]
        assert told(scene, AttemptRevoked) == (policy == "fail_fast")

    @pytest.mark.parametrize("policy", POLICIES)
    def test_fails_its_run_once_all_has_ended(self, scene: Scene, policy: FailurePolicy) -> None:
        scene.define(failure_policy=policy, steps=[step("a"), step("b"), step("c", "b")])

        bring(scene, "a", "failed")
        for name in "bc":
            if why(scene, name) == "ready":
                assert str(scene.run().status) == "running"
                bring(scene, name, "succeeded")

        assert str(scene.run().status) == "failed"
        assert told(scene, WorkflowFailed) == 1
        error = scene.run().error
        assert error is not None
        assert error.message == "step 'a' failed: it broke"

    @pytest.mark.parametrize("policy", POLICIES)
    def test_that_may_fail_changes_nothing_for_the_others(self, scene: Scene, policy: FailurePolicy) -> None:
        scene.define(failure_policy=policy, steps=[step("a", allow_failure=True), step("b"), step("c", "b")])

        for name, how in (("a", "failed"), ("b", "succeeded"), ("c", "succeeded")):
            bring(scene, name, how)

        assert str(scene.run().status) == "completed"
        assert scene.run().counts == Counts(total=3, completed=2, failed=1)
        assert scene.run().error is None

    @pytest.mark.parametrize("policy", POLICIES)
    def test_that_somebody_cancelled_counts_as_one(self, scene: Scene, policy: FailurePolicy) -> None:
        scene.define(failure_policy=policy, steps=[step("a"), step("b", "a")])

        scene.play(scene.command(scene.task("a").id, "cancel"))

        assert why(scene, "b") == (
            "skipped: upstream_failed" if policy == "continue" else "skipped: run_failed"
        )
        error = scene.run().error
        assert (str(scene.run().status), error and error.code) == ("failed", "step_cancelled")

    def test_fails_its_run_also_if_another_step_made_good_for_it(self, scene: Scene) -> None:
        scene.define(failure_policy="continue", steps=[step("a"), step("rescue", "a", rule="one_failed")])

        bring(scene, "a", "failed")
        bring(scene, "rescue", "succeeded")

        assert str(scene.run().status) == "failed"

    def test_keeps_the_first_as_the_reason_of_its_run(self, scene: Scene) -> None:
        scene.define(failure_policy="continue", steps=[step("a"), step("b")])

        scene.play(scene.failed("b", message="first"), scene.failed("a", message="second"))

        error = scene.run().error
        assert error is not None
        assert error.message == "step 'b' failed: first"


class TestDraining:
    def test_lets_what_is_under_way_finish_at_every_depth_and_begins_nothing_in_it(
        self, scene: Scene
    ) -> None:
        scene.define(
            failure_policy="drain",
            value={"items": [1, 2, 3]},
            steps=[
                step("a"),
                parallel("p", b=[step("x"), step("x2", "x")]),
                each("m", max_concurrency=1),
                wait("w", signal="go"),
            ],
        )

        bring(scene, "a", "failed")
        assert [why(scene, name) for name in ("p", "x", "x2", "m", "m[0]", "m[1]", "w")] == [
            "running",
            "ready",
            "skipped: run_failed",
            "running",
            "ready",
            "skipped: run_failed",
            "running",
        ]

        for name in ("x", "m[0]"):
            bring(scene, name, "succeeded")
        scene.say("go")
        assert [why(scene, name) for name in "pmw"] == ["completed"] * 3
        assert str(scene.run().status) == "failed"

    def test_gives_what_is_under_way_its_retries(self, scene: Scene) -> None:
        scene.define(failure_policy="drain", steps=[step("a"), step("b")])
        bring(scene, "a", "failed")

        scene.play(scene.failed("b", retryable=True))
        scene.play(scene.due("b"))

        assert why(scene, "b") == "ready"
