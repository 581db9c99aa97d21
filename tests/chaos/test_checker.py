"""Each rule is silent about a run in which all went well, and speaks of the one thing that did not."""

import pytest

from tests.chaos import checker_rules as rules
from tests.chaos.checker import judge
from tests.chaos.checker_facts import Row, pairs
from tests.chaos.checker_files import files_as_accepted
from tests.chaos.checker_leases import healthy_leases, offers_taken
from tests.chaos.checker_notices import asked_notified, one_id
from tests.chaos.checker_shapes import dependents_wait
from tests.chaos.checker_testing import SINK, Json, Run


@pytest.fixture
def run() -> Run:
    return Run()


def line(run: Run, what: str, **about: object) -> Json:
    return next(each for each in run.lines if each["what"] == what and about.items() <= each.items())


def test_when_all_went_well_every_rule_has_looked_and_none_speaks(run: Run) -> None:
    verdict = judge(run.lines, run.dump())

    assert (verdict.violations, verdict.unseen) == (0, ()), str(verdict)


def test_a_verdict_shows_each_rule_with_its_cases_and_first_violations(run: Run) -> None:
    run.outbox = [{"type": f"event {number}"} for number in range(7)]

    shown = str(judge(run.lines, run.dump()))

    assert "         7         9  The outbox is empty, and so are the queues." in shown
    assert "- event 4 is still owed" in shown
    assert "- and 2 more" in shown


class TestWorkflowsAndTasks:
    def test_that_were_accepted_are_there(self, run: Run) -> None:
        run.say("accepted", 30, kind="task", id="gone", key=None)

        assert run.only(rules.acknowledged_ends) == "task gone was accepted and is not there"

    def test_that_were_accepted_end(self, run: Run) -> None:
        run.say("accepted", 30, kind="task", id="slow", key=None)
        run.stored("tasks", "slow", 30, status="running")

        assert run.only(rules.acknowledged_ends) == "task slow is still running"

    def test_may_sleep_until_they_are_started(self, run: Run) -> None:
        run.say("accepted", 30, kind="workflow", id="asleep", key=None, start=False)
        run.stored("workflows", "asleep", 30, status="pending", counts={"total": 0})

        assert judge(run.lines, run.dump()).violations == 0

    def test_may_stay_paused_by_a_pause_that_was_said_in_vain(self, run: Run) -> None:
        run.say("accepted", 30, kind="workflow", id="p", key=None, start=True)
        run.say("commanded in vain", 31, kind="workflow", id="p", command="pause", command_id="p")
        run.stored("workflows", "p", 32, status="paused", held=True, counts={"total": 0})

        assert judge(run.lines, run.dump()).violations == 0

    def test_do_not_end_twice(self, run: Run) -> None:
        run.stored("tasks", "a", 30, status="failed")
        run.stored("tasks", "a", 30, status="completed")

        found = Row.of("", rules.ends_once(run.facts())).violations

        assert found == (
            "task a became failed after it was completed; task a became completed after it was failed",
        )

    def test_do_not_come_back_after_they_were_deleted(self, run: Run) -> None:
        run.stored("tasks", "t", 30, status=None)
        run.stored("tasks", "t", 31, status="ready", completed_at=None)

        assert Row.of("", rules.ends_once(run.facts())).violations == (
            "task t came back after it was deleted",
        )

    def test_do_not_end_in_silence(self, run: Run) -> None:
        run.lines.remove(line(run, "told", subject="a"))

        assert run.only(rules.told_once) == "nobody was told that task a is completed"

    def test_are_told_of_by_one_event(self, run: Run) -> None:
        run.lines.append({**line(run, "told", subject="a"), "event_id": "another"})

        assert run.only(rules.told_once) == "task a was told completed by 2 events"

    def test_are_not_told_of_before_they_end(self, run: Run) -> None:
        run.told("task", "a", "completed", 7)

        assert run.only(rules.told_once) == "an end of a was told that did not happen (version 7)"

    def test_have_no_version_twice(self, run: Run) -> None:
        run.history["tasks"]["b"][1]["version"] = 1
        line(run, "told", subject="b")["sequence"] = 1

        assert run.only(rules.no_write_lost) == "task b has the versions [1, 1]"

    def test_have_attempts_that_never_fall(self, run: Run) -> None:
        run.history["tasks"]["t"][2]["attempt"] = 1

        assert run.only(rules.no_write_lost) == "task t has the attempts [1, 2, 1, 2]"

    def test_begin_after_what_they_depend_on(self, run: Run) -> None:
        run.stored("tasks", "early", 3, status="pending", depends_on=["b"])
        run.stored("tasks", "early", 4, status="ready", ready_at=4)
        run.stored("tasks", "early", 40, status=None)

        assert Row.of("", dependents_wait(run.facts())).violations == (
            "task early began by all_success after ['open']",
        )

    def test_begin_when_they_are_ready(self, run: Run) -> None:
        line(run, "began", task_id="b")["at"] = 2.5

        assert run.only(dependents_wait) == "task b began before it was ready"

    def test_are_counted_as_they_are(self, run: Run) -> None:
        run.history["workflows"]["r"][-1]["counts"]["completed"] = 1

        assert run.only(rules.counts_recount).startswith("workflow r counts {'total': 2, 'completed': 1}")

    def test_count_what_they_wait_for(self, run: Run) -> None:
        run.history["tasks"]["b"][-1]["unmet"] = {"total": 1, "succeeded": 0}

        assert run.only(rules.counts_recount) == (
            "task b completed after {'total': 1, 'succeeded': 0} of 1 dependencies"
        )

    def test_are_one_for_a_key(self, run: Run) -> None:
        run.say("accepted", 30, kind="workflow", id="r", key="k")
        line(run, "accepted", id="t")["key"] = "mine"
        run.say("accepted", 31, kind="task", id="a", key="mine")

        assert run.only(rules.one_per_key) == "key mine made 2 tasks: a, t"


class TestResults:
    def test_come_from_an_execution(self, run: Run) -> None:
        run.lines.remove(line(run, "ended", execution="xb"))
        run.ran("t", "long", 30, 36)

        assert run.only(rules.accepted_results) == "task b completed with what no execution of it made"

    def test_come_from_the_open_attempt(self, run: Run) -> None:
        line(run, "ended", execution="xt")["attempt"] = 1

        assert run.only(rules.accepted_results) == "task t took attempt 1 while 2 was open"

    def test_are_what_the_execution_made(self, run: Run) -> None:
        line(run, "ended", execution="xa")["output"]["n"] = 1

        assert "its execution made {'execution': 'xa', 'n': 1}" in run.only(rules.accepted_results)

    def test_lie_on_the_disk_as_they_were_accepted(self, run: Run) -> None:
        run.digests["objects/tasks/t/2-xt.bin"] = "sha256:2"

        found = Row.of("", files_as_accepted(run.facts())).violations

        assert found == (
            "out.bin stands for sha256:1, on the disk is sha256:2",
            "task t has sha256:1, made was sha256:1, there is sha256:2",
        )

    def test_have_the_path_that_was_asked_for(self, run: Run) -> None:
        run.files.clear()

        assert run.only(files_as_accepted) == "out.bin stands for None, accepted was sha256:1"


class TestCommands:
    def test_are_not_dropped(self, run: Run) -> None:
        run.say("commanded", 40, kind="task", id="t", command="retry", command_id="d", status=202)

        assert run.only(rules.commands_once) == "task t took 1 of the commands retry, retry"

    def test_that_were_done_already_need_not_go_further(self, run: Run) -> None:
        run.stored("workflows", "c", 30, status="pending", counts={"total": 0})
        done = run.stored("workflows", "c", 31, status="cancelled", completed_at=31, commands=["first"])
        run.told("workflow", "c", "cancelled", done["version"])
        for at in (30.5, 32):
            run.say(
                "commanded", at, kind="workflow", id="c", command="cancel", command_id=str(at), status=202
            )

        assert judge(run.lines, run.dump()).violations == 0

    def test_are_not_applied_twice(self, run: Run) -> None:
        run.stored("tasks", "t", 40, commands=["id-of-c", "id-of-c"])

        assert run.only(rules.commands_once) == "task t took a command twice"

    def test_to_delete_leave_nothing(self, run: Run) -> None:
        run.say("commanded", 40, kind="workflow", id="r", command="delete", command_id="d", status=202)

        assert run.only(rules.commands_once) == "workflow r was not deleted"


class TestNotifications:
    def test_that_were_asked_for_are_made(self, run: Run) -> None:
        run.deliveries = run.deliveries[:1]
        run.lines.remove(line(run, "notified", webhook_id="d2"))

        assert run.only(asked_notified) == f"callback of task.completed t to {SINK}: 0 deliveries"

    def test_that_count_as_delivered_arrived(self, run: Run) -> None:
        run.lines.remove(line(run, "notified", webhook_id="d2"))

        assert "counts as delivered, and nobody received it" in run.only(asked_notified)

    def test_that_were_given_up_are_told_apart(self, run: Run) -> None:
        run.deliveries[0] |= {"status": "failed", "tried": 9}

        assert (
            run.only(asked_notified) == f"webhook of workflow.completed r to {SINK} is failed after 9 tries"
        )

    def test_are_about_something_that_happened(self, run: Run) -> None:
        run.deliveries.append({**run.deliveries[0], "_id": "d3", "event_id": "nothing"})

        assert run.only(asked_notified) == (
            f"webhook to {SINK} is about nothing, which nobody was told of or asked for"
        )

    def test_keep_their_id(self, run: Run) -> None:
        run.lines.append({**line(run, "notified", webhook_id="d1"), "webhook_id": "new"})

        assert run.only(one_id) == "completed r came with the id new, which nobody keeps"

    def test_with_an_id_are_about_one_thing(self, run: Run) -> None:
        run.lines.append({**line(run, "notified", webhook_id="d1"), "id": "t"})

        assert run.only(one_id) == "d1 came about t, and is about another"


class TestLeases:
    @pytest.fixture
    def lost(self, run: Run) -> Run:
        """Attempt 1 of a long task began at 25 and counts as lost at 52."""
        run.stored("tasks", "l", 25, status="running")
        run.say("began", 25, task_id="l", attempt=1, execution="xl", worker="w", by="worker-1")
        run.stored("tasks", "l", 52, attempt=2, losses=1)
        return run

    def test_of_a_worker_that_is_well_do_not_lapse(self, lost: Run) -> None:
        assert lost.only(healthy_leases) == "task l was taken from w, which was well"

    def test_that_ran_out_before_another_worker_took_over_do(self, lost: Run) -> None:
        line(lost, "began", execution="xl")["at"] = 40

        assert judge(lost.lines, lost.dump()).violations == 0

    @pytest.mark.parametrize(("counts", "violations"), [("of the dead", 0), ("xl", 1)])
    def test_of_one_that_counts_do_when_another_one_failed_beside_it(
        self, lost: Run, counts: str, violations: int
    ) -> None:
        lost.history["tasks"]["l"][0]["execution"] = counts
        about = {"task_id": "l", "attempt": 1, "execution": "xl", "worker": "w", "by": "worker-1"}
        lost.say("ended", 26, outcome="failed", code="odd", **about)

        assert judge(lost.lines, lost.dump()).violations == violations

    def test_of_a_worker_that_was_killed_do(self, lost: Run) -> None:
        lost.lines = [each for each in lost.lines if each["what"] != "alive" or each["at"] < 33]

        assert judge(lost.lines, lost.dump()).violations == 0

    def test_of_a_worker_that_was_frozen_do(self, lost: Run) -> None:
        lost.lines = [each for each in lost.lines if each["what"] != "alive" or not 33 < each["at"] < 52]

        assert judge(lost.lines, lost.dump()).violations == 0

    def test_of_a_worker_that_was_cut_off_do(self, lost: Run) -> None:
        lost.say("fault", 26, name="cut", target="worker", seconds=20)

        assert judge(lost.lines, lost.dump()).violations == 0


class TestOffers:
    def test_are_made_once(self, run: Run) -> None:
        run.history["tasks"]["a"].insert(
            1, {**run.history["tasks"]["a"][0], "at": 0.5, "ready_at": 0.5, "version": 2}
        )
        run.history["tasks"]["a"][2]["version"] = 3
        line(run, "told", subject="a")["sequence"] = 3

        assert run.only(offers_taken) == "task a was ready and offered to nobody from version 1"

    def test_are_made_again_when_who_took_it_stood_still(self, run: Run) -> None:
        run.stored("tasks", "o", 30, status="ready", ready_at=30)
        run.stored("tasks", "o", 95, ready_at=95)
        run.say("alive", 100, by="worker-1")

        assert Row.of("", offers_taken(run.facts())).violations == ()


class TestWhatIsLeft:
    def test_is_nothing_owed(self, run: Run) -> None:
        run.outbox.append({"type": "TaskReady", "deferred": True})

        assert run.only(rules.nothing_owed) == "TaskReady is still owed, deferred"

    def test_is_no_message_in_a_queue_of_ours(self, run: Run) -> None:
        run.queues["worker.default"] = 2

        assert run.only(rules.nothing_owed) == "worker.default holds 2 messages"

    def test_is_nothing_parked_that_nobody_planted(self, run: Run) -> None:
        run.parked.append({"message_id": "good", "type": "TaskCreated", "code": "internal"})

        assert run.only(rules.parked_as_planned) == "TaskCreated good is parked: internal"

    def test_is_all_the_poison_that_was_planted(self, run: Run) -> None:
        run.say("planted", 2, message_id="vanished")

        assert run.only(rules.parked_as_planned) == "the planted message vanished is not parked"


def test_pairs_begin_with_nothing() -> None:
    assert list(pairs([{"version": 1}])) == [({}, {"version": 1})]
