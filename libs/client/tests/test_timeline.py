"""What a trace tells of a run, and how it is drawn."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from filemill_client import render
from filemill_client.shapes import Json
from filemill_client.timeline import Part, Run, parts

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


def told(of: str, began: float | None, ended: float | None, **more: Any) -> Json:
    """A step or a run that ran from one second to another."""
    status = "skipped" if began is None else "running" if ended is None else "completed"
    times = {
        "started_at": None if began is None else at(began),
        "completed_at": None if ended is None else at(ended),
    }
    return {"id": of, "task_id": f"t-{of}", "type": "task", "status": status, **times, **more}


def run(*steps: Json, ended: float | None = 10) -> Json:
    return told("w", 0, ended, name="film", created_at=at(0), steps=list(steps))


def task(of: str, **more: Any) -> Json:
    return {"id": f"t-{of}", "depends_on": [], "attempts": [], **more}


class TestParts:
    def test_of_a_step_say_since_when_it_could_have_begun(self) -> None:
        document = run(told("a", 1, 3), told("b", 4, 10))

        _, a, b = parts(Run(document, tasks=[task("a"), task("b", depends_on=["t-a"])]))

        assert (a.asked, b.asked) == (BEGAN, BEGAN + timedelta(seconds=3))

    def test_of_a_step_that_was_tried_again_are_each_try_and_the_pause(self) -> None:
        failed = {"number": 1, "outcome": "failed", "started_at": at(1), "completed_at": at(2)}
        error = {"code": "oops", "message": "it broke"}
        document = run(told("a", 5, 6))

        _, a, first = parts(Run(document, tasks=[task("a", attempts=[failed | {"error": error}])]))

        assert (first.label, first.depth, first.note) == ("attempt 1", 2, "it broke (oops)")
        assert (a.asked, a.began) == (BEGAN + timedelta(seconds=2), BEGAN + timedelta(seconds=5))

    def test_of_a_map_are_its_items_in_order_and_how_many_more_there_are(self) -> None:
        items = [
            told(f"i{n}", 1, 2) | task(f"i{n}", item=n, parent="each", created_at=at(0)) for n in range(25)
        ]

        labels = [part.label for part in parts(Run(run(told("each", 1, 9)), tasks=items[::-1]))]

        assert labels[:4] == ["film", "each", "item 0", "item 1"]
        assert labels[-1] == "... and 5 more items"

    def test_of_a_run_within_lie_below_the_step_that_started_it(self) -> None:
        child = told("c", 2, 8, name="album", created_at=at(2), steps=[told("x", 3, 4)])
        document = run(told("sub", 1, 9, child="c"))

        found = [(part.depth, part.label) for part in parts(Run(document, children={"c": Run(child)}))]

        assert found == [(0, "film"), (1, "sub"), (2, "album"), (3, "x")]

    def test_of_a_delivery_say_what_each_try_came_to(self) -> None:
        sent = {
            "channel": "webhook",
            "status": "delivered",
            "event_type": "io.filemill.workflow.completed.v1",
            "created_at": at(10),
            "tries": [{"at": at(10), "code": "500"}, {"at": at(15), "code": "200"}],
        }

        *_, webhook = parts(Run(run(), deliveries=[sent]))

        assert (webhook.label, webhook.note) == ("webhook", "workflow.completed: 500, 200")
        assert webhook.ended == BEGAN + timedelta(seconds=15)


class TestDrawing:
    def test_puts_all_parts_on_one_scale(self) -> None:
        document = run(told("a", 0, 5), told("b", 7, 10), told("c", None, None, reason="upstream_failed"))
        found = tuple(parts(Run(document, tasks=[task("a"), task("b", depends_on=["t-a"])])))

        assert drawn(found) == [
            "film ━━━━━━━━━━ 10.0 s completed",
            "  a  ━━━━━       5.0 s completed",
            "  b       ··━━━  3.0 s completed",
            "  c                  - skipped   upstream failed",
        ]

    def test_of_what_still_runs_goes_on_until_now(self) -> None:
        found = tuple(parts(Run(run(told("a", 5, None), ended=None))))

        assert drawn(found) == ["film ━━━━━━━━━━ 10.0 s running", "  a  ·····━━━━━  5.0 s running"]

    def test_of_what_was_over_at_once_shows_it_all_the_same(self) -> None:
        assert drawn([Part("a", "completed", began=BEGAN, ended=BEGAN)]) == ["a ━          0 ms completed"]


def drawn(found: Any) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(render.trace(found, BEGAN + timedelta(seconds=10), width=10))
    return [line.rstrip() for line in captured.get().splitlines()]
