"""Steps under ``finally``: they run when all others have ended, however they did, and exactly once."""

from typing import Any

import pytest

from filemill_common.events import AttemptRevoked, WorkflowCancelled, WorkflowCompleted, WorkflowFailed
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import (
    bring,
    condition,
    kinds,
    parallel,
    ready,
    step,
    told,
    wait,
    why,
)


def last(*steps: object) -> dict[str, Any]:
    return {"finally": list(steps) or [step("f", with_={"saw": "${{ run.status }}"})]}


class TestFinally:
    @pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
    def test_begins_once_all_others_have_ended_and_knows_how(self, scene: Scene, how: str) -> None:
        scene.define(steps=[step("a", with_={"saw": "${{ run.status }}"}), step("b", "a")], **last())
        assert (why(scene, "f"), scene.task("a").options) == ("pending", {"saw": "running"})

        if how == "completed":
            bring(scene, "a", "succeeded")
            assert why(scene, "f") == "pending"
            bring(scene, "b", "succeeded")
        elif how == "failed":
            bring(scene, "a", "failed")
        else:
            scene.play(scene.run_command("run", "cancel"))
        assert (ready(scene), scene.task("f").options) == (["f"], {"saw": how})
        assert str(scene.run().status) == "running"

        bring(scene, "f", "succeeded")
        assert str(scene.run().status) == how

    @pytest.mark.parametrize("policy", ["drain", "continue"])
    def test_waits_for_what_a_failure_lets_finish(self, scene: Scene, policy: str) -> None:
        scene.define(failure_policy=policy, steps=[step("a"), step("b")], **last())

        bring(scene, "a", "failed")
        assert why(scene, "f") == "pending"

        bring(scene, "b", "succeeded")
        assert (why(scene, "f"), scene.task("f").options) == ("ready", {"saw": "failed"})

    def test_goes_on_whatever_fails_in_it_and_fails_the_run(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f"), step("g"), step("h", "g")))
        bring(scene, "a", "succeeded")

        bring(scene, "f", "failed")
        assert [why(scene, name) for name in "fgh"] == ["failed: boom", "ready", "pending"]

        bring(scene, "g", "succeeded")
        bring(scene, "h", "succeeded")
        error = scene.run().error
        assert (str(scene.run().status), error and error.message) == ("failed", "step 'f' failed: it broke")

    def test_that_may_fail_leaves_the_run_as_it_was(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f", allow_failure=True)))
        bring(scene, "a", "succeeded")

        bring(scene, "f", "failed")

        assert str(scene.run().status) == "completed"

    def test_that_fails_leaves_a_cancelled_run_cancelled_and_the_first_reason_of_a_failed_one(
        self, scene: Scene
    ) -> None:
        scene.define("cancelled", steps=[step("a")], **last(step("f")))
        scene.play(scene.run_command("cancelled", "cancel"))
        scene.play(scene.failed(scene.task("f", "cancelled").id))
        scene.define("failed", steps=[step("a")], **last(step("f")))
        scene.play(scene.failed(scene.task("a", "failed").id, message="first"))
        scene.play(scene.failed(scene.task("f", "failed").id, message="second"))

        error = scene.run("failed").error
        assert str(scene.run("cancelled").status) == "cancelled"
        assert error is not None
        assert error.message == "step 'a' failed: first"

    def test_has_steps_of_every_kind(self, scene: Scene) -> None:
        scene.define(
            steps=[step("a")],
            **last(
                condition("c", cases={"run.status == 'failed'": ["p"]}, default=["calm"]),
                step("calm"),
                parallel("p", left=[step("x")], right=[step("y"), step("y2", "y")]),
                wait("w", "p", signal="seen"),
            ),
        )
        bring(scene, "a", "failed")
        assert [why(scene, name) for name in ("calm", "p", "x", "y2")] == [
            "skipped: condition",
            "running",
            "ready",
            "pending",
        ]

        for name in ("x", "y", "y2"):
            bring(scene, name, "succeeded")
        scene.say("seen")

        assert [why(scene, name) for name in "pw"] == ["completed", "completed"]
        assert str(scene.run().status) == "failed"

    def test_sees_what_the_others_came_to(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f", with_={"n": "${{ steps.a.output.n }}"})))

        scene.play(scene.succeeded("a", output={"n": 3}))

        assert scene.task("f").options == {"n": 3}

    def test_sees_what_the_run_had_come_to_before_it_whatever_fails_in_it(self, scene: Scene) -> None:
        saw = {"saw": "${{ run.status }}"}
        scene.define(
            steps=[step("a")], **last(step("f"), step("g"), step("h", "g", rule="all_done", with_=saw))
        )
        bring(scene, "a", "succeeded")

        bring(scene, "f", "failed")
        bring(scene, "g", "succeeded")

        assert scene.task("h").options == {"saw": "completed"}
        bring(scene, "h", "succeeded")
        assert str(scene.run().status) == "failed"


class TestACancel:
    def test_that_comes_twice_does_nothing_the_second_time(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last())
        scene.play(scene.run_command("run", "cancel"))
        before = scene.task("f")

        scene.play(scene.run_command("run", "cancel"))

        assert (scene.task("f"), kinds(scene)) == (before, [])
        bring(scene, "f", "succeeded")
        assert told(scene, WorkflowCancelled) == 1

    def test_of_a_run_that_never_began_runs_nothing(self, scene: Scene) -> None:
        scene.define(start=False, steps=[step("a"), parallel("p", b=[step("x")])], **last())

        scene.play(scene.run_command("run", "cancel"))

        assert set(scene.statuses().values()) == {"cancelled"}
        assert str(scene.run().status) == "cancelled"

    def test_during_finally_lets_it_run_on_and_the_run_is_cancelled(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f"), step("g", "f")))
        bring(scene, "a", "succeeded")

        scene.play(scene.run_command("run", "cancel"))
        assert why(scene, "f") == "ready"

        bring(scene, "f", "succeeded")
        bring(scene, "g", "succeeded")
        assert (str(scene.run().status), told(scene, WorkflowCompleted)) == ("cancelled", 0)

    def test_stops_what_a_worker_runs(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last())
        scene.play(scene.started("a"))

        scene.play(scene.run_command("run", "cancel"))

        assert (why(scene, "a"), told(scene, AttemptRevoked), ready(scene)) == ("cancelled", 1, ["f"])


class TestAPauseDuringFinally:
    def test_holds_what_has_not_begun(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f"), step("g", "f")))
        scene.play(scene.run_command("run", "pause"))

        bring(scene, "a", "failed")
        assert (why(scene, "f"), str(scene.run().status)) == ("pending", "paused")

        scene.play(scene.run_command("run", "resume"))
        bring(scene, "f", "succeeded")
        bring(scene, "g", "succeeded")
        assert (str(scene.run().status), told(scene, WorkflowFailed)) == ("failed", 1)

    def test_ends_with_a_cancel(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f"), step("g")))
        bring(scene, "a", "succeeded")
        scene.play(scene.run_command("run", "pause"))
        scene.play(scene.failed("f", retryable=True))
        scene.play(scene.due("f"))
        assert (why(scene, "f"), str(scene.run().status)) == ("retrying", "paused")

        scene.play(scene.run_command("run", "cancel"))

        assert (ready(scene), str(scene.run().status)) == (["f"], "running")

    def test_that_began_before_it_ends_with_a_cancel_too(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f")))
        scene.play(scene.run_command("run", "pause"))
        bring(scene, "a", "succeeded")
        assert why(scene, "f") == "pending"

        scene.play(scene.run_command("run", "cancel"))
        assert ready(scene) == ["f"]

        bring(scene, "f", "succeeded")
        assert str(scene.run().status) == "cancelled"
