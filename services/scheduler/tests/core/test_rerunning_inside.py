"""Running again what lies in a parallel or a map, and what is under finally."""

from typing import Any

import pytest

from filemill_common.events import Counts
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import (
    SUCCEEDED,
    assert_refused,
    attempts,
    bring,
    each,
    ended,
    parallel,
    ready,
    rerun,
    step,
    why,
)


class TestARerunInAParallel:
    def test_opens_it_again_and_keeps_what_else_lies_in_it(self, scene: Scene) -> None:
        ended(
            scene,
            {"x": SUCCEEDED, "y": "failed"},
            parallel("p", one=[step("x")], two=[step("y")], failure_policy="continue"),
            step("z", "p"),
            failure_policy="continue",
        )

        rerun(scene)
        assert scene.statuses() == {"p": "running", "x": "completed", "y": "ready", "z": "pending"}
        assert scene.run().counts == Counts(total=4, completed=1)

        bring(scene, "y", SUCCEEDED)
        assert (why(scene, "p"), ready(scene)) == ("completed", ["z"])

    def test_of_all_of_it_runs_all_that_lies_in_it(self, scene: Scene) -> None:
        ended(
            scene,
            {"x": SUCCEEDED, "y": SUCCEEDED},
            parallel("p", one=[parallel("q", b=[step("x")])], two=[step("y")]),
        )

        rerun(scene, step="p")

        assert (scene.statuses(), attempts(scene, *"pqxy")) == (
            {"p": "running", "q": "running", "x": "ready", "y": "ready"},
            [2, 2, 2, 2],
        )

    def test_reaches_out_as_far_as_it_lies_deep(self, scene: Scene) -> None:
        ended(
            scene,
            {"x": "failed"},
            parallel("p", b=[parallel("q", b=[step("x")]), step("after_q", "q")]),
            step("after_p", "p"),
        )

        rerun(scene)
        bring(scene, "x", SUCCEEDED)
        bring(scene, "after_q", SUCCEEDED)

        assert [why(scene, name) for name in ("q", "p", "after_p")] == ["completed", "completed", "ready"]

    def test_that_never_began_lets_it_begin_as_if_new(self, scene: Scene) -> None:
        scene.define(
            steps=[step("a"), step("b", "a"), parallel("p", "b", if_="steps.b.output.go", x=[step("x")])]
        )
        bring(scene, "a", SUCCEEDED)
        scene.play(scene.run_command("run", "pause"))
        scene.play(scene.succeeded("b", output={"go": False}))
        scene.play(scene.run_command("run", "cancel"))
        assert [why(scene, name) for name in "bpx"] == ["completed", "cancelled", "cancelled"]

        rerun(scene)

        assert [why(scene, name) for name in "px"] == ["skipped: condition", "skipped: upstream_skipped"]

    def test_whose_if_failed_evaluates_that_again(self, scene: Scene) -> None:
        ended(scene, {"a": SUCCEEDED}, step("a"), parallel("p", "a", if_="steps.a.output.go", x=[step("x")]))
        assert why(scene, "p") == "failed: expression_error"

        rerun(scene)

        assert (why(scene, "p"), why(scene, "x")) == ("failed: expression_error", "skipped: run_failed")
        assert str(scene.run().status) == "failed"

    def test_fails_it_again_if_another_failure_in_it_stands(self, scene: Scene) -> None:
        ended(
            scene,
            {"x": "failed", "y": "failed"},
            parallel("p", b=[step("x"), step("y")], failure_policy="continue"),
            step("z", "p"),
            failure_policy="continue",
        )

        rerun(scene, step="x")
        bring(scene, "x", SUCCEEDED)

        assert (why(scene, "p"), why(scene, "z")) == ("failed: boom", "skipped: upstream_failed")
        assert str(scene.run().status) == "failed"


class TestARerunInAMap:
    def test_of_an_item_runs_it_and_what_depends_on_the_map(self, scene: Scene) -> None:
        scene.define(steps=[each("m"), step("z", "m")], value={"items": [1, 2, 3]})
        scene.play(*(scene.succeeded(f"m[{index}]", output={"n": index}) for index in range(3)))
        bring(scene, "z", SUCCEEDED)

        rerun(scene, step="m", index=1)
        assert scene.statuses() == {
            "m": "running", "m[0]": "completed", "m[1]": "ready", "m[2]": "completed", "z": "pending"
        }  # fmt: skip

        scene.play(scene.succeeded("m[1]", output={"n": 10}))
        output = scene.task("m").output
        assert output is not None
        assert [one["output"]["n"] for one in output["items"]] == [0, 10, 2]
        assert (ready(scene), attempts(scene, "m[0]", "m[1]", "z")) == (["z"], [1, 2, 2])

    def test_from_failed_keeps_the_items_that_are_done_and_its_concurrency(self, scene: Scene) -> None:
        scene.define(steps=[each("m", max_concurrency=1, items=[1, 2, 3])])
        bring(scene, "m[0]", SUCCEEDED)
        bring(scene, "m[1]", "failed")
        assert why(scene, "m[2]") == "skipped: run_failed"

        rerun(scene)
        assert ready(scene) == ["m[1]"]

        bring(scene, "m[1]", SUCCEEDED)
        assert ready(scene) == ["m[2]"]

        bring(scene, "m[2]", SUCCEEDED)
        assert (why(scene, "m"), str(scene.run().status)) == ("completed", "completed")

    def test_of_all_of_it_makes_its_items_anew_and_forgets_those_that_are_no_more(self, scene: Scene) -> None:
        items = "steps.a.output.items"
        scene.define(steps=[step("a"), each("m", "a", items=items, tolerated_failures=9), step("z", "m")])
        scene.play(scene.succeeded("a", output={"items": [1, 2, 3]}))
        scene.play(scene.succeeded("m[0]"), scene.failed("m[1]"), scene.failed("m[2]"))
        bring(scene, "z", SUCCEEDED)

        rerun(scene, step="a")
        assert scene.statuses() == {"a": "ready", "m": "pending", "z": "pending"}

        scene.play(scene.succeeded("a", output={"items": [1]}))
        assert (ready(scene), attempts(scene, "m[0]")) == (["m[0]"], [2])
        bring(scene, "m[0]", SUCCEEDED)
        bring(scene, "z", SUCCEEDED)
        rerun(scene)
        assert_refused(scene)

    def test_of_an_item_counts_only_items_of_the_last_time(self, scene: Scene) -> None:
        items = "steps.a.output.items"
        scene.define(steps=[step("a"), each("m", "a", items=items)])
        scene.play(scene.succeeded("a", output={"items": [1, 2, 3]}))
        scene.play(*(scene.succeeded(f"m[{index}]") for index in range(3)))
        rerun(scene, step="a")
        scene.play(scene.succeeded("a", output={"items": [1, 2]}))
        scene.play(scene.succeeded("m[0]"), scene.succeeded("m[1]"))

        rerun(scene, step="m", index=0)
        bring(scene, "m[0]", SUCCEEDED)

        output = scene.task("m").output
        assert output is not None
        assert (output["total"], len(output["items"]), str(scene.run().status)) == (2, 2, "completed")

    def test_of_an_item_fails_it_again_if_too_many_others_stand_failed(self, scene: Scene) -> None:
        scene.define(steps=[each("m", items=[1, 2])])
        scene.play(scene.failed("m[0]"))
        assert why(scene, "m[1]") == "cancelled"

        rerun(scene, step="m", index=1)
        bring(scene, "m[1]", SUCCEEDED)

        assert (why(scene, "m"), str(scene.run().status)) == ("failed: items_failed", "failed")

    def test_keeps_what_became_of_each_attempt_of_an_item(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), each("m", "a", items=[1])])
        bring(scene, "a", SUCCEEDED)
        bring(scene, "m[0]", "failed")

        rerun(scene, step="a")
        bring(scene, "a", SUCCEEDED)
        bring(scene, "m[0]", SUCCEEDED)

        assert [(one.number, one.outcome) for one in scene.task("m[0]").attempts] == [(1, "failed")]
        assert scene.task("m[0]").ran == 2

    def test_of_a_nested_map_keeps_to_how_many_may_be_under_way(self, scene: Scene) -> None:
        inner = {"type": "map", "items": "row", "step": {"task": "echo"}, "tolerated_failures": 1}
        scene.define(steps=[each("m", items=[[1, 2], [3, 4]], as_="row", step_=inner, max_concurrency=1)])
        for name, how in (
            ("m[0][0]", "failed"),
            ("m[0][1]", SUCCEEDED),
            ("m[1][0]", "failed"),
            ("m[1][1]", SUCCEEDED),
        ):
            bring(scene, name, how)
        assert str(scene.run().status) == "completed"

        rerun(scene)
        assert ready(scene) == ["m[0][0]"]

        bring(scene, "m[0][0]", SUCCEEDED)
        assert (ready(scene), attempts(scene, "m[1][0]", "m[1][1]")) == (["m[1][0]"], [2, 1])

        bring(scene, "m[1][0]", SUCCEEDED)
        assert (why(scene, "m"), str(scene.run().status)) == ("completed", "completed")


class TestARerunAndFinally:
    def test_always_runs_finally_again(self, scene: Scene) -> None:
        ended(
            scene,
            {"a": "failed", "f": SUCCEEDED},
            step("a"),
            **{"finally": [step("f", with_={"s": "${{ run.status }}"})]},
        )
        assert scene.task("f").options == {"s": "failed"}

        rerun(scene)
        assert scene.statuses() == {"a": "ready", "f": "pending"}

        bring(scene, "a", SUCCEEDED)
        assert (ready(scene), scene.task("f").options) == (["f"], {"s": "completed"})

        bring(scene, "f", SUCCEEDED)
        assert str(scene.run().status) == "completed"

    @pytest.mark.parametrize("arguments", [{}, {"step": "f"}])
    def test_of_a_step_of_it_runs_it_at_once(self, scene: Scene, arguments: dict[str, Any]) -> None:
        ended(scene, {"a": SUCCEEDED, "f": "failed"}, step("a"), **{"finally": [step("f"), step("g", "f")]})

        rerun(scene, **arguments)
        assert (ready(scene), attempts(scene, "a")) == (["f"], [1])

        bring(scene, "f", SUCCEEDED)
        bring(scene, "g", SUCCEEDED)
        assert str(scene.run().status) == "completed"
