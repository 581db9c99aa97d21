"""Subworkflows: runs that stand for a step, and that end, pause and go with it."""

from typing import Any

import pytest

from filemill_common.events import Check, EventRejected, JsonObject
from filemill_common.ids import derived_id, step_task_id
from filemill_scheduler.core import subworkflows
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import bring, each, ready, step, subworkflow, wait, why

SUB: JsonObject = {"name": "sub", "steps": [step("q", with_={"n": "${{ input.n }}"})]}
OUTER: JsonObject = {
    "name": "outer",
    "steps": [subworkflow("t", with_={"n": 1}), step("last", "t")],
    "finally": [step("tidy")],
}


def run_with(*steps: JsonObject, **said: Any) -> dict[str, Any]:
    return {"steps": list(steps), "subworkflows": {"sub@1": SUB, "outer@2": OUTER}, **said}


def grown(scene: Scene) -> Scene:
    """A run, in it a run, in it a run."""
    scene.define(**run_with(subworkflow("s", workflow="outer@2"), step("z", "s")))
    scene.follow()
    return scene


def order(scene: Scene, command: str, run_id: str = "run") -> None:
    scene.play(scene.run_command(run_id, command))
    scene.follow()


def states(scene: Scene) -> list[str]:
    """Tell the status of the run, of its child and of that one's child."""
    runs = ["run", scene.task("s").child or "", scene.task("s/t").child or ""]
    return [str(scene.run(run_id).status) for run_id in runs]


class TestASubworkflow:
    def test_runs_a_template_as_it_was_frozen_with_the_input_that_the_step_gives(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": "${{ 1 + 1 }}"}), step("z", "s")))
        scene.follow()

        child = scene.run(scene.task("s").child or "")
        assert (why(scene, "s"), scene.task("s/q").options, child.name) == ("running", {"n": 2}, "sub")
        assert (child.parent_task_id, child.partition_key, child.input) == (
            scene.task("s").id,
            "run",
            {"n": 2},
        )

    def test_hands_the_outputs_of_its_steps_on(self, scene: Scene) -> None:
        scene.define(
            **run_with(
                subworkflow("s", with_={"n": 1}), step("z", "s", with_={"r": "${{ steps.s.output.q.n }}"})
            )
        )
        scene.follow()

        scene.play(scene.succeeded("s/q", output={"n": 7}))
        scene.follow()

        assert (scene.task("s").output, scene.task("z").options) == ({"q": {"n": 7}}, {"r": 7})

    def test_fails_its_step_and_says_why(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        scene.follow()

        scene.play(scene.failed("s/q"))
        scene.follow()

        error = scene.task("s").error
        assert error is not None
        assert (error.code, error.message) == ("subworkflow_failed", "sub: step 'q' failed: it broke")
        assert str(scene.run().status) == "failed"

    def test_that_somebody_cancels_cancels_its_step(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        scene.follow()

        order(scene, "cancel", scene.task("s").child or "")

        assert (why(scene, "s"), str(scene.run().status)) == ("cancelled", "failed")

    def test_that_somebody_deletes_cancels_its_step(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        scene.follow()

        order(scene, "delete", scene.task("s").child or "")

        assert (why(scene, "s"), str(scene.run().status)) == ("cancelled", "failed")

    def test_that_the_run_does_not_hold_fails_its_step(self, scene: Scene) -> None:
        scene.define(steps=[subworkflow("s", workflow="nowhere@1")])
        scene.follow()

        assert why(scene, "s") == "failed: unknown_template"

    def test_whose_input_does_not_fit_fails_its_step(self, scene: Scene) -> None:
        strict = {**SUB, "input": {"required": ["n"], "properties": {"n": {"type": "integer"}}}}
        scene.define(steps=[subworkflow("s", with_={"n": "${{ 'text' }}"})], subworkflows={"sub@1": strict})
        scene.follow()

        assert why(scene, "s") == "failed: invalid_input"

    def test_whose_input_cannot_be_rendered_fails_its_step(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": "${{ input.nothing }}"})))

        assert (why(scene, "s"), scene.task("s").child) == ("failed: expression_error", None)

    def test_whose_outputs_are_too_large_fails_its_step(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subworkflows, "OUTPUTS_LIMIT", 100)
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        scene.follow()

        scene.play(scene.succeeded("s/q", output={"text": "x" * 200}))
        scene.follow()

        assert why(scene, "s") == "failed: output_too_large"

    def test_that_takes_too_long_is_cancelled(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", timeout="5s", with_={"n": 1})))
        scene.follow()
        scene.state.later(seconds=5)

        scene.play(scene.overdue("s"))
        scene.follow()

        assert (why(scene, "s"), why(scene, "s/q")) == ("failed: timeout", "cancelled")

    def test_is_looked_at_as_often_as_you_like(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        looks = scene.last.durable
        scene.play(*looks, *looks)
        assert scene.play(*looks).stores_nothing

        scene.play(scene.succeeded("s/q"))
        scene.follow()

        assert scene.play(*looks).stores_nothing

    def test_may_have_a_step_that_somebody_waits_for_already(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        child = scene.task("s").child or ""
        scene.create("outside", depends_on=[step_task_id(child, "q")])
        scene.play(*scene.state.outbox.values())

        scene.play(scene.succeeded("s/q"))

        assert why(scene, "outside") == "ready"

    def test_that_ends_in_one_batch_with_the_look_at_it_ends_its_step_once(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1}), step("z", "s")))
        scene.follow()
        done = scene.succeeded("s/q")
        scene.play(done)
        looks = scene.last.durable[-1:]

        scene.play(done, *looks, *looks)

        assert ready(scene) == ["z"]


class TestARunWithinARunWithinARun:
    def test_goes_its_way(self, scene: Scene) -> None:
        grown(scene)
        assert states(scene) == ["running"] * 3

        for name in ("s/t/q", "s/last", "s/tidy"):
            scene.play(scene.succeeded(name))
            scene.follow()

        assert (states(scene)[1:], ready(scene)) == (["completed"] * 2, ["z"])

    def test_is_cancelled_with_it_and_tidies_up(self, scene: Scene) -> None:
        grown(scene)

        order(scene, "cancel")
        assert states(scene) == ["cancelled", "running", "cancelled"]

        scene.play(scene.succeeded("s/tidy"))
        scene.follow()
        assert states(scene) == ["cancelled"] * 3

    def test_is_stopped_by_a_failure_beside_it(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", workflow="outer@2"), step("b")))
        scene.follow()

        bring(scene, "b", "failed")
        scene.follow()

        assert (states(scene), why(scene, "s/tidy")) == (["failed", "running", "cancelled"], "ready")

    def test_pauses_and_resumes_with_it(self, scene: Scene) -> None:
        grown(scene)

        order(scene, "pause")
        assert states(scene) == ["paused"] * 3

        scene.play(scene.succeeded("s/t/q"))
        scene.follow()
        assert why(scene, "s/last") == "pending"

        order(scene, "resume")
        assert (states(scene), why(scene, "s/last")) == (["running", "running", "completed"], "ready")

    @pytest.mark.parametrize("name", ["pause", "resume", "rerun"])
    def test_is_not_steered_by_itself(self, scene: Scene, name: str) -> None:
        grown(scene)
        child = scene.task("s").child or ""

        scene.play(scene.run_command(child, name))

        (said,) = scene.last.owed
        assert isinstance(said, EventRejected)
        assert (said.code, states(scene)) == ("command_not_applicable", ["running"] * 3)

    def test_is_paused_when_it_comes_to_be_if_that_was_meanwhile(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", workflow="outer@2")))
        looks = scene.last.durable
        scene.play(scene.run_command("run", "pause"))

        scene.play(*looks)
        scene.follow()
        assert str(scene.run(scene.task("s").child or "").status) == "paused"

        order(scene, "resume")
        assert states(scene) == ["running"] * 3

    def test_goes_on_with_a_cancel_of_what_was_paused(self, scene: Scene) -> None:
        grown(scene)
        order(scene, "pause")

        order(scene, "cancel")

        assert (states(scene), why(scene, "s/tidy")) == (["cancelled", "running", "cancelled"], "ready")

    def test_is_deleted_with_it(self, scene: Scene) -> None:
        grown(scene)

        order(scene, "delete")

        assert {run.status for run in scene.state.runs.values()} == {None}
        assert {task.status for task in scene.state.tasks.values()} == {None}

    def test_is_deleted_with_it_when_all_has_ended(self, scene: Scene) -> None:
        grown(scene)
        for name in ("s/t/q", "s/last", "s/tidy", "z"):
            scene.play(scene.succeeded(name))
            scene.follow()
        assert states(scene) == ["completed"] * 3

        order(scene, "delete")

        assert {run.status for run in scene.state.runs.values()} == {None}
        assert {task.status for task in scene.state.tasks.values()} == {None}

    def test_is_deleted_with_it_when_one_has_ended_and_the_other_has_not(self, scene: Scene) -> None:
        grown(scene)
        scene.play(scene.succeeded("s/t/q"))
        scene.follow()

        order(scene, "delete")

        assert {run.status for run in scene.state.runs.values()} == {None}

    def test_of_an_earlier_try_is_deleted_with_it_too(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        scene.follow()
        for _ in range(3):
            scene.play(scene.failed("s/q"))
            scene.follow()
            order(scene, "rerun")
        assert len(scene.state.runs) == 5

        order(scene, "delete")

        assert {run.status for run in scene.state.runs.values()} == {None}

    def test_comes_to_be_with_another_id_in_another_try(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        scene.follow()
        first = scene.task("s").child
        scene.play(scene.failed("s/q"))
        scene.follow()

        order(scene, "rerun")

        assert (first, scene.task("s").child) == tuple(
            derived_id("subworkflow", scene.task("s").id, attempt) for attempt in (1, 2)
        )
        scene.play(scene.succeeded("s/q"))
        scene.follow()
        assert str(scene.run().status) == "completed"


class TestASubworkflowOfAnEarlierTry:
    def test_is_looked_at_in_vain_when_its_step_waits_anew(self, scene: Scene) -> None:
        scene.define(**run_with(step("a"), subworkflow("s", "a", with_={"n": 1})))
        bring(scene, "a", "succeeded")
        looks = scene.last.durable
        scene.follow()
        scene.play(scene.failed("s/q"))
        scene.follow()
        scene.play(scene.run_command("run", "rerun", step="a"))
        assert (why(scene, "s"), scene.task("s").child) == ("pending", None)

        assert scene.play(*(look for look in looks if isinstance(look, Check))).stores_nothing

    def test_of_an_item_that_is_no_more_stays_to_be_looked_up(self, scene: Scene) -> None:
        said = {"type": "subworkflow", "workflow": "sub@1", "with": {"n": 1}}
        scene.define(**run_with(step("a"), each("m", "a", items=[1], step_=said)))
        bring(scene, "a", "succeeded")
        looks = [event for event in scene.last.owed if isinstance(event, Check)]
        scene.follow()
        first = scene.task("m[0]").child or ""
        scene.play(scene.succeeded("m[0]/q"))
        scene.follow()
        scene.play(scene.run_command("run", "rerun", step="a"))
        assert scene.task("m[0]").status is None

        assert scene.play(*looks).stores_nothing
        assert str(scene.run(first).status) == "completed"

    def test_is_stopped_also_if_the_rerun_came_before_the_look_that_would_have(self, scene: Scene) -> None:
        scene.define(**run_with(subworkflow("s", with_={"n": 1})))
        scene.follow()
        first = scene.task("s").child or ""
        scene.play(scene.run_command("run", "cancel"))
        looks = [event for event in scene.last.owed if isinstance(event, Check)]
        scene.play(scene.run_command("run", "rerun"))
        scene.follow()

        scene.play(*looks)

        assert (str(scene.run(first).status), why(scene, "s"), why(scene, "s/q")) == (
            "cancelled",
            "running",
            "ready",
        )


class TestManySubworkflows:
    def test_begin_as_their_map_says(self, scene: Scene) -> None:
        said = {"type": "subworkflow", "workflow": "sub@1", "with": {"n": "${{ item }}"}}
        items = {"items": list(range(5))}
        scene.define(**run_with(each("m", step_=said, max_concurrency=2), value=items))
        scene.follow()
        assert len(scene.state.runs) == 3

        for index in range(5):
            scene.play(scene.succeeded(f"m[{index}]/q"))
            scene.follow()

        assert (why(scene, "m"), len(scene.state.runs)) == ("completed", 6)

    def test_may_wait_for_signals_of_their_own(self, scene: Scene) -> None:
        sub = {"name": "sub", "steps": [wait("w", signal="ok")]}
        scene.define(steps=[subworkflow("s")], subworkflows={"sub@1": sub})
        scene.follow()
        scene.say("ok")
        assert why(scene, "s/w") == "running"

        scene.play(scene.run_command(scene.task("s").child or "", "signal", name="ok", payload={"n": 1}))
        scene.follow()

        assert scene.task("s").output == {"w": {"n": 1}}
