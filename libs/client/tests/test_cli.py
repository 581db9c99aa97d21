"""The command: what it says on which stream, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from filemill_client.shapes import Json
from filemill_client.testing import Gateway, change, problem, shows, step, streams, task, workflow

Run = Callable[..., Result]

DEFINITION = "name: films\nsteps:\n  - {id: first, type: task, task: echo}\n  - {id: second, tsk: echo}\n"
EVENTS = "/v1/workflows/w1/events"


@pytest.fixture
def runs(gateway: Gateway, tmp_path: Path) -> Gateway:
    """A gateway that takes a workflow and completes it; its definition lies in films.yaml."""
    (tmp_path / "films.yaml").write_text(DEFINITION)
    ended = workflow("completed", first="completed", second="skipped")
    started = change("task.started", task=task(id="t-first", attempt=1))
    gateway.on("POST", "/v1/workflows", shows(workflow("pending", first="pending", second="pending"), 202))
    gateway.on("GET", "/v1/workflows/w1", shows(workflow(first="pending", second="pending")))
    begun = workflow(first="pending", second="pending")
    gateway.on("GET", EVENTS, streams(("snapshot", begun, 1), ("change", started, 2), ("end", ended, 3)))
    return gateway


class TestSubmit:
    def test_sends_the_definition_with_its_input(self, runs: Gateway, filemill: Run) -> None:
        done = filemill("submit", "films.yaml", "-i", "n=1", "--input", "file=a.mp4", "--key", "mine")

        assert (done.exit_code, done.stdout) == (0, "workflow w1\n  filemill watch w1\n")
        (request,) = runs.requests
        assert request.headers["idempotency-key"] == "mine"
        assert request.json["input"] == {"n": 1, "file": "a.mp4"}
        assert request.json["definition"]["steps"][0] == {"id": "first", "type": "task", "task": "echo"}

    def test_takes_the_flat_object_of_the_original(
        self, runs: Gateway, filemill: Run, tmp_path: Path
    ) -> None:
        flat = {"name": "films", "steps": [{"name": "a", "type": "task", "order": 1, "config": "{}"}]}
        (tmp_path / "flat.json").write_text(json.dumps(flat))

        assert filemill("submit", "flat.json").exit_code == 0
        assert runs.requests[0].json == {"definition": flat, "input": {}}

    def test_takes_a_whole_request_and_its_own_input_wins(self, runs: Gateway, filemill: Run) -> None:
        text = '{"definition": {"name": "films"}, "input": {"a": 1, "b": 2}}'

        assert filemill("submit", "-", "--input", "b=3", stdin=text).exit_code == 0
        assert runs.requests[0].json == {"definition": {"name": "films"}, "input": {"a": 1, "b": 3}}

    def test_names_a_template_instead(self, runs: Gateway, filemill: Run) -> None:
        done = filemill("submit", "--template", "films@3", "-i", "n=1", "--hold")

        assert done.exit_code == 0
        (request,) = runs.requests
        assert request.json == {"template": "films@3", "input": {"n": 1}}
        assert request.query == {"start": ["false"]}

    @pytest.mark.parametrize("arguments", [(), ("films.yaml", "--template", "films")])
    def test_has_to_be_told_what(self, arguments: tuple[str, ...], runs: Gateway, filemill: Run) -> None:
        done = filemill("submit", *arguments)

        assert (done.exit_code, runs.requests) == (2, [])
        assert done.stderr.startswith("say what to run: a FILE, or --template NAME@VERSION")

    def test_writes_json_and_nothing_else(self, runs: Gateway, filemill: Run) -> None:
        done = filemill("submit", "films.yaml", "--json")

        assert json.loads(done.stdout)["id"] == "w1"
        assert done.stderr == ""

    def test_waits_and_tells_what_happens(self, runs: Gateway, filemill: Run) -> None:
        done = filemill("submit", "films.yaml", "--wait")

        assert done.exit_code == 0
        assert done.stderr == "first: running\nfirst: completed: outputs/first.webm\nsecond: skipped\n"
        assert done.stdout == "workflow films completed in 1.5 s  w1\n  first   outputs/first.webm\n"

    def test_waits_and_writes_the_last_shape_as_json(self, runs: Gateway, filemill: Run) -> None:
        done = filemill("submit", "films.yaml", "--wait", "--json")

        assert json.loads(done.stdout) == workflow("completed", first="completed", second="skipped")

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    def test_that_waits_fails_with_its_workflow(self, status: str, runs: Gateway, filemill: Run) -> None:
        failure = {"code": "bad_video", "message": "no video\x1b[2J in it"}
        ended = workflow(status) | {"error": failure, "steps": [step("first", "failed", error=failure)]}
        runs.on("GET", EVENTS, streams(("end", ended, 1)))

        done = filemill("submit", "films.yaml", "--wait")

        assert done.exit_code == 1
        assert done.stdout == (
            f"workflow films {status} in 1.5 s  w1\n"
            "  no video\\x1b[2J in it (bad_video)\n"
            "  first  no video\\x1b[2J in it (bad_video)\n"
        )


class TestProblems:
    def test_of_a_definition_are_shown_where_they_stand_in_the_file(
        self, gateway: Gateway, filemill: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "films.yaml").write_text(DEFINITION)
        unknown = {
            "pointer": "/definition/steps/1/tsk",
            "code": "unknown_field",
            "message": "no field 'tsk' here",
            "suggestion": "did you mean 'task'?",
        }
        lacking = {"pointer": "/input/file", "code": "missing_field", "message": "'file' is missing"}
        refusal = problem(422, "invalid_definition", "the definition has 2 problems", unknown, lacking)
        gateway.on("POST", "/v1/workflows", refusal)

        done = filemill("submit", "films.yaml")

        assert (done.exit_code, done.stdout) == (3, "")
        assert done.stderr == (
            "the definition has 2 problems (invalid_definition)\n"
            "  films.yaml:4:18: /steps/1/tsk: no field 'tsk' here; did you mean 'task'? (unknown_field)\n"
            "  /input/file: 'file' is missing (missing_field)\n"
        )

    def test_come_as_they_are_with_json(self, gateway: Gateway, filemill: Run) -> None:
        refusal = problem(
            422, "unknown_task_type", "no task type 'x'", {"pointer": "/type", "code": "a", "message": "b"}
        )
        gateway.on("POST", "/v1/tasks", refusal)

        done = filemill("task", "x", "--json")

        assert done.exit_code == 3
        assert json.loads(done.stdout) == json.loads(refusal.body)

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("submit", "none.yaml"), "none.yaml: No such file or directory (invalid_document)\n"),
            (("submit", "broken.yaml"), "broken.yaml:2:1: the key 'a' is there twice (invalid_document)\n"),
            (
                ("task", "echo", "--option", "x"),
                "--option takes name=value or @file, not 'x' (invalid_argument)\n",
            ),
            (("task", "echo", "--label", "x"), "--label takes name=value, not 'x' (invalid_argument)\n"),
            (("upload", "none.mp4"), "none.mp4: No such file or directory\n"),
            (("list", "--url", "nowhere"), "'nowhere' is no address of a gateway"),
            (("list", "--workflows", "--type", "echo"), "workflows have no type and no labels"),
        ],
    )
    def test_of_usage_end_with_2_and_ask_nobody(
        self, arguments: tuple[str, ...], sentence: str, gateway: Gateway, filemill: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "broken.yaml").write_text("a: 1\na: 2\n")

        done = filemill(*arguments)

        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(sentence)
        assert gateway.requests == []

    def test_to_reach_a_gateway_end_with_4_and_say_what_to_do(self, filemill: Run) -> None:
        gateway = Gateway()
        done = filemill("list", "--url", gateway.url, "--patience", "0", "--json")
        gateway.close()

        assert done.exit_code == 4
        assert json.loads(done.stdout)["code"] == "unreachable"
        assert f"no gateway answers at {gateway.url}" in done.stderr
        assert "make up" in done.stderr

    def test_to_find_something_end_with_5(self, filemill: Run) -> None:
        done = filemill("show", "x")

        assert (done.exit_code, done.stdout) == (5, "")
        assert done.stderr == "there is no workflow and no task with the id 'x' (not_found)\n"


class TestTask:
    def test_sends_what_is_given_and_nothing_else(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("POST", "/v1/tasks", shows(task("pending"), 202))

        done = filemill(
            *(
                "task",
                "video_thumbnail",
                "--input-file",
                "a.mp4",
                "--option",
                "width=320",
                "-o",
                "format=jpg",
            ),
            *("--label", "album=2026", "--priority", "0", "--depends-on", "t0"),
        )

        assert (done.exit_code, done.stdout) == (0, "task t1\n  filemill watch t1\n")
        assert gateway.requests[0].json == {
            "type": "video_thumbnail",
            "input_file": "a.mp4",
            "options": {"width": 320, "format": "jpg"},
            "labels": {"album": "2026"},
            "priority": 0,
            "depends_on": ["t0"],
        }

    def test_that_is_skipped_was_not_done(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("POST", "/v1/tasks", shows(task("pending"), 202))
        skipped = task("skipped", reason="upstream_failed")
        gateway.on("GET", "/v1/tasks/t1/events", streams(("end", skipped, 1)))

        assert filemill("task", "echo", "--wait").exit_code == 1


class TestWatch:
    def test_writes_each_event_as_a_line_of_json(self, runs: Gateway, filemill: Run) -> None:
        done = filemill("watch", "w1", "--json")

        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(line["event"], line["id"]) for line in lines] == [
            ("snapshot", "1"),
            ("change", "2"),
            ("end", "3"),
        ]
        assert lines[2]["data"] == workflow("completed", first="completed", second="skipped")

    def test_follows_a_task(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("GET", "/v1/tasks/t1", shows(task()))
        gateway.on("GET", "/v1/tasks/t1/events", streams(("end", task("completed"), 1)))

        done = filemill("watch", "t1")

        assert (done.exit_code, done.stdout) == (0, "task echo completed  t1\n")

    def test_that_is_interrupted_leaves_the_run_going(self, runs: Gateway) -> None:
        runs.on("GET", EVENTS, streams(("snapshot", workflow(first="running"), 1), then="hold"))
        command = (str(Path(sys.executable).with_name("filemill")), "watch", "w1")
        environment = {**os.environ, "FILEMILL_URL": runs.url}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "first: running\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)

        assert (process.returncode, out) == (130, "")
        assert err == "The workflow goes on. Watch it again: filemill watch w1\n"


class TestRerun:
    @pytest.mark.parametrize(
        ("arguments", "body", "which"),
        [
            ((), {}, "from what failed"),
            (("--step", "probe"), {"step": "probe"}, "from step probe"),
            (("--step", "all", "--index", "0"), {"step": "all", "index": 0}, "from item 0 of step all"),
        ],
    )
    def test_says_what_is_to_run_again(
        self, arguments: tuple[str, ...], body: Json, which: str, gateway: Gateway, filemill: Run
    ) -> None:
        gateway.on("POST", "/v1/workflows/w1/rerun", shows(workflow("failed"), 202))

        done = filemill("rerun", "w1", *arguments)

        assert (done.exit_code, done.stdout) == (0, f"workflow w1 is to run again {which}\n")
        assert gateway.requests[0].json == body

    def test_counts_items_only_of_a_step(self, gateway: Gateway, filemill: Run) -> None:
        assert filemill("rerun", "w1", "--index", "1").exit_code == 2
        assert gateway.requests == []


class TestSignal:
    @pytest.mark.parametrize(
        ("arguments", "payload"),
        [
            ((), {}),
            (("ok=true", "by=anna", "note=a=b"), {"ok": True, "by": "anna", "note": "a=b"}),
            (("--data", '{"ok": {"deep": 1}}'), {"ok": {"deep": 1}}),
        ],
    )
    def test_is_sent_with_what_comes_with_it(
        self, arguments: tuple[str, ...], payload: Json, gateway: Gateway, filemill: Run
    ) -> None:
        gateway.on("POST", "/v1/workflows/w1/signals/approve", shows(workflow(), 202))

        done = filemill("signal", "w1", "approve", *arguments, "--key", "mine")

        assert (done.exit_code, done.stdout) == (0, "signal approve is sent to workflow w1\n")
        assert gateway.requests[0].json == payload
        assert gateway.requests[0].headers["idempotency-key"] == "mine"

    @pytest.mark.parametrize(
        "arguments", [("x",), ("--data", "[1]"), ("--data", "{"), ("a=1", "--data", "{}")]
    )
    def test_comes_with_an_object(self, arguments: tuple[str, ...], gateway: Gateway, filemill: Run) -> None:
        assert filemill("signal", "w1", "approve", *arguments).exit_code == 2
        assert gateway.requests == []

    def test_that_nothing_waits_for_ends_with_5(self, gateway: Gateway, filemill: Run) -> None:
        sentence = "the workflow has no wait for the signal 'x'; it waits for 'approve'"
        gateway.on("POST", "/v1/workflows/w1/signals/x", problem(404, "unknown_signal", sentence))

        done = filemill("signal", "w1", "x")

        assert (done.exit_code, done.stderr) == (5, f"{sentence} (unknown_signal)\n")


class TestCommands:
    @pytest.mark.parametrize(
        ("command", "method", "path"),
        [
            ("start", "POST", "/v1/workflows/w1/start"),
            ("pause", "POST", "/v1/workflows/w1/pause"),
            ("resume", "POST", "/v1/workflows/w1/resume"),
            ("rerun", "POST", "/v1/workflows/w1/rerun"),
            ("cancel", "POST", "/v1/workflows/w1/cancel"),
            ("delete", "DELETE", "/v1/workflows/w1"),
        ],
    )
    def test_go_to_a_workflow(
        self, command: str, method: str, path: str, runs: Gateway, filemill: Run
    ) -> None:
        runs.on(method, path, shows(workflow(), 202))

        assert filemill(command, "w1").exit_code == 0
        assert len(runs.asked(method, path)) == 1

    @pytest.mark.parametrize(
        ("command", "method", "path"),
        [
            ("cancel", "POST", "/v1/tasks/t1/cancel"),
            ("retry", "POST", "/v1/tasks/t1/retry"),
            ("delete", "DELETE", "/v1/tasks/t1"),
        ],
    )
    def test_go_to_a_task(
        self, command: str, method: str, path: str, gateway: Gateway, filemill: Run
    ) -> None:
        gateway.on("GET", "/v1/tasks/t1", shows(task()))
        gateway.on(method, path, shows(task(), 202))

        done = filemill(command, "t1", "--json")

        assert (done.exit_code, json.loads(done.stdout)) == (0, task())
        assert len(gateway.asked(method, path)) == 1

    def test_that_cannot_apply_say_why(self, runs: Gateway, filemill: Run) -> None:
        refusal = problem(409, "already_final", "the workflow is completed and cannot be cancelled")
        runs.on("POST", "/v1/workflows/w1/cancel", refusal)

        done = filemill("cancel", "w1")

        assert done.exit_code == 3
        assert done.stderr == "the workflow is completed and cannot be cancelled (already_final)\n"

    def test_do_not_retry_a_whole_workflow(self, runs: Gateway, filemill: Run) -> None:
        done = filemill("retry", "w1")

        assert done.exit_code == 2
        assert done.stderr == "w1 is a workflow: filemill rerun w1 (invalid_argument)\n"
