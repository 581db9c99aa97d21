"""Running parts of an ended run again: with the next attempts, and the results of the rest kept."""

from typing import Any

import pytest

from filemill_common.events import Counts, EventRejected, WorkflowFailed, WorkflowStarted
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import (
    SUCCEEDED,
    assert_refused,
    attempts,
    bring,
    condition,
    each,
    ended,
    parallel,
    ready,
    rerun,
    step,
    told,
    wait,
    why,
)


class TestARerunFromFailed:
    def test_runs_what_failed_and_what_that_stopped_again(self, scene: Scene) -> None:
        ended(
            scene,
            {"ok": SUCCEEDED, "a": "failed"},
            step("ok"),
            step("a"),
            step("b", "a"),
            step("other"),
            step("no", if_="false"),
        )
        kept = scene.task("ok")
        assert [why(scene, name) for name in ("b", "other")] == ["skipped: run_failed", "cancelled"]

        rerun(scene)
        assert scene.statuses() == {
            "ok": "completed", "a": "ready", "b": "pending", "other": "ready", "no": "skipped"
        }  # fmt: skip
        assert (scene.task("ok"), attempts(scene, "a", "b", "other")) == (kept, [2, 1, 2])
        assert (told(scene, WorkflowStarted), scene.run().error, scene.run().completed_at) == (1, None, None)
        assert scene.run().counts == Counts(total=5, completed=1, skipped=1)

        for name in ("a", "b", "other"):
            bring(scene, name, SUCCEEDED)
        assert (str(scene.run().status), scene.run().counts) == (
            "completed",
            Counts(total=5, completed=4, skipped=1),
        )

    def test_keeps_the_outputs_of_the_rest(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b", "a", with_={"n": "${{ steps.a.output.n }}"})])
        scene.play(scene.succeeded("a", output={"n": 5}))
        bring(scene, "b", "failed")

        rerun(scene)
        assert (ready(scene), scene.task("b").options, scene.run().outputs) == (
            ["b"],
            {"n": 5},
            {"a": {"n": 5}},
        )

        scene.play(scene.succeeded("b", output={"n": 6}))
        assert scene.run().outputs == {"a": {"n": 5}, "b": {"n": 6}}

    def test_runs_what_may_fail_again_too_and_what_depends_on_it(self, scene: Scene) -> None:
        ended(
            scene,
            {"a": "failed", "b": SUCCEEDED},
            step("a", allow_failure=True),
            step("b", "a", rule="all_done"),
        )

        rerun(scene)

        assert scene.statuses() == {"a": "ready", "b": "pending"}

    def test_runs_what_a_cancel_stopped_again(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b", "a"), parallel("p", "b", x=[step("x")])])
        scene.play(scene.run_command("run", "cancel"))

        rerun(scene)

        assert scene.statuses() == {"a": "ready", "b": "pending", "p": "pending", "x": "pending"}

    def test_gives_all_retries_again(self, scene: Scene) -> None:
        scene.define(steps=[step("a", retry={"max_retries": 1})])
        for _ in range(2):
            scene.play(scene.failed("a", retryable=True))
            scene.play(scene.due("a"))
        assert why(scene, "a") == "failed: boom"

        rerun(scene)
        scene.play(scene.failed("a", retryable=True))

        assert (why(scene, "a"), scene.task("a").ran) == ("retrying", 3)

    def test_evaluates_what_failed_before_it_began(self, scene: Scene) -> None:
        ended(scene, {"a": SUCCEEDED}, step("a"), step("b", "a", if_="steps.a.output.go", with_={}))
        assert why(scene, "b") == "failed: expression_error"

        rerun(scene, step="a")
        scene.play(scene.succeeded("a", output={"go": True}))

        assert why(scene, "b") == "ready"

    def test_may_be_said_as_often_as_it_fails(self, scene: Scene) -> None:
        ended(scene, {"a": "failed"}, step("a"), step("b", "a"))

        for attempt in (2, 3, 4):
            rerun(scene)
            assert (ready(scene), attempts(scene, "a")) == (["a"], [attempt])
            bring(scene, "a", "failed")
            assert told(scene, WorkflowFailed) == 1

        assert [each.number for each in scene.task("a").attempts] == [1, 2, 3, 4]

    def test_that_is_repeated_does_nothing(self, scene: Scene) -> None:
        ended(scene, {"a": "failed"}, step("a"))
        again = scene.run_command("run", "rerun")
        scene.play(again)

        assert scene.play(again).stores_nothing

    def test_leaves_late_reports_of_the_last_try_without_effect(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b")])
        late = scene.succeeded("b")
        bring(scene, "a", "failed")
        rerun(scene)

        scene.play(late)

        assert why(scene, "b") == "ready"

    @pytest.mark.parametrize(
        "arguments", [{}, {"step": "nowhere"}, {"step": "a", "index": 0}, {"step": "m", "index": 7}]
    )
    def test_is_refused_where_there_is_nothing_to_run(self, scene: Scene, arguments: dict[str, Any]) -> None:
        ended(scene, {"a": SUCCEEDED, "m[0]": SUCCEEDED}, step("a"), each("m", items=[1]))

        rerun(scene, **arguments)

        assert_refused(scene)

    def test_of_a_run_that_has_not_ended_is_refused(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])

        rerun(scene)

        assert (told(scene, EventRejected), why(scene, "a")) == (1, "ready")

    def test_may_be_cancelled(self, scene: Scene) -> None:
        ended(scene, {"a": SUCCEEDED, "b": "failed"}, step("a"), step("b", "a"))
        rerun(scene)

        scene.play(scene.run_command("run", "cancel"))

        assert scene.statuses() == {"a": "completed", "b": "cancelled"}
        assert (str(scene.run().status), scene.run().counts) == (
            "cancelled",
            Counts(total=2, completed=1, cancelled=1),
        )


class TestARerunOfAStep:
    def test_runs_it_and_all_that_depends_on_it(self, scene: Scene) -> None:
        ended(
            scene,
            dict.fromkeys("abcd", SUCCEEDED),
            step("a"),
            step("b", "a"),
            step("c", "b"),
            step("d"),
        )

        rerun(scene, step="b")

        assert scene.statuses() == {"a": "completed", "b": "ready", "c": "pending", "d": "completed"}
        assert attempts(scene, *"abcd") == [1, 2, 2, 1]

    def test_reads_its_file_anew(self, scene: Scene) -> None:
        scene.file("in.mp4")
        ended(scene, {"a": SUCCEEDED}, step("a", task="probe", with_={"input_file": "in.mp4"}))
        newer = scene.file("in.mp4").model_copy(update={"object": "objects/newer"})
        scene.state.files[("default", "in.mp4")] = newer

        rerun(scene, step="a")

        assert scene.task("a").input == newer

    def test_leaves_a_failure_elsewhere_one(self, scene: Scene) -> None:
        ended(scene, {"a": "failed", "b": SUCCEEDED}, step("a"), step("b"), failure_policy="continue")

        rerun(scene, step="b")
        bring(scene, "b", SUCCEEDED)

        error = scene.run().error
        assert (str(scene.run().status), error and error.message) == ("failed", "step 'a' failed: it broke")

    def test_counts_what_is_not_run_again_as_it_ended(self, scene: Scene) -> None:
        ended(
            scene,
            {"a": "failed", "b": SUCCEEDED},
            step("a", allow_failure=True),
            step("b"),
            step("j", "a", "b"),
        )
        assert why(scene, "j") == "skipped: upstream_failed"

        rerun(scene, step="b")
        bring(scene, "b", SUCCEEDED)

        assert why(scene, "j") == "skipped: upstream_failed"

    def test_keeps_the_choice_of_a_condition_before_it(self, scene: Scene) -> None:
        ended(
            scene,
            {"x": SUCCEEDED},
            condition("c", cases={"true": ["x"]}, default=["y"]),
            step("x"),
            step("y"),
        )

        rerun(scene, step="x")
        bring(scene, "x", SUCCEEDED)
        assert (why(scene, "x"), attempts(scene, "c", "x")) == ("completed", [1, 2])

        rerun(scene, step="y")
        assert (why(scene, "y"), str(scene.run().status)) == ("skipped: condition", "completed")

    def test_makes_a_condition_choose_anew(self, scene: Scene) -> None:
        scene.define(
            steps=[
                step("a"),
                condition("c", "a", cases={"steps.a.output.n > 1": ["x"]}, default=["y"]),
                step("x"),
                step("y"),
            ]
        )
        scene.play(scene.succeeded("a", output={"n": 5}))
        bring(scene, "x", SUCCEEDED)

        rerun(scene, step="a")
        assert {why(scene, name) for name in "cxy"} == {"pending"}

        scene.play(scene.succeeded("a", output={"n": 0}))
        assert (why(scene, "x"), why(scene, "y")) == ("skipped: condition", "ready")

    def test_makes_a_wait_wait_anew(self, scene: Scene) -> None:
        scene.define(steps=[wait("w", signal="ok"), step("a", "w")])
        scene.say("ok", n=1)
        bring(scene, "a", SUCCEEDED)

        rerun(scene, step="w")
        assert (why(scene, "w"), why(scene, "a")) == ("running", "pending")

        scene.say("ok", n=2)
        assert (scene.task("w").output, why(scene, "a")) == ({"n": 2}, "ready")
