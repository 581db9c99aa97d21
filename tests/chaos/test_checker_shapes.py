"""Each rule about kinds of steps speaks of the one thing that did not go well."""

import json

import pytest

from tests.chaos import checker_shapes as rules
from tests.chaos.checker_facts import Row
from tests.chaos.checker_testing import Json, Run


@pytest.fixture
def run() -> Run:
    return Run()


def found(run: Run, rule: object) -> tuple[str, ...]:
    assert callable(rule)
    return Row.of("", rule(run.facts())).violations


def last(run: Run, kind: str, identity: str) -> Json:
    version: Json = run.history[kind][identity][-1]
    return version


class TestSteps:
    @pytest.mark.parametrize(
        ("rule", "came_to", "begins"),
        [
            ("all_success", ["success", "skip"], False),
            ("all_failed", ["failure", "failure"], True),
            ("all_done", ["failure", "open"], False),
            ("one_success", ["success", "open"], True),
            ("one_failed", ["success", "open"], False),
            ("none_failed", ["skip", "success"], True),
            ("none_failed_min_one_success", ["skip", "skip"], False),
            ("none_skipped", ["failure", "skip"], False),
            ("always", ["open"], True),
        ],
    )
    def test_begin_as_their_rule_allows(self, rule: str, came_to: list[str], begins: bool) -> None:
        assert rules._allows(rule, came_to) is begins

    def test_begin_if_the_condition_that_names_them_chose_them(self, run: Run) -> None:
        chooser = {"kind": "condition", "spec": json.dumps({"named": ["x"]}), "step_id": "c"}
        chosen = {"status": "completed", "output": json.dumps({"chosen": [], "case": None})}
        run.stored("tasks", "c", 40, workflow_id="q", **chooser, **chosen)
        run.stored("tasks", "x", 41, status="ready", workflow_id="q", step_id="x", depends_on=["c"])

        assert found(run, rules.dependents_wait) == ("task x began though c did not choose it",)


class TestMaps:
    def test_end_with_the_last_of_their_items(self, run: Run) -> None:
        run.history["tasks"]["m1"][1]["status"] = "running"
        run.history["tasks"]["m1"][2]["at"] = 29.5

        assert found(run, rules.holders_end_last) == ("m of q ended before m[1]",)

    def test_have_no_more_items_under_way_than_may_be(self, run: Run) -> None:
        run.history["tasks"]["m1"][0]["status"] = "ready"

        assert found(run, rules.few_at_once) == ("2 items of m of q were under way, not 1",)

    def test_say_what_their_items_made_in_order(self, run: Run) -> None:
        output = json.loads(last(run, "tasks", "m")["output"])
        last(run, "tasks", "m")["output"] = json.dumps({**output, "items": output["items"][::-1]})

        assert found(run, rules.maps_say_all)[0].startswith("map m says [{'index': 1")

    def test_may_be_deleted_in_the_commit_that_ends_them(self, run: Run) -> None:
        for each in ("m0", "m1", "m"):
            run.stored("tasks", each, 29, status=None)

        assert found(run, rules.maps_say_all) == ()


class TestFinally:
    def test_waits_for_all_others(self, run: Run) -> None:
        run.history["tasks"]["f"][1]["at"] = 30.5

        assert found(run, rules.finally_last) == ("f under finally of q began before s",)

    def test_runs_once_a_start(self, run: Run) -> None:
        for at, status in ((37, "pending"), (37.5, "ready")):
            run.stored("tasks", "f", at, status=status)

        assert found(run, rules.finally_last) == ("f under finally of q began 3 times in 2 starts",)


class TestAPause:
    def test_lets_nothing_begin(self, run: Run) -> None:
        run.history["tasks"]["m1"][1]["at"] = 25.5

        assert found(run, rules.paused_holds) == ("m[1] of q began while that was paused",)

    def test_is_what_was_said_last(self, run: Run) -> None:
        run.stored("workflows", "p", 40, status="running", held=False, counts={"total": 0})
        run.say("commanded", 41, kind="workflow", id="p", command="pause", command_id="p", status=202)

        assert found(run, rules.paused_as_told) == ("workflow p is held: False, the last command was pause",)

    @pytest.mark.parametrize(("in_vain", "held"), [("pause", False), ("pause", True), ("resume", False)])
    def test_may_be_what_was_said_in_vain(self, run: Run, in_vain: str, held: bool) -> None:
        status = "paused" if held else "running"
        run.stored("workflows", "p", 40, status=status, held=held, counts={"total": 0})
        accepted = "resume" if in_vain == "pause" else "pause"
        for at, what, command in ((41, "commanded", accepted), (42, "commanded in vain", in_vain)):
            run.say(what, at, kind="workflow", id="p", command=command, command_id=command, status=202)

        assert found(run, rules.paused_as_told) == ()


class TestARun:
    def test_is_opened_again_by_a_rerun(self, run: Run) -> None:
        for version in run.history["workflows"]["q"]:
            version["started_at"] = 25

        assert found(run, rules.reruns_open) == ("workflow q was not run again",)

    def test_that_stands_for_a_step_ends_with_it(self, run: Run) -> None:
        last(run, "workflows", "qc").update(status="running", completed_at=None)

        assert found(run, rules.children_follow) == ("workflow qc is running, its step s is completed",)

    def test_lets_no_wait_time_out_whose_signal_came(self, run: Run) -> None:
        last(run, "tasks", "w").update(at=95, output=json.dumps({"timed_out": True}))

        assert found(run, rules.waits_give) == ("wait w timed out, and its signal had come",)

    def test_gives_a_wait_what_was_said(self, run: Run) -> None:
        last(run, "tasks", "w")["output"] = json.dumps({"by": "nobody"})

        assert found(run, rules.waits_give) == ("wait w gives {'by': 'nobody'}, which nobody said",)

    def test_may_give_a_wait_what_was_said_and_not_acknowledged(self, run: Run) -> None:
        last(run, "tasks", "w")["output"] = json.dumps({"by": "somebody"})
        run.say("commanded in vain", 40, kind="workflow", id="q", command="signal", body={"by": "somebody"})

        assert found(run, rules.waits_give) == ()
