"""Pause and resume: nothing new starts meanwhile, and what was handed to workers finishes."""

from itertools import permutations

import pytest

from filemill_common.events import EventRejected, Saw, WorkflowPaused, WorkflowResumed
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
    told,
    why,
)


def order(scene: Scene, command: str) -> None:
    scene.play(scene.run_command("run", command))


class TestAPause:
    def test_lets_what_is_under_way_finish_and_begins_nothing(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b", "a")])
        order(scene, "pause")
        assert (str(scene.run().status), told(scene, WorkflowPaused)) == ("paused", 1)

        scene.play(scene.started("a"), scene.succeeded("a"))
        assert (why(scene, "a"), why(scene, "b"), ready(scene)) == ("completed", "pending", [])

        order(scene, "resume")
        assert (str(scene.run().status), told(scene, WorkflowResumed), ready(scene)) == ("running", 1, ["b"])

    def test_begins_no_control_step_either(self, scene: Scene) -> None:
        scene.define(
            value={"items": [1]},
            steps=[
                step("a"),
                condition("c", "a", cases={"true": ["p"]}),
                parallel("p", b=[step("x")]),
                each("m", "a"),
            ],
        )
        order(scene, "pause")

        bring(scene, "a", SUCCEEDED)
        assert {why(scene, name) for name in "cpxm"} == {"pending"}

        order(scene, "resume")
        assert (sorted(ready(scene)), why(scene, "c")) == (["m[0]", "x"], "completed")

    def test_begins_no_item_of_a_map(self, scene: Scene) -> None:
        scene.define(value={"items": [1, 2, 3]}, steps=[each("m", max_concurrency=1)])
        order(scene, "pause")

        bring(scene, "m[0]", SUCCEEDED)
        assert why(scene, "m[1]") == "pending"

        order(scene, "resume")
        assert ready(scene) == ["m[1]"]

    def test_begins_nothing_in_a_parallel(self, scene: Scene) -> None:
        scene.define(steps=[parallel("p", b=[step("x"), step("y", "x")])])
        order(scene, "pause")

        bring(scene, "x", SUCCEEDED)
        assert (why(scene, "y"), ready(scene)) == ("pending", [])

        order(scene, "resume")
        assert ready(scene) == ["y"]

    def test_holds_a_retry(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        scene.play(scene.failed("a", retryable=True))
        order(scene, "pause")

        scene.play(scene.due("a"))
        assert (why(scene, "a"), ready(scene)) == ("retrying", [])

        order(scene, "resume")
        assert ready(scene) == ["a"]

    def test_leaves_a_retry_its_time(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        scene.play(scene.failed("a", retryable=True))
        order(scene, "pause")

        order(scene, "resume")

        assert (why(scene, "a"), ready(scene)) == ("retrying", [])

    @pytest.mark.parametrize("how", ["given back", "lost"])
    def test_holds_an_attempt_that_a_worker_did_not_finish(self, scene: Scene, how: str) -> None:
        scene.define(steps=[step("a")])
        scene.play(scene.started("a"))
        order(scene, "pause")

        if how == "lost":
            scene.state.later(seconds=21)
        scene.play(scene.check("a", Saw.LEASE_LAPSED) if how == "lost" else scene.released("a"))
        assert (why(scene, "a"), ready(scene)) == ("retrying", [])

        order(scene, "resume")
        assert (ready(scene), scene.task("a").attempt) == (["a"], 2)

    def test_before_the_start_holds_the_run_when_it_starts(self, scene: Scene) -> None:
        scene.define(start=False, steps=[step("a")])
        order(scene, "pause")
        assert str(scene.run().status) == "pending"

        order(scene, "start")
        assert (str(scene.run().status), ready(scene)) == ("paused", [])

        order(scene, "resume")
        assert ready(scene) == ["a"]

    def test_before_the_start_may_be_taken_back(self, scene: Scene) -> None:
        scene.define(start=False, steps=[step("a")])
        order(scene, "pause")
        order(scene, "resume")

        order(scene, "start")

        assert ready(scene) == ["a"]

    def test_that_is_repeated_does_nothing(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        pause = scene.run_command("run", "pause")
        scene.play(pause)

        assert scene.play(pause).stores_nothing
        order(scene, "pause")
        assert (str(scene.run().status), told(scene, WorkflowPaused)) == ("paused", 0)

    def test_that_comes_after_a_newer_resume_does_nothing(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        pause, resume = scene.run_command("run", "pause"), scene.run_command("run", "resume")

        scene.play(resume)
        scene.play(pause)

        assert str(scene.run().status) == "running"

    def test_of_what_has_ended_is_refused(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        bring(scene, "a", SUCCEEDED)

        order(scene, "pause")

        assert told(scene, EventRejected) == 1

    @pytest.mark.parametrize("commands", [["pause", "resume", "pause"], ["resume", "pause", "resume"]])
    def test_holds_in_every_order_if_the_newest_command_says_so(self, commands: list[str]) -> None:
        for at in permutations(range(3)):
            scene = Scene()
            scene.define(steps=[step("a"), step("b", "a")])
            sent = [scene.run_command("run", command) for command in commands]
            for index in at:
                scene.play(sent[index], sent[index])

            assert scene.run().held is (commands[-1] == "pause")
            bring(scene, "a", SUCCEEDED)
            assert why(scene, "b") == ("pending" if commands[-1] == "pause" else "ready")

    def test_ends_with_the_cancel_and_a_later_one_does_not_hold_what_it_stops(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b", "a")], **last(step("f")))
        order(scene, "pause")

        order(scene, "cancel")
        order(scene, "pause")

        assert (why(scene, "f"), str(scene.run().status)) == ("ready", "running")

    def test_ends_with_the_run_that_ends_in_it(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        order(scene, "pause")

        bring(scene, "a", "failed")
        assert (str(scene.run().status), scene.run().held) == ("failed", False)

        order(scene, "rerun")
        assert (str(scene.run().status), ready(scene)) == ("running", ["a"])

    def test_older_than_a_rerun_does_not_hold_it(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        late = scene.run_command("run", "pause")
        bring(scene, "a", "failed")
        order(scene, "rerun")

        scene.play(late)

        assert str(scene.run().status) == "running"

    def test_holds_what_the_end_of_the_rest_would_begin(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b", "a", rule="all_done")], failure_policy="continue")
        order(scene, "pause")

        bring(scene, "a", "failed")
        assert (why(scene, "b"), str(scene.run().status)) == ("pending", "paused")

    def test_does_not_hold_what_is_decided_without_beginning(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("b", "a")])
        order(scene, "pause")

        bring(scene, "a", "failed")

        assert (why(scene, "b"), str(scene.run().status)) == ("skipped: run_failed", "failed")
