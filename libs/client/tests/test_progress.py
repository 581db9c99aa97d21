"""What a live stream told so far."""

from typing import Any

import pytest

from filemill_client.progress import Row, Shown, apply, counts, select
from filemill_client.sse import StreamEvent
from filemill_client.testing import change, step, task, workflow


def told(shown: Shown, event: Any, data: Any) -> Shown:
    return apply(shown, StreamEvent(event, data, "1"))


def begun() -> Shown:
    return told(Shown("workflow"), "snapshot", workflow(first="running", second="pending"))


def row(shown: Shown, label: str) -> Row:
    return next(each for each in shown.rows if each.label == label)


class TestAWorkflow:
    def test_has_a_row_for_each_step(self) -> None:
        shown = begun()

        assert (shown.title, shown.status, shown.percent) == ("films", "running", 0.0)
        assert shown.rows == (Row("t-first", "first", "running", 0.0, 1), Row("t-second", "second"))

    def test_follows_its_steps(self) -> None:
        data = change("task.progressed", task=task(id="t-first", progress=40, message="frame 100"))
        shown = told(begun(), "change", data)

        assert row(shown, "first") == Row("t-first", "first", "running", 40.0, 1, "frame 100")
        assert shown.percent == 20.0

    def test_says_why_a_step_is_tried_again(self) -> None:
        failure = {"code": "worker_lost", "message": "its worker died"}
        data = change("task.retrying", task=task("retrying", id="t-first", attempt=2, last_error=failure))

        assert row(told(begun(), "change", data), "first").note == "its worker died (worker_lost)"

    def test_ignores_what_is_older_than_it_knows(self) -> None:
        newer = change("task.started", task=task(id="t-first", attempt=2, progress=5))
        older = change("task.progressed", task=task(id="t-first", attempt=1, progress=90))

        shown = told(told(begun(), "change", newer), "change", older)

        assert (row(shown, "first").percent, row(shown, "first").attempt) == (5.0, 2)

    def test_keeps_the_message_of_a_step_over_a_fresh_snapshot(self) -> None:
        shown = told(
            begun(), "change", change("task.progressed", task=task(id="t-first", message="frame 100"))
        )

        again = told(shown, "snapshot", workflow(first="running", second="pending"))

        assert row(again, "first").note == "frame 100"

    def test_ends_with_the_whole_shape(self) -> None:
        ended = workflow("failed", first="completed", second="skipped")
        ended["steps"][1]["reason"] = "upstream_failed"

        shown = told(begun(), "end", ended)

        assert (shown.status, shown.percent, shown.document) == ("failed", 100.0, ended)
        assert [each.note for each in shown.rows] == ["outputs/first.webm", "upstream failed"]

    def test_follows_its_own_status(self) -> None:
        paused = change("workflow.paused", workflow=workflow("paused"))

        assert told(begun(), "change", paused).status == "paused"

    def test_takes_a_step_that_the_snapshot_did_not_show(self) -> None:
        data = change("task.queued", task=task("ready", id="t-third", step_id="third", attempt=0))

        assert row(told(begun(), "change", data), "third").status == "ready"


class TestStepsInSteps:
    def test_are_as_deep_as_what_they_lie_in(self) -> None:
        steps = [
            step("both", type="parallel"),
            step("inner", type="parallel", parent="both"),
            step("a", parent="inner"),
            step("b", parent="both"),
            step("last"),
        ]
        shown = told(Shown("workflow"), "snapshot", workflow() | {"steps": steps})

        assert [(each.label, each.depth) for each in shown.rows] == [
            ("both", 0),
            ("inner", 1),
            ("a", 2),
            ("b", 1),
            ("last", 0),
        ]
        assert told(shown, "change", change("task.started", task=task(id="t-a"))).rows[2].depth == 2


class TestAWait:
    @pytest.mark.parametrize(
        ("message", "note"),
        [
            ("waiting for the signal 'approve'", "waiting for the signal 'approve'"),
            ("until 2026-11-05T10:00:00.000Z", "waiting until 2026-11-05T10:00:00.000Z"),
            (None, "waiting"),
        ],
    )
    def test_says_for_what(self, message: str | None, note: str) -> None:
        steps = [step("go", "running", type="wait", message=message)]
        shown = told(Shown("workflow"), "snapshot", workflow() | {"steps": steps})
        assert row(shown, "go").note == note

        change_ = change("task.started", task=task(id="t-go", type="wait", message=message))
        assert row(told(shown, "change", change_), "go").note == note

    def test_that_is_over_says_so_no_more(self) -> None:
        steps = [step("go", "running", type="wait", message="waiting for the signal 'go'")]
        shown = told(Shown("workflow"), "snapshot", workflow() | {"steps": steps})
        data = change("task.completed", task=task("completed", id="t-go", type="wait"))

        assert row(told(shown, "change", data), "go").note == ""


class TestATask:
    def test_is_one_row(self) -> None:
        shown = told(Shown("task"), "snapshot", task(progress=10))
        shown = told(shown, "change", change("task.completed", task=task("completed")))

        assert (shown.status, shown.rows) == ("completed", (Row("t1", "echo", "completed", 100.0, 1),))


class TestTooManyRows:
    def test_leave_those_that_go_on(self) -> None:
        statuses = ("completed", "running", "pending", "failed", "completed")
        rows = tuple(Row(str(at), str(at), status) for at, status in enumerate(statuses))

        assert [each.label for each in select(rows, 3)] == ["1", "2", "3"]
        assert select(rows, 0) == ()
        assert counts(rows) == "1 running, 1 failed, 1 pending, 2 completed"

    def test_do_not_mind_a_status_that_came_later(self) -> None:
        assert select((Row("1", "1", "completed"), Row("2", "2", "waiting")), 1)[0].label == "2"

    def test_of_a_step_without_a_task(self) -> None:
        plain = step("both")
        del plain["task_id"]

        assert told(Shown("workflow"), "snapshot", workflow() | {"steps": [plain]}).rows[0].task_id == "both"
