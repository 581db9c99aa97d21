"""Conditions: the first case that is true chooses, and what was not chosen is skipped."""

import pytest

from filemill_common.language.words import TriggerRule
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import bring, condition, parallel, step, why


def choose(scene: Scene, n: int) -> None:
    scene.play(scene.succeeded("a", output={"n": n}))


CASES = {
    "steps.a.output.n > 10": ["big"],
    "steps.a.output.n > 5": ["middle", "both"],
    "steps.a.output.n == 1": [],
}
AFTER = [step("big"), step("middle"), step("both"), step("small")]


class TestACondition:
    @pytest.mark.parametrize(
        ("n", "chosen", "case"),
        [
            (20, ["big"], 0),
            (7, ["middle", "both"], 1),
            (1, [], 2),
            (3, ["small", "both"], None),
        ],
    )
    def test_chooses_the_first_case_that_is_true_or_what_is_left(
        self, scene: Scene, n: int, chosen: list[str], case: int | None
    ) -> None:
        scene.define(steps=[step("a"), condition("c", "a", cases=CASES, default=["small", "both"]), *AFTER])

        choose(scene, n)

        assert scene.task("c").output == {"chosen": chosen, "case": case}
        assert {name for name, status in scene.statuses().items() if status == "ready"} == set(chosen)
        assert {why(scene, each["id"]) for each in AFTER if each["id"] not in chosen} == {
            "skipped: condition"
        }

    @pytest.mark.parametrize("said", ["input.nothing", "input.text"])
    def test_fails_where_a_case_does(self, scene: Scene, said: str) -> None:
        scene.define(
            failure_policy="continue",
            steps=[
                condition("c", cases={"false": [], said: ["x"]}),
                step("x"),
                step("z", "x", rule="all_done"),
            ],
        )

        assert why(scene, "c") == "failed: expression_error"
        assert (why(scene, "x"), why(scene, "z")) == ("skipped: upstream_failed", "ready")

    def test_does_not_look_at_the_cases_after_the_one_that_it_chose(self, scene: Scene) -> None:
        scene.define(steps=[condition("c", cases={"true": ["x"], "input.nothing": ["x"]}), step("x")])

        assert why(scene, "x") == "ready"

    def test_that_is_skipped_skips_what_it_names(self, scene: Scene) -> None:
        scene.define(
            steps=[
                condition("c", cases={"true": ["x", "anyway"]}, if_="false"),
                step("x"),
                step("anyway", rule="all_done"),
            ]
        )

        assert (why(scene, "x"), why(scene, "anyway")) == ("skipped: upstream_skipped", "ready")

    @pytest.mark.parametrize("rule", ["always", "all_done", "one_success", "none_failed"])
    def test_bars_what_it_did_not_choose_under_every_rule(self, scene: Scene, rule: TriggerRule) -> None:
        scene.define(
            steps=[
                step("a"),
                step("b"),
                condition("c", "a", cases={"false": ["x"]}),
                step("x", "b", rule=rule),
            ]
        )
        bring(scene, "b", "succeeded")
        assert why(scene, "x") == "pending"

        bring(scene, "a", "succeeded")

        assert why(scene, "x") == "skipped: condition"

    @pytest.mark.parametrize("rule", ["always", "one_success"])
    def test_is_waited_for_by_what_it_chooses_under_every_rule(self, scene: Scene, rule: TriggerRule) -> None:
        scene.define(
            steps=[
                step("a"),
                step("b"),
                condition("c", "a", cases={"true": ["x"]}),
                step("x", "b", rule=rule),
            ]
        )
        bring(scene, "b", "succeeded")
        assert why(scene, "x") == "pending"

        bring(scene, "a", "succeeded")

        assert why(scene, "x") == "ready"

    def test_lies_in_a_branch_as_it_does_at_the_top(self, scene: Scene) -> None:
        inside = [
            condition("c", cases={"input.n > 1": ["x"]}, default=["y"]),
            step("x"),
            step("y"),
            step("z", "y"),
        ]
        scene.define(steps=[parallel("p", only=inside), step("after", "p")], value={"n": 2})
        assert [why(scene, name) for name in "cxyz"] == [
            "completed",
            "ready",
            "skipped: condition",
            "skipped: upstream_skipped",
        ]

        bring(scene, "x", "succeeded")

        assert (why(scene, "p"), why(scene, "after")) == ("completed", "ready")

    def test_may_choose_a_parallel_a_condition_or_anything_else(self, scene: Scene) -> None:
        scene.define(
            steps=[
                condition("c", cases={"true": ["d"]}, default=["p"]),
                condition("d", cases={"true": ["x"]}),
                step("x"),
                parallel("p", only=[step("inside")]),
            ]
        )

        assert [why(scene, name) for name in ("d", "x", "p", "inside")] == [
            "completed",
            "ready",
            "skipped: condition",
            "skipped: upstream_skipped",
        ]


class TestAStepThatTwoConditionsName:
    @pytest.mark.parametrize("order", ["ab", "ba"])
    @pytest.mark.parametrize(
        ("first", "second", "ends"),
        [
            ("true", "true", "ready"),
            ("true", "false", "skipped: condition"),
            ("false", "false", "skipped: condition"),
            ("input.nothing", "true", "skipped: upstream_failed"),
            ("input.nothing", "false", "skipped: condition"),
        ],
    )
    def test_begins_if_both_choose_it_in_whatever_order_they_end(
        self, scene: Scene, first: str, second: str, ends: str, order: str
    ) -> None:
        scene.define(
            failure_policy="continue",
            steps=[
                step("a"),
                step("b"),
                condition("c", "a", cases={first: ["x"]}),
                condition("d", "b", cases={second: ["x"]}),
                step("x"),
            ],
        )

        for name in order:
            bring(scene, name, "succeeded")

        assert why(scene, "x") == ends

    def test_of_one_of_which_it_is_in_several_cases_waits_for_it_once(self, scene: Scene) -> None:
        scene.define(
            steps=[
                condition("c", cases={"false": ["x"], "true": ["x", "y"]}, default=["x"]),
                step("x"),
                step("y"),
            ]
        )

        assert scene.statuses() == {"c": "completed", "x": "ready", "y": "ready"}
