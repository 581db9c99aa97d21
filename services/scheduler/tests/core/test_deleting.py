"""Deleting a run: whenever it comes, all of it is stopped, and only tombstones are left."""

from typing import Any

import pytest

from filemill_common.events import AttemptRevoked, Event, EventRejected, JsonObject, WorkflowCancelled
from filemill_common.ids import step_task_id
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import (
    SUCCEEDED,
    bring,
    condition,
    each,
    last,
    parallel,
    ready,
    step,
    subworkflow,
    told,
    wait,
    why,
)

SUB: JsonObject = {"name": "sub", "steps": [step("q")], "finally": [step("tidy")]}
ALL: dict[str, Any] = {
    "steps": [
        step("a"),
        condition("c", "a", cases={"true": ["p"]}, default=["not"]),
        step("not"),
        parallel(
            "p", left=[step("x"), step("x2", "x")], right=[wait("w", signal="ok"), wait("v", duration=9)]
        ),
        each("m", "a", items=[1, 2, 3], max_concurrency=2),
        subworkflow("s", "a"),
        step("z", "p", "m", "s"),
    ],
    "subworkflows": {"sub@1": SUB},
    **last(step("f"), step("g", "f")),
}


def delete(scene: Scene) -> list[Event]:
    """Delete the run, and give all that was told in the course of it."""
    found = [*scene.play(scene.run_command("run", "delete")).owed]
    while looks := [event for event in scene.last.durable if type(event).__name__ == "Check"]:
        found += scene.play(*looks).owed
    return found


def assert_gone(scene: Scene) -> None:
    assert {run.status for run in scene.state.runs.values()} == {None}
    assert {task.status for task in scene.state.tasks.values()} == {None}


class TestADelete:
    @pytest.mark.parametrize("moment", range(9))
    def test_leaves_only_tombstones_at_every_moment(self, scene: Scene, moment: int) -> None:
        scene.define(start=moment > 0, **ALL)
        doings = ["a", "x", "s/q", "m[0]", "m[1]", "s/tidy", "f"]
        sent: list[Event] = []
        for name in doings[: max(0, moment - 1)]:
            if name == "f":
                scene.play(scene.run_command("run", "cancel"))
                scene.follow()
            if scene.task(name).is_open:
                sent.append(scene.succeeded(name))
                scene.play(sent[-1])
                scene.follow()

        told_now = delete(scene)

        assert_gone(scene)
        ends = [event for event in told_now if isinstance(event, WorkflowCancelled)]
        assert len(ends) == len({event.workflow.id for event in ends})
        assert "run" in {event.workflow.id for event in ends}
        assert not sent or scene.play(*sent).stores_nothing

    def test_stops_what_runs(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f")))
        scene.play(scene.started("a"))

        told_now = delete(scene)

        assert sum(isinstance(event, AttemptRevoked) for event in told_now) == 1
        assert ready(scene) == []

    def test_stops_finally_too(self, scene: Scene) -> None:
        scene.define(steps=[step("a")], **last(step("f")))
        bring(scene, "a", SUCCEEDED)
        late = scene.succeeded("f")

        delete(scene)

        assert_gone(scene)
        assert scene.play(late).stores_nothing

    @pytest.mark.parametrize("how", ["paused", "ended", "rerun"])
    def test_leaves_only_tombstones_also_of_what_is(self, scene: Scene, how: str) -> None:
        scene.define(steps=[step("a"), each("m", "a", items=[1, 2])], **last(step("f")))
        bring(scene, "a", SUCCEEDED)
        if how == "paused":
            scene.play(scene.run_command("run", "pause"))
        else:
            scene.play(scene.failed("m[0]"))
            bring(scene, "f", SUCCEEDED)
        if how == "rerun":
            scene.play(scene.run_command("run", "rerun"))

        delete(scene)

        assert_gone(scene)

    def test_that_comes_again_or_with_other_commands_does_nothing(self, scene: Scene) -> None:
        scene.define(**ALL)
        delete(scene)

        for command in ("delete", "cancel", "rerun", "pause", "resume", "start"):
            assert scene.play(scene.run_command("run", command)).stores_nothing
        assert scene.say("ok").stores_nothing

    def test_skips_what_waits_outside_for_one_of_its_steps(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), each("m", items=[1])])
        scene.create("outside", depends_on=[step_task_id("run", "a")])
        scene.create("other", depends_on=[scene.item_id("m", 0)])

        scene.play(scene.run_command("run", "delete"))

        assert (why(scene, "outside"), why(scene, "other")) == ("skipped: upstream_failed",) * 2

    def test_does_not_bring_the_run_back_with_what_made_it(self, scene: Scene) -> None:
        made = scene.asked(**ALL)
        scene.play(made)
        delete(scene)

        assert scene.play(made).stores_nothing

    def test_of_a_step_is_refused(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b", "a")])

        scene.play(scene.command(scene.task("a").id, "delete"))

        assert (told(scene, EventRejected), why(scene, "a")) == (1, "ready")
