"""Waits: for a time, or for a signal from outside; they take no worker."""

from datetime import timedelta
from typing import Any

import pytest

from filemill_common.clock import rfc3339
from filemill_common.events import EventRejected, WorkflowWaiting
from filemill_scheduler.testing import T0, Scene
from services.scheduler.tests.core.words import SUCCEEDED, bring, ready, step, told, wait, why


def rejections(scene: Scene) -> list[str]:
    return [event.code for event in scene.last.owed if isinstance(event, EventRejected)]


class TestAWaitForATime:
    @pytest.mark.parametrize(
        "said",
        [
            {"duration": 90},
            {"duration": "1m30s"},
            {"duration": "PT90S"},
            {"duration": "${{ input.seconds }}"},
            {"duration": "${{ input.text }}"},
            {"until": "2026-01-01T00:01:30Z"},
            {"until": "2026-01-01T08:01:30+08:00"},
            {"until": "${{ input.moment }}"},
        ],
    )
    def test_goes_on_when_it_has_come(self, scene: Scene, said: dict[str, Any]) -> None:
        given = {"seconds": 90, "text": "90s", "moment": "2026-01-01T00:01:30Z"}
        scene.define(steps=[wait("w", **said), step("z", "w")], value=given)
        assert (why(scene, "w"), scene.task("w").due_at) == ("running", T0 + timedelta(seconds=90))
        assert told(scene, WorkflowWaiting) == 1

        scene.state.later(seconds=90)
        scene.play(scene.due("w"))

        assert (why(scene, "w"), scene.task("w").output, ready(scene)) == ("completed", {}, ["z"])
        assert scene.task("w").duration == 90

    @pytest.mark.parametrize(
        "said", [{"duration": 0}, {"until": rfc3339(T0)}, {"until": "2020-01-01T00:00:00Z"}]
    )
    def test_goes_on_at_once_if_it_has_come(self, scene: Scene, said: dict[str, Any]) -> None:
        scene.define(steps=[wait("w", **said), step("z", "w")])

        assert ready(scene) == ["z"]

    @pytest.mark.parametrize(
        ("said", "given"),
        [
            ({"duration": "${{ input.x }}"}, "soon"),
            ({"duration": "${{ input.x }}"}, None),
            ({"duration": "${{ input.x }}"}, [1]),
            ({"duration": "${{ input.x }}"}, True),
            ({"duration": "${{ input.nothing }}"}, 1),
            ({"until": "${{ input.x }}"}, "tomorrow"),
            ({"until": "${{ input.x }}"}, "2026-01-01T00:00:00"),
            ({"until": "${{ input.x }}"}, 5),
            ({"until": "${{ input.x }}"}, None),
        ],
    )
    def test_fails_where_it_says_no_time(self, scene: Scene, said: dict[str, Any], given: object) -> None:
        scene.define(steps=[wait("w", **said)], value={"x": given})

        assert why(scene, "w") == "failed: expression_error"

    def test_that_was_negative_is_over(self, scene: Scene) -> None:
        scene.define(steps=[wait("w", duration="${{ input.x }}")], value={"x": -5})

        assert why(scene, "w") == "completed"

    def test_is_looked_at_for_what_it_was_and_once(self, scene: Scene) -> None:
        scene.define(steps=[wait("w", duration=5), step("z", "w")])
        look = scene.due("w")
        scene.state.later(seconds=5)
        scene.play(look)

        assert scene.play(look).stores_nothing

    def test_that_is_cancelled_waits_no_more(self, scene: Scene) -> None:
        scene.define(steps=[wait("w", duration=5), step("z", "w")])
        look = scene.due("w")
        scene.play(scene.run_command("run", "cancel"))

        assert why(scene, "w") == "cancelled"
        assert scene.play(look).stores_nothing


class TestAWaitForASignal:
    def test_goes_on_with_what_came_with_it(self, scene: Scene) -> None:
        scene.define(steps=[wait("w", signal="ok"), step("z", "w", with_={"by": "${{ steps.w.output.by }}"})])
        assert why(scene, "w") == "running"

        scene.say("ok", by="me")

        assert (scene.task("w").output, scene.task("z").options) == ({"by": "me"}, {"by": "me"})

    def test_counts_the_last_one_that_came_before_it(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), wait("w", "a", signal="ok")])
        scene.say("ok", n=1)
        scene.say("ok", n=2)

        bring(scene, "a", SUCCEEDED)

        assert (why(scene, "w"), scene.task("w").output) == ("completed", {"n": 2})

    def test_counts_one_that_came_before_the_run_began(self, scene: Scene) -> None:
        scene.define(start=False, steps=[wait("w", signal="ok")])
        scene.say("ok", n=1)

        scene.play(scene.run_command("run", "start"))

        assert scene.task("w").output == {"n": 1}

    def test_is_one_of_several_that_one_signal_lets_go_on(self, scene: Scene) -> None:
        scene.define(steps=[wait("v", signal="ok"), wait("w", signal="ok"), wait("x", signal="other")])

        scene.say("ok", n=1)

        assert scene.statuses() == {"v": "completed", "w": "completed", "x": "running"}
        assert scene.run().waits == {"other": (scene.task("x").id,)}

    def test_takes_only_what_its_schema_takes(self, scene: Scene) -> None:
        signal = {"name": "ok", "schema": {"required": ["by"]}}
        scene.define(steps=[wait("w", signal=signal)])

        scene.say("ok")
        assert (rejections(scene), why(scene, "w")) == (["invalid_signal"], "running")

        scene.say("ok", by="me")
        assert (rejections(scene), why(scene, "w")) == ([], "completed")

    def test_lets_those_go_on_whose_schema_it_fits(self, scene: Scene) -> None:
        strict = {"name": "ok", "schema": {"required": ["by"]}}
        scene.define(steps=[wait("v", signal=strict), wait("w", signal="ok")])

        scene.say("ok")
        assert scene.statuses() == {"v": "running", "w": "completed"}

        scene.say("ok", by="me")
        assert why(scene, "v") == "completed"

    def test_does_not_count_one_before_it_that_does_not_fit(self, scene: Scene) -> None:
        strict = {"name": "ok", "schema": {"required": ["by"]}}
        scene.define(steps=[step("a"), wait("w", "a", signal=strict)])
        scene.say("ok")

        bring(scene, "a", SUCCEEDED)
        assert why(scene, "w") == "running"

        scene.say("ok", by="me")
        assert why(scene, "w") == "completed"

    @pytest.mark.parametrize(
        ("said", "ends", "output", "after"),
        [
            ("fail", "failed: timeout", None, "skipped: run_failed"),
            ("complete", "completed", {"timed_out": True}, "ready"),
            ("skip", "skipped: condition", {}, "skipped: upstream_skipped"),
        ],
    )
    def test_that_does_not_come_in_time_ends_as_it_says(
        self, scene: Scene, said: str, ends: str, output: object, after: str
    ) -> None:
        scene.define(steps=[wait("w", signal="ok", timeout="1h", on_timeout=said), step("z", "w")])
        scene.state.later(hours=1)

        scene.play(scene.overdue("w"))

        assert (why(scene, "w"), scene.task("w").output, why(scene, "z")) == (ends, output, after)
        assert scene.run().waits == {}

    def test_that_came_in_time_does_not_time_out_after_it(self, scene: Scene) -> None:
        scene.define(steps=[wait("w", signal="ok", timeout="1h"), step("z", "w")])
        late = scene.overdue("w")
        scene.say("ok")
        scene.state.later(hours=1)

        assert scene.play(late).stores_nothing

    def test_is_not_held_by_a_pause_but_what_comes_after_is(self, scene: Scene) -> None:
        scene.define(steps=[wait("v", duration=5), wait("w", signal="ok"), step("y", "v"), step("z", "w")])
        scene.play(scene.run_command("run", "pause"))
        scene.state.later(seconds=5)

        scene.play(scene.due("v"))
        scene.say("ok")
        assert [why(scene, name) for name in "vwyz"] == ["completed", "completed", "pending", "pending"]

        scene.play(scene.run_command("run", "resume"))
        assert ready(scene) == ["y", "z"]

    def test_is_not_kept_for_a_run_that_has_ended(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        bring(scene, "a", SUCCEEDED)

        scene.say("ok")

        assert rejections(scene) == ["command_not_applicable"]

    def test_is_forgotten_with_the_wait_that_ends_otherwise(self, scene: Scene) -> None:
        scene.define(steps=[wait("w", signal="ok"), step("z", "w")], failure_policy="continue")
        scene.play(scene.command(scene.task("w").id, "cancel"))

        assert scene.run().waits == {}
        assert (scene.say("ok").tasks, rejections(scene)) == ((), ["command_not_applicable"])

    @pytest.mark.parametrize(
        "arguments", [{}, {"name": 5}, {"name": "ok", "payload": [1]}, {"name": "ok", "payload": None}]
    )
    def test_is_refused_if_it_is_none(self, scene: Scene, arguments: dict[str, Any]) -> None:
        scene.define(steps=[wait("w", signal="ok")])

        scene.play(scene.run_command("run", "signal", **arguments))

        assert (rejections(scene), why(scene, "w")) == (["invalid_signal"], "running")

    def test_is_one_of_at_most_a_hundred_that_a_run_keeps(self, scene: Scene) -> None:
        scene.define(steps=[step("a")])
        for number in range(100):
            scene.say(f"s{number}")

        scene.say("one_more")
        assert rejections(scene) == ["too_many_signals"]

        scene.say("s5", n=1)
        assert scene.run().signals["s5"] == {"n": 1}
