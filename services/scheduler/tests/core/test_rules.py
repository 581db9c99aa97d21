"""The nine trigger rules: what each says for everything that those before a step can come to."""

from itertools import combinations_with_replacement, permutations
from typing import get_args

import pytest

from filemill_common.language.words import TriggerRule
from filemill_scheduler.core import Unmet
from filemill_scheduler.core.rules import Verdict, verdict
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import bring, parallel, step, why

RULES: tuple[TriggerRule, ...] = get_args(TriggerRule)

W, B, F, S = Verdict.WAIT, Verdict.BEGIN, Verdict.UPSTREAM_FAILED, Verdict.UPSTREAM_SKIPPED

# What has ended, of two: s succeeded, f failed, - skipped.
TABLE = {
    #                              ""  s  f  -   ss  sf  s-  ff  f-  --
    "all_success": (                W, W, F, W,  B,  F,  S,  F,  F,  S),
    "all_done": (                   W, W, W, W,  B,  B,  B,  B,  B,  B),
    "all_failed": (                 W, S, W, S,  S,  S,  S,  B,  S,  S),
    "one_success": (                W, B, W, W,  B,  B,  B,  F,  F,  S),
    "one_failed": (                 W, W, B, W,  S,  B,  S,  B,  B,  S),
    "none_failed": (                W, W, F, W,  B,  F,  B,  F,  F,  B),
    "none_failed_min_one_success": (W, W, F, W,  B,  F,  B,  F,  F,  S),
    "none_skipped": (               W, W, W, S,  B,  B,  S,  B,  S,  S),
    "always": (                     B, B, B, B,  B,  B,  B,  B,  B,  B),
}  # fmt: skip
ENDED = ("", "s", "f", "-", "ss", "sf", "s-", "ff", "f-", "--")


def unmet(ended: str, total: int) -> Unmet:
    return Unmet(total=total, succeeded=ended.count("s"), failed=ended.count("f"), skipped=ended.count("-"))


class TestAVerdict:
    @pytest.mark.parametrize("rule", RULES)
    def test_is_what_the_table_says(self, rule: TriggerRule) -> None:
        assert tuple(verdict(rule, unmet(ended, 2)) for ended in ENDED) == TABLE[rule]

    @pytest.mark.parametrize("rule", RULES)
    def test_is_to_begin_where_a_step_depends_on_nothing(self, rule: TriggerRule) -> None:
        assert verdict(rule, Unmet()) is Verdict.BEGIN

    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize("size", [1, 2, 3, 4])
    def test_is_the_same_in_every_order_and_never_taken_back(self, rule: TriggerRule, size: int) -> None:
        for ends in combinations_with_replacement("sf-", size):
            firsts = set()
            for order in set(permutations(ends)):
                said = [verdict(rule, unmet("".join(order[:count]), size)) for count in range(size + 1)]
                firsts.add(next(each for each in said if each is not Verdict.WAIT))
            assert len(firsts) == 1, (rule, ends, firsts)


class TestARun:
    """The same through whole runs: ``s`` succeeds, ``f`` fails, ``n`` is skipped by its ``if``."""

    @pytest.mark.parametrize("order", ["sf", "fs"])
    @pytest.mark.parametrize(
        ("rule", "ends"),
        [
            ("all_success", "skipped: upstream_failed"),
            ("all_done", "ready"),
            ("all_failed", "skipped: upstream_skipped"),
            ("one_success", "ready"),
            ("one_failed", "ready"),
            ("none_failed", "skipped: upstream_failed"),
            ("none_failed_min_one_success", "skipped: upstream_failed"),
            ("none_skipped", "ready"),
            ("always", "ready"),
        ],
    )
    def test_after_a_success_and_a_failure(
        self, scene: Scene, rule: TriggerRule, ends: str, order: str
    ) -> None:
        scene.define(
            failure_policy="continue", steps=[step("s"), step("f"), step("x", "s", "f", rule=rule), step("z")]
        )

        for name in order:
            bring(scene, name, "succeeded" if name == "s" else "failed")

        assert why(scene, "x") == ends

    @pytest.mark.parametrize(
        ("rule", "ends"),
        [
            ("all_success", "skipped: upstream_skipped"),
            ("all_done", "ready"),
            ("all_failed", "skipped: upstream_skipped"),
            ("one_success", "ready"),
            ("one_failed", "skipped: upstream_skipped"),
            ("none_failed", "ready"),
            ("none_failed_min_one_success", "ready"),
            ("none_skipped", "skipped: upstream_skipped"),
            ("always", "ready"),
        ],
    )
    def test_after_a_success_and_a_skip(self, scene: Scene, rule: TriggerRule, ends: str) -> None:
        scene.define(steps=[step("s"), step("n", if_="false"), step("x", "s", "n", rule=rule), step("z")])

        bring(scene, "s", "succeeded")

        assert why(scene, "x") == ends

    @pytest.mark.parametrize("how", ["failed", "cancelled", "skipped because of a failure"])
    def test_counts_all_that_went_wrong_as_failed(self, scene: Scene, how: str) -> None:
        scene.define(
            failure_policy="continue",
            steps=[step("before"), step("a", "before"), step("x", "a", rule="one_failed")],
        )

        if how == "skipped because of a failure":
            bring(scene, "before", "failed")
            assert why(scene, "a") == "skipped: upstream_failed"
        else:
            bring(scene, "before", "succeeded")
            cancel = scene.command(scene.task("a").id, "cancel")
            scene.play(cancel if how == "cancelled" else scene.failed("a"))

        assert why(scene, "x") == "ready"

    def test_hands_skips_down_with_their_reasons(self, scene: Scene) -> None:
        scene.define(
            failure_policy="continue",
            steps=[
                step("n", if_="false"),
                step("after_skip", "n"),
                step("and_on", "after_skip"),
                step("f"),
                step("after_failure", "f"),
                step("and_after", "after_failure"),
            ],
        )

        bring(scene, "f", "failed")

        assert [why(scene, name) for name in ("n", "after_skip", "and_on", "after_failure", "and_after")] == [
            "skipped: condition",
            "skipped: upstream_skipped",
            "skipped: upstream_skipped",
            "skipped: upstream_failed",
            "skipped: upstream_failed",
        ]

    @pytest.mark.parametrize(("rule", "how"), [("one_success", "succeeded"), ("one_failed", "failed")])
    def test_begins_early_where_one_is_enough(self, scene: Scene, rule: TriggerRule, how: str) -> None:
        scene.define(failure_policy="continue", steps=[step("a"), step("b"), step("x", "a", "b", rule=rule)])

        bring(scene, "a", how)
        assert why(scene, "x") == "ready"

        bring(scene, "x", "succeeded")
        bring(scene, "b", "succeeded")
        assert scene.statuses() == {
            "a": "completed" if how == "succeeded" else "failed",
            "b": "completed",
            "x": "completed",
        }

    def test_waits_for_nothing_where_it_always_begins(self, scene: Scene) -> None:
        scene.define(steps=[step("a"), step("x", "a", rule="always")])

        assert why(scene, "x") == "ready"

    def test_still_fails_those_after_a_failure_that_it_allows(self, scene: Scene) -> None:
        scene.define(steps=[step("a", allow_failure=True), step("x", "a"), step("y", "a", rule="one_failed")])

        bring(scene, "a", "failed")
        bring(scene, "y", "succeeded")

        assert (why(scene, "x"), why(scene, "y")) == ("skipped: upstream_failed", "completed")
        assert str(scene.run().status) == "completed"

    def test_lets_steps_wait_across_what_they_lie_in(self, scene: Scene) -> None:
        scene.define(
            steps=[
                step("a"),
                parallel("p", left=[step("x", "a"), step("y")]),
                step("z", "y"),
                step("last", "p"),
            ]
        )

        bring(scene, "y", "succeeded")
        assert scene.statuses() == {
            "a": "ready", "p": "running", "x": "pending", "y": "completed", "z": "ready", "last": "pending"
        }  # fmt: skip

        bring(scene, "a", "succeeded")
        assert (why(scene, "x"), why(scene, "p")) == ("ready", "running")


class TestAnIf:
    """Looked at after the trigger rule, and before the inputs."""

    def test_is_not_looked_at_where_the_rule_says_no(self, scene: Scene) -> None:
        scene.define(
            failure_policy="continue",
            steps=[step("a"), step("x", "a", if_="input.nothing.at.all"), step("z")],
        )

        bring(scene, "a", "failed")

        assert why(scene, "x") == "skipped: upstream_failed"

    def test_that_is_false_skips_and_the_inputs_are_never_rendered(self, scene: Scene) -> None:
        scene.define(
            steps=[
                step("a"),
                {
                    "id": "x",
                    "task": "probe",
                    "depends_on": ["a"],
                    "if": "steps.a.output.go",
                    "with": {"input_file": "${{ steps.a.output.nothing }}"},
                },
            ]
        )

        scene.play(scene.succeeded("a", output={"go": False}))

        assert why(scene, "x") == "skipped: condition"
        assert str(scene.run().status) == "completed"

    def test_that_is_true_lets_the_step_begin(self, scene: Scene) -> None:
        scene.define(steps=[step("x", if_="${{ input.n > 1 }}")], value={"n": 2})

        assert why(scene, "x") == "ready"

    @pytest.mark.parametrize("said", ["input.nothing", "input.number", "input.text", "input.none"])
    def test_that_fails_or_is_neither_true_nor_false_fails_the_step(self, scene: Scene, said: str) -> None:
        scene.define(steps=[step("x", if_=said)], value={"number": 1, "text": "true", "none": None})

        assert why(scene, "x") == "failed: expression_error"
        assert str(scene.run().status) == "failed"

    def test_may_ask_how_those_before_have_ended(self, scene: Scene) -> None:
        scene.define(
            failure_policy="continue",
            steps=[
                step("a"),
                step(
                    "x",
                    "a",
                    rule="all_done",
                    if_="steps.a.status == 'failed' && steps.a.error.code == 'boom'",
                ),
            ],
        )

        bring(scene, "a", "failed")

        assert why(scene, "x") == "ready"
