"""Moments nobody thinks of: for steps that have not begun, and for runs that go on after a failure."""

from typing import Any

from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import bring, each, parallel, ready, step, why

LAST: dict[str, Any] = {"finally": [step("f")]}


class TestAnItemThatWasCancelledBeforeItsTurn:
    def test_gives_its_turn_to_nobody(self, scene: Scene) -> None:
        scene.define(
            steps=[each("m", items="[1, 2, 3]", max_concurrency=1, tolerated_failures=1)],
        )

        scene.play(scene.command(scene.task("m[2]").id, "cancel"))

        assert [why(scene, f"m[{number}]") for number in range(3)] == ["ready", "pending", "cancelled"]

        bring(scene, "m[0]", "succeeded")
        bring(scene, "m[1]", "succeeded")
        assert why(scene, "m") == "completed"


class TestARunOfWhichAllWasCancelledBeforeItBegan:
    def test_begins_with_its_finally_steps(self, scene: Scene) -> None:
        scene.define(failure_policy="continue", start=False, steps=[step("a")], **LAST)
        scene.play(scene.command(scene.task("a").id, "cancel"))
        assert why(scene, "f") == "pending"

        scene.play(scene.run_command("run", "start"))

        assert ready(scene) == ["f"]


class TestAFailureThatStands:
    def test_lets_a_new_one_stop_the_rest_after_a_rerun(self, scene: Scene) -> None:
        steps = [step("a"), step("b"), step("c", "b"), step("d", "b"), step("e", "d")]
        scene.define(failure_policy="drain", steps=steps)
        bring(scene, "b", "succeeded")
        bring(scene, "a", "failed")
        bring(scene, "c", "succeeded")
        bring(scene, "d", "succeeded")
        scene.play(scene.run_command("run", "rerun", step="b"))
        bring(scene, "b", "succeeded")

        bring(scene, "c", "failed")

        assert (why(scene, "d"), why(scene, "e")) == ("ready", "skipped: run_failed")

    def test_under_finally_lets_another_one_stop_the_rest(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b")], **LAST)
        scene.play(scene.command(scene.task("f").id, "cancel"))

        bring(scene, "a", "failed")

        assert why(scene, "b") == "cancelled"


class TestATaskThatWaitsForAStep:
    def test_counts_it_once_whatever_a_rerun_makes_of_it(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        scene.create("other")
        scene.create("t", depends_on=[scene.task("a").id, "other"])
        bring(scene, "a", "succeeded")
        scene.play(scene.run_command("run", "rerun", step="a"))

        bring(scene, "a", "succeeded")
        assert why(scene, "t") == "pending"

        bring(scene, "other", "succeeded")
        assert why(scene, "t") == "ready"


class TestAParallelOfWhichAStepWasCancelledBefore:
    def test_ends_with_the_others(self, scene: Scene) -> None:
        scene.define(
            steps=[step("a"), parallel("p", "a", failure_policy="continue", one=[step("x"), step("y")])]
        )
        scene.play(scene.command(scene.task("x").id, "cancel"))
        bring(scene, "a", "succeeded")

        bring(scene, "y", "succeeded")

        assert why(scene, "p") == "failed: step_cancelled"
