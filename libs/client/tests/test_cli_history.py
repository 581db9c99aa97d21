"""The command: what happened to a workflow is read, kept in a file, and played again."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from filemill_client.cli import history
from filemill_client.shapes import Json
from filemill_client.testing import Answer, Gateway, shows

Run = Callable[..., Result]

LINES = b'{"format": "filemill-history/1"}\n{"events": 0}\n'


def item(**fields: Any) -> Json:
    """An event after which a step is tried again."""
    change = {"run": "w1", "step": "film", "from": "ready", "to": "retrying", "attempt": 2, "reason": "boom"}
    return {
        "at": "2026-11-05T10:00:00.000Z",
        "event": "AttemptFailed",
        "run": "w1",
        "step": "film",
        "changes": [change],
        "made": 0,
        "outcome": None,
        **fields,
    }


class Player:
    """Plays what it is told to, instead of the scheduler."""

    def __init__(self, *items: Json) -> None:
        self.items = items
        self.until: int | None = None

    def __call__(self, lines: Iterable[str], *, until: int | None = None) -> Iterator[Json]:
        if not "".join(lines).startswith("{"):
            raise ValueError("this is no export of a history")
        self.until = until
        yield from self.items


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Player]:
    """Let a scheduler be there that plays so, and a file to play."""

    def play(*items: Json, difference: str | None = None, **last: Any) -> Player:
        run = {"id": "w1", "name": "films", "status": "running"}
        steps = [{"id": "film", "status": "skipped", "reason": "condition", "attempt": 0}]
        end = {"played": 2, "events": 2, "difference": difference, "workflows": [{**run, "steps": steps}]}
        player = Player(*items, {**end, **last})
        monkeypatch.setattr(history, "_player", lambda: player)
        (tmp_path / "run.jsonl").write_bytes(LINES)
        return player

    return play


class TestHistory:
    def test_shows_a_line_for_each_event(self, gateway: Gateway, filemill: Run) -> None:
        made = item(
            event="WorkflowCreated", step=None, made=3, changes=[{"run": "w1", "from": None, "to": "pending"}]
        )
        inner = item(run="w2", changes=[], outcome="ignored")
        gateway.on("GET", "/v1/workflows/w1/history", shows({"items": [made, item(), inner], "next": None}))

        lines = [line.split() for line in filemill("history", "w1").stdout.splitlines()]

        at = "2026-11-05T10:00:00.000Z"
        assert lines == [
            ["AT", "EVENT", "STEP", "DECIDED"],
            [at, "WorkflowCreated", "-", "3", "made,", "workflow:", "pending"],
            [at, "AttemptFailed", "film", "film:", "ready", "->", "retrying", "#2", "(boom)"],
            [at, "AttemptFailed", "w2/film", "ignored"],
        ]

    def test_says_that_there_is_more(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("GET", "/v1/workflows/w1/history", shows({"items": [item()], "next": "c2"}))

        done = filemill("history", "w1", "--limit", "1")

        assert "--cursor c2" in done.stderr
        assert gateway.requests[0].query == {"limit": ["1"]}

    def test_is_written_to_a_file_whole(self, gateway: Gateway, filemill: Run, tmp_path: Path) -> None:
        whole = Answer(200, LINES, {"Content-Type": "application/x-ndjson"})
        gateway.on("GET", "/v1/workflows/w1/history/export", Answer(200, LINES[:40], then="cut"), whole)

        done = filemill("history", "w1", "--output", "run.jsonl", "--json")

        assert json.loads(done.stdout) == {"workflow_id": "w1", "file": "run.jsonl", "size": len(LINES)}
        assert [each.name for each in tmp_path.iterdir()] == ["run.jsonl"]
        assert (tmp_path / "run.jsonl").read_bytes() == LINES

    def test_that_ends_in_a_line_is_not_kept(self, gateway: Gateway, filemill: Run, tmp_path: Path) -> None:
        gateway.on("GET", "/v1/workflows/w1/history/export", Answer(200, LINES[:40]))

        assert filemill("history", "w1", "--output", "run.jsonl").exit_code == 1
        assert list(tmp_path.iterdir()) == []

    def test_of_no_workflow_ends_with_5(self, filemill: Run) -> None:
        assert filemill("history", "none").exit_code == 5


class TestReplay:
    def test_shows_each_event_and_that_all_is_the_same(
        self, plays: Callable[..., Player], filemill: Run
    ) -> None:
        plays(item(number=1, difference=None))

        done = filemill("replay", "run.jsonl")

        assert done.exit_code == 0
        assert [line.split() for line in done.stdout.splitlines()] == [
            ["1", "2026-11-05T10:00:00.000Z", "AttemptFailed", "film"],
            ["film:", "ready", "->", "retrying", "#2", "(boom)"],
            ["2", "events,", "as", "they", "were", "recorded,", "and", "all", "stands", "as", "it", "did"],
        ]

    def test_ends_with_1_and_says_where_it_differs(self, plays: Callable[..., Player], filemill: Run) -> None:
        plays(item(number=1, difference="event 1 is another"), difference="event 1 is another")

        done = filemill("replay", "run.jsonl")

        assert done.exit_code == 1
        assert "differs: event 1 is another" in done.stdout
        assert done.stderr == "differs from what was recorded: event 1 is another\n"

    def test_stops_where_somebody_wants_and_shows_how_all_stands(
        self, plays: Callable[..., Player], filemill: Run
    ) -> None:
        player = plays(item(number=1, difference=None), played=1)

        done = filemill("replay", "run.jsonl", "--until", "1")

        assert player.until == 1
        assert done.stdout.splitlines()[2:] == [
            "workflow films running  w1",
            "  film: skipped  condition",
            "1 of 2 events, as they were recorded",
        ]

    def test_gives_a_line_of_json_each(self, plays: Callable[..., Player], filemill: Run) -> None:
        plays(item(number=1, difference=None))

        first, last = map(json.loads, filemill("replay", "run.jsonl", "--json").stdout.splitlines())

        assert (first["number"], last["difference"]) == (1, None)

    def test_of_what_is_none_or_not_there_is_wrong_usage(
        self, plays: Callable[..., Player], filemill: Run
    ) -> None:
        plays()

        none, missing = filemill("replay", "-", stdin="hello"), filemill("replay", "none.jsonl")

        assert (none.exit_code, none.stderr) == (2, "this is no export of a history\n")
        assert (missing.exit_code, "none.jsonl" in missing.stderr) == (2, True)

    def test_says_what_to_install_where_no_scheduler_is(
        self, filemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(history, "entry_points", lambda **_: ())

        done = filemill("replay", "run.jsonl")

        assert done.exit_code == 2
        assert "pip install filemill-scheduler" in done.stderr

    def test_asks_no_gateway(self, filemill: Run) -> None:
        assert "--url" not in filemill("replay", "--help").stdout
