"""A run's history is what became of each event, and played again it comes to the same."""

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filemill_common.events import HISTORY_FORMAT, Saw
from filemill_scheduler.core.history import Folded
from filemill_scheduler.core.replaying import (
    Record,
    Replay,
    UnreadableHistoryError,
    read,
    recorded,
    replay,
)
from filemill_scheduler.core.state import Run, Task
from filemill_scheduler.replay import tell
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.budget import EXAMPLES, bounded
from services.scheduler.tests.core.test_properties import commanded

HEARTBEATS_SAY = {"version", "updated_at", "progress", "message", "lease_until", "checkpoint"}


def record(scene: Scene, run_id: str = "run") -> Record:
    """What was kept of a run, as it comes back from where it is kept."""
    kept = [(at, folded) for at, folded in scene.state.history if folded.root == run_id]
    return Record(run_id, tuple(recorded(folded, at) for at, folded in kept))


def export(scene: Scene, *, state: Iterable[object] = ()) -> list[str]:
    """The lines that the gateway gives for it."""
    lines: list[dict[str, Any]] = [
        {
            **folded.document(),
            "at": at.isoformat(),
            "type": folded.event.type,
            "data": json.loads(folded.event.model_dump_json()),
        }
        for at, folded in scene.state.history
    ]
    head = {"format": HISTORY_FORMAT, "workflow_id": "run"}
    return [json.dumps(line) for line in (head, *lines, {"events": len(lines), "state": list(state)})]


def told(folded: Folded) -> list[str]:
    """What an event changed, in short."""
    return [
        f"{change.get('step', 'run')}: {change['from']} > {change['to']}"
        for change in folded.document().get("changes", ())
    ]


def without_heartbeats(state: Task | Run) -> dict[str, object]:
    return {each.name: getattr(state, each.name) for each in fields(state) if each.name not in HEARTBEATS_SAY}


def same_state(played: Replay, scene: Scene) -> bool:
    """Whether all stands as it did, but for what only heartbeats say."""
    runs = [run for run in scene.state.runs.values() if run.status is not None]
    assert {run.id for run in played.runs()} == {run.id for run in runs}
    tasks = {task.id: task for task in scene.state.tasks.values() if task.status is not None}
    now = {task.id: without_heartbeats(task) for task in played.tasks()}
    return now == {each: without_heartbeats(task) for each, task in tasks.items()} and all(
        without_heartbeats(played.run(run.id)) == without_heartbeats(run) for run in runs
    )


class TestAHistory:
    def test_says_what_each_event_decided(self, scene: Scene) -> None:
        scene.submit(a={}, b={"depends_on": ["a"]})
        scene.play(scene.failed("a", retryable=True))
        scene.play(scene.due("a"))
        scene.play(scene.succeeded("a"))
        scene.play(scene.run_command("run", "cancel"))

        assert [told(folded) for _, folded in scene.state.history] == [
            ["run: None > pending", "run: pending > running", "a: pending > ready"],
            ["a: ready > retrying"],
            ["a: retrying > ready"],
            ["a: ready > completed", "b: pending > ready"],
            ["b: ready > cancelled", "run: running > cancelled"],
        ]
        retried = scene.state.history[1][1].document()["changes"][0]
        assert (retried["attempt"], retried["reason"]) == (1, "boom")

    def test_says_how_many_tasks_were_made_and_names_none(self, scene: Scene) -> None:
        scene.define(
            value={"list": [1, 2, 3]},
            steps=[{"id": "m", "type": "map", "items": "input.list", "step": {"task": "echo"}}],
        )

        [(_, folded)] = scene.state.history
        assert folded.document()["made"] == 4
        assert "m: pending > running" in told(folded)

    def test_keeps_what_changed_nothing_and_says_so(self, scene: Scene) -> None:
        scene.submit(a={})
        late = scene.succeeded("a")
        scene.play(late)
        scene.play(late.model_copy(update={"execution": "another"}))
        scene.play(scene.run_command("run", "start"))

        outcomes = [folded.outcome for _, folded in scene.state.history]
        assert outcomes == ["", "", "ignored", "rejected: command_not_applicable"]

    def test_keeps_no_heartbeats_that_only_renew_a_lease(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.play(scene.started("a"))
        scene.play(scene.progressed("a", 10), scene.progressed("a", 20))

        assert [type(folded.event).__name__ for _, folded in scene.state.history] == [
            "WorkflowCreated",
            "AttemptStarted",
        ]

    def test_keeps_no_repeated_request(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.submit(a={})

        assert len(scene.state.history) == 1

    def test_is_not_kept_of_a_task_of_its_own(self, scene: Scene) -> None:
        scene.create("t")
        scene.play(scene.succeeded("t"))

        assert scene.state.history == []

    def test_is_not_kept_of_a_run_that_is_deleted(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.play(scene.run_command("run", "delete"))
        kept = len(scene.state.history)
        scene.play(scene.run_command("run", "delete"))

        assert len(scene.state.history) == kept == 1

    def test_of_a_subworkflow_is_that_of_the_outermost_run(self, scene: Scene) -> None:
        scene.define(
            subworkflows={"sub@1": {"name": "sub", "steps": [{"id": "q", "task": "echo"}]}},
            steps=[{"id": "s", "type": "subworkflow", "workflow": "sub@1"}],
        )
        scene.follow()
        scene.play(scene.succeeded("s/q"))

        last = scene.state.history[-1][1]
        assert (last.root, last.run, last.step) == ("run", scene.task("s").child, "q")

    def test_names_nobody_who_is_told(self, scene: Scene) -> None:
        notify = [
            {"email": {"to": "ann@example.com", "locale": "en"}},
            {"webhook": {"url": "https://user:password@example.com/secret"}},
            {"callback": {"url": "https://example.com/?token=secret"}},
        ]
        sub = {"name": "sub", "steps": [{"id": "q", "task": "echo"}], "notify": notify}
        scene.define(steps=[{"id": "a", "task": "echo"}], notify=notify, subworkflows={"sub@1": sub})

        text = "\n".join(export(scene))
        assert not any(word in text for word in ("ann@", "password", "secret"))
        assert scene.run().notify[0].email == "ann@example.com"
        assert replay(record(scene)).difference is None


class TestPlayedAgain:
    def test_comes_to_the_same_and_shows_how_all_stands_on_the_way(self, scene: Scene) -> None:
        scene.submit(a={}, b={"depends_on": ["a"]})
        scene.play(scene.failed("a", retryable=True), scene.run_command("run", "pause"))
        scene.play(scene.due("a"), scene.run_command("run", "resume"))
        scene.play(scene.succeeded("a"), scene.run_command("run", "cancel"))

        replay = Replay(record(scene))
        on_the_way = [str(replay.task("a").status) for _ in replay.play()]

        assert on_the_way == ["ready", "retrying", "retrying", "retrying", "ready", "completed", "completed"]
        assert replay.difference is None
        assert same_state(replay, scene)

    def test_resolves_what_paths_stood_for_then(self, scene: Scene) -> None:
        film = {"task": "probe", "with": {"input_file": "a.mp4"}}
        scene.file("a.mp4")
        scene.submit(a=film, b={**film, "depends_on": ["a"]})
        scene.state.files.clear()
        scene.play(scene.succeeded("a"))

        played = replay(record(scene))

        assert (played.task("a").input, played.task("b").input) == (scene.task("a").input, None)
        assert played.difference is None
        assert scene.code("b") == "input_not_found"

    def test_lapses_a_lease_that_lapsed_and_none_that_heartbeats_renewed(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.play(scene.started("a"))
        scene.state.later(seconds=15)
        scene.play(scene.progressed("a", 50))
        scene.state.later(seconds=15)
        scene.play(scene.check("a", Saw.LEASE_LAPSED))
        scene.state.later(seconds=15)
        scene.play(scene.check("a", Saw.LEASE_LAPSED))

        played = replay(record(scene))

        assert [step.decided.get("outcome") for step in played.steps[2:]] == ["ignored", None]
        assert (played.difference, played.task("a").losses) == (None, 1)

    def test_fails_a_step_whose_id_another_task_had(self, scene: Scene) -> None:
        each = {"id": "m", "depends_on": ["a"], "type": "map", "items": [1], "step": {"task": "echo"}}
        scene.define(steps=[{"id": "a", "task": "echo"}, each])
        scene.create(scene.item_id("m", 0))
        scene.play(scene.succeeded("a"))

        assert scene.code("m") == "id_taken"
        assert replay(record(scene)).difference is None

    @EXAMPLES
    @given(data=st.data())
    @bounded
    def test_comes_to_the_same_whatever_happened_in_whatever_order(self, data: st.DataObject) -> None:
        player = commanded(data, least=0)

        played = replay(record(player.scene))

        assert played.difference is None
        assert same_state(played, player.scene)


class TestAnExport:
    def test_is_read_and_played(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.play(scene.succeeded("a"))

        played = replay(read(export(scene)))

        assert (played.difference, str(played.run().status)) == (None, "completed")

    def test_that_was_changed_says_where_it_first_differs(self, scene: Scene) -> None:
        scene.submit(a={}, b={"depends_on": ["a"]})
        scene.play(scene.succeeded("a"))
        scene.play(scene.succeeded("b"))
        lines = export(scene)
        lines[2] = lines[2].replace("ready", "running", 1)

        *steps, last = tell(lines)

        assert [step["difference"] is None for step in steps] == [True, False, True]
        assert last["difference"] == (
            "event 2, AttemptSucceeded: decided a: ready -> completed (attempt 1), "
            "b: pending -> ready (attempt 1); recorded a: running -> completed (attempt 1), "
            "b: pending -> ready (attempt 1)"
        )

    def test_compares_how_all_stood_in_the_end(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.play(scene.succeeded("a", output={"n": 1}))
        run = scene.run().view().model_dump(mode="json")
        step = {**scene.task("a").view().model_dump(mode="json"), "id": "a"}
        other = {**step, "output": {"n": 2}}

        same = replay(read(export(scene, state=[{**run, "steps": [step]}])))
        differs = replay(read(export(scene, state=[{**run, "steps": [other]}])))

        assert same.difference is None
        assert differs.difference == 'output of step \'a\' of workflow run: {"n": 1}; recorded {"n": 2}'

    def test_is_played_as_far_as_somebody_wants(self, scene: Scene) -> None:
        scene.submit(a={})
        scene.play(scene.succeeded("a"))

        *steps, last = tell(export(scene), until=1)

        assert (len(steps), last["played"], last["events"]) == (1, 1, 2)
        assert last["workflows"][0]["steps"] == [{"id": "a", "status": "ready", "reason": None, "attempt": 0}]

    def test_says_what_an_event_breaks(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        scene.submit(a={})
        lines = export(scene)

        def broken(*_: object, **__: object) -> None:
            raise LookupError("no such thing")

        monkeypatch.setattr("filemill_scheduler.core.replaying.fold", broken)
        assert replay(read(lines)).difference == "event 1, WorkflowCreated: LookupError: no such thing"

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda lines: lines[1:], "names no 'filemill-history/1'"),
            (lambda lines: lines[:-1], "a part of the history is missing"),
            (lambda lines: [*lines[:2], *lines[3:]], "a part of the history is missing"),
            (lambda lines: [lines[0], "{", lines[2]], "line 2 is no JSON"),
            (lambda lines: [lines[0], lines[2], lines[2], lines[3]], "does not begin with the request"),
            (lambda lines: [lines[0], "{}", *lines[2:]], "an event cannot be read"),
        ],
    )
    def test_that_is_none_or_not_whole_is_refused(self, scene: Scene, change: Any, said: str) -> None:
        scene.submit(a={})
        scene.play(scene.succeeded("a"))

        with pytest.raises(UnreadableHistoryError, match=said):
            read(change(export(scene)))
