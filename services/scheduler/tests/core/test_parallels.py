"""Parallels: branches that begin together, and a failure policy of their own."""

import pytest

from filemill_common.events import JsonObject
from filemill_common.language.words import FailurePolicy
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import bring, parallel, ready, step, why


def nested(depth: int, **said: object) -> JsonObject:
    """A parallel in a parallel, and so on; a step lies in the innermost, and one beside each."""
    inside = [step("x")] if depth == 1 else [nested(depth - 1, **said), step(f"beside{depth}")]
    return parallel(f"p{depth}", branch=inside, **said)


class TestAParallel:
    def test_begins_its_branches_when_it_begins_and_ends_when_all_in_it_has(self, scene: Scene) -> None:
        scene.define(
            steps=[
                step("a"),
                parallel("p", "a", left=[step("x"), step("x2", "x")], right=[step("y")]),
                step("z", "p"),
            ]
        )
        assert ready(scene) == ["a"]

        bring(scene, "a", "succeeded")
        assert (ready(scene), why(scene, "p")) == (["x", "y"], "running")

        for name in ("x", "y"):
            bring(scene, name, "succeeded")
        assert (ready(scene), why(scene, "p")) == ([], "running")

        bring(scene, "x2", "succeeded")
        assert (ready(scene), why(scene, "p"), scene.task("p").output) == (["z"], "completed", {})

    def test_counts_what_lies_in_it_among_the_steps_of_its_run(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", left=[step("x")], right=[step("y")])])
        assert (scene.run().counts.total, scene.task("x").parent) == (3, "p")

        scene.play(scene.succeeded("x"), scene.succeeded("y"))

        assert (scene.run().counts.completed, str(scene.run().status)) == (3, "completed")

    def test_tells_how_far_it_has_come(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", branch=[step("w"), step("x"), step("y"), step("z")])])

        bring(scene, "y", "succeeded")

        assert scene.task("p").progress == 25

    def test_with_nothing_in_its_branches_completes_at_once(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", left=[], right=[]), step("z", "p")])

        assert (why(scene, "p"), ready(scene)) == ("completed", ["z"])

    def test_may_lie_in_another_six_times(self, scene: Scene) -> None:
        scene.define(steps=[nested(7), step("z", "p7")])
        assert set(ready(scene)) == {"x", *(f"beside{depth}" for depth in range(2, 8))}

        for depth in range(2, 8):
            bring(scene, f"beside{depth}", "succeeded")
        bring(scene, "x", "succeeded")

        assert ready(scene) == ["z"]
        assert {why(scene, f"p{depth}") for depth in range(1, 8)} == {"completed"}

    def test_that_is_skipped_skips_all_that_lies_in_it(self, scene: Scene) -> None:
        scene.define(
            steps=[parallel("p", if_="false", b=[parallel("q", b=[step("x")]), step("y", rule="always")])]
        )

        assert [why(scene, name) for name in "pqxy"] == [
            "skipped: condition",
            "skipped: upstream_skipped",
            "skipped: upstream_skipped",
            "skipped: upstream_skipped",
        ]
        assert str(scene.run().status) == "completed"

    def test_that_is_skipped_because_of_a_failure_says_so_to_all_that_lies_in_it(self, scene: Scene) -> None:
        scene.define(
            failure_policy="continue", steps=[step("a"), parallel("p", "a", b=[parallel("q", b=[step("x")])])]
        )

        bring(scene, "a", "failed")

        assert {why(scene, name) for name in "pqx"} == {"skipped: upstream_failed"}
        assert scene.run().counts.skipped == 3

    def test_whose_if_fails_begins_nothing(self, scene: Scene) -> None:
        scene.define(failure_policy="continue", steps=[parallel("p", if_="input.nothing", b=[step("x")])])

        assert (why(scene, "p"), why(scene, "x")) == ("failed: expression_error", "skipped: run_failed")
        assert str(scene.run().status) == "failed"

    def test_that_takes_too_long_fails_with_all_that_lies_in_it(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", timeout="5s", b=[step("x"), step("y", "x")])])
        scene.state.later(seconds=5)

        scene.play(scene.overdue("p"))

        assert [why(scene, name) for name in "pxy"] == ["failed: timeout", "cancelled", "skipped: run_failed"]


class TestAFailureInAParallel:
    @pytest.mark.parametrize(
        ("policy", "running", "pending", "then"),
        [
            ("fail_fast", "cancelled", "skipped: run_failed", "failed: boom"),
            ("drain", "ready", "skipped: run_failed", "running: boom"),
            ("continue", "ready", "pending", "running: boom"),
        ],
    )
    def test_does_what_its_policy_says_to_what_lies_in_it(
        self, scene: Scene, policy: FailurePolicy, running: str, pending: str, then: str
    ) -> None:
        scene.define(
            failure_policy="continue",
            steps=[
                parallel(
                    "p",
                    failure_policy=policy,
                    one=[step("x"), step("x2", "x")],
                    two=[step("y"), step("y2", "y")],
                ),
                step("outside"),
                step("z", "p"),
            ],
        )

        bring(scene, "x", "failed")
        assert (why(scene, "y"), why(scene, "y2"), why(scene, "p")) == (running, pending, then)
        assert why(scene, "outside") == "ready"

        for name in ("y", "y2"):
            if why(scene, name) == "ready":
                bring(scene, name, "succeeded")
        assert (why(scene, "p"), why(scene, "z")) == ("failed: boom", "skipped: upstream_failed")
        assert why(scene, "y2") == ("completed" if policy == "continue" else "skipped: run_failed")

    def test_that_is_allowed_there_is_none(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", b=[step("x", allow_failure=True), step("y")]), step("z", "p")])

        bring(scene, "x", "failed")
        assert why(scene, "y") == "ready"

        bring(scene, "y", "succeeded")
        assert (why(scene, "p"), ready(scene)) == ("completed", ["z"])

    def test_fails_it_and_no_more_if_that_may_fail(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", allow_failure=True, b=[step("x")]), step("y"), step("z", "p")])

        bring(scene, "x", "failed")
        bring(scene, "y", "succeeded")

        assert [why(scene, name) for name in "pyz"] == [
            "failed: boom",
            "completed",
            "skipped: upstream_failed",
        ]
        assert str(scene.run().status) == "completed"

    def test_reaches_as_far_out_as_nobody_allows_it(self, scene: Scene) -> None:
        scene.define(steps=[nested(7), step("other")])

        bring(scene, "x", "failed")

        assert {why(scene, f"p{depth}") for depth in range(1, 8)} == {"failed: boom"}
        assert {why(scene, f"beside{depth}") for depth in range(2, 8)} == {"cancelled"}
        assert (why(scene, "other"), str(scene.run().status)) == ("cancelled", "failed")
        message = scene.run().error
        assert message is not None
        assert message.message.startswith("step 'p7' failed: step 'p6' failed: ")

    def test_of_a_step_that_somebody_cancelled_is_one_too(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", b=[step("x"), step("y")])])

        scene.play(scene.command(scene.task("x").id, "cancel"))

        assert (why(scene, "p"), why(scene, "y")) == ("failed: step_cancelled", "cancelled")
        assert str(scene.run().status) == "failed"


class TestAStepThatSomebodyCancelledBeforeItsParallelBegan:
    def test_counts_as_a_failure_in_it_when_it_begins(self, scene: Scene) -> None:
        scene.define(
            steps=[step("a"), parallel("p", "a", b=[step("x"), step("y")])], failure_policy="continue"
        )
        scene.play(scene.command(scene.task("x").id, "cancel"))
        assert (why(scene, "x"), why(scene, "p")) == ("cancelled", "pending")

        bring(scene, "a", "succeeded")

        assert (why(scene, "p"), why(scene, "y")) == ("failed: step_cancelled", "skipped: run_failed")
        assert str(scene.run().status) == "failed"

    def test_lets_it_complete_if_it_may_fail(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), parallel("p", "a", b=[step("x", allow_failure=True)])])
        scene.play(scene.command(scene.task("x").id, "cancel"))

        bring(scene, "a", "succeeded")

        assert (why(scene, "p"), str(scene.run().status)) == ("completed", "completed")
