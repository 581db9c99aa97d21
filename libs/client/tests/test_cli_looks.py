"""The command: what it shows, and files on their way through it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from filemill_client.shapes import Json
from filemill_client.testing import Gateway, shows, step, task, workflow

Run = Callable[..., Result]


class TestLooks:
    def test_list_asks_for_pages_until_there_is_enough(self, gateway: Gateway, filemill: Run) -> None:
        first = {"items": [workflow(first="running")] * 200, "next": "c1"}
        second = {"items": [workflow("completed")], "next": "c2"}
        gateway.on("GET", "/v1/workflows", shows(first), shows(second))

        done = filemill("list", "--limit", "201", "--status", "running", "--status", "completed", "--json")

        page = json.loads(done.stdout)
        assert (len(page["items"]), page["next"]) == (201, "c2")
        assert [each.query for each in gateway.requests] == [
            {"status": ["running", "completed"], "limit": ["200"]},
            {"status": ["running", "completed"], "limit": ["1"], "cursor": ["c1"]},
        ]

    def test_list_shows_a_line_each(self, gateway: Gateway, filemill: Run) -> None:
        failure = {"code": "bad_video", "message": "no video in it"}
        items = [task("running", progress=41.5), task("failed", duration=75.0, error=failure)]
        gateway.on("GET", "/v1/tasks", shows({"items": items, "next": None}))

        done = filemill("list", "--label", "album=a:b", "--type", "echo")

        lines = [line.split() for line in done.stdout.splitlines()]
        assert lines == [
            ["ID", "TYPE", "STATUS", "PROGRESS", "CREATED_AT", "DURATION", "RESULT"],
            ["t1", "echo", "running", "42%", "2026-11-05T10:00:00.000Z", "-", "-"],
            ["t1", "echo", "failed", "0%", "2026-11-05T10:00:00.000Z", "1", "min", "15", "s",
             "no", "video", "in", "it", "(bad_video)"],
        ]  # fmt: skip
        assert gateway.requests[0].query == {"type": ["echo"], "label": ["album:a:b"], "limit": ["20"]}

    def test_show_names_the_steps(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("GET", "/v1/workflows/w1", shows(workflow(first="completed", second="running")))

        done = filemill("show", "w1")

        lines = [line.split() for line in done.stdout.splitlines()]
        assert ["status", "running"] in lines
        assert not any(line.endswith(" ") for line in done.stdout.splitlines())
        assert ["first", "completed", "100%", "1", "t-first", "outputs/first.webm"] in lines

    def test_show_indents_what_lies_in_a_step(self, gateway: Gateway, filemill: Run) -> None:
        steps = [
            step("both", "running", type="parallel"),
            step("album", "running", type="subworkflow", parent="both", child="w2"),
            step("go", "running", type="wait", message="waiting for the signal 'go'"),
        ]
        gateway.on("GET", "/v1/workflows/w1", shows(workflow() | {"steps": steps}))

        lines = filemill("show", "w1").stdout.splitlines()

        assert [line.split() for line in lines[-3:]] == [
            ["both", "parallel", "running", "0%", "1", "t-both", "-"],
            ["album", "subworkflow", "running", "0%", "1", "t-album", "workflow", "w2"],
            ["go", "wait", "running", "0%", "1", "t-go", "waiting", "for", "the", "signal", "'go'"],
        ]
        assert [line[: line.index(line.strip()[0])] for line in lines[-3:]] == ["", "  ", ""]

    def test_deliveries_show_what_came_of_the_last_try(self, gateway: Gateway, filemill: Run) -> None:
        tries = [{"code": "500"}, {"code": "200"}]
        sent = {
            "id": "d1",
            "channel": "webhook",
            "target": "http://x/",
            "status": "delivered",
            "tries": tries,
        }
        gateway.on("GET", "/v1/deliveries", shows({"items": [sent], "next": None}))

        done = filemill("deliveries", "--workflow", "w1")

        assert [line.split() for line in done.stdout.splitlines()] == [
            ["ID", "CHANNEL", "TARGET", "EVENT_TYPE", "STATUS", "TRIED", "LAST_TRY", "CREATED_AT"],
            ["d1", "webhook", "http://x/", "-", "delivered", "-", "200", "-"],
        ]
        assert gateway.requests[0].query == {"workflow_id": ["w1"], "limit": ["20"]}

    def test_trace_tells_of_runs_within_and_of_what_was_sent(self, gateway: Gateway, filemill: Run) -> None:
        run = workflow() | {"steps": [step("sub", "completed", type="subworkflow", child="w2")]}
        sent = {"channel": "email", "status": "pending", "event_type": "x", "created_at": run["created_at"]}
        gateway.on("GET", "/v1/workflows/w1", shows(run))
        gateway.on("GET", "/v1/workflows/w2", shows(workflow(inner="completed")))
        gateway.on("GET", "/v1/tasks", shows({"items": [], "next": None}))
        gateway.on("GET", "/v1/deliveries", shows({"items": [sent], "next": None}))

        told = json.loads(filemill("trace", "w1", "--json").stdout)["parts"]

        assert [(part["depth"], part["label"]) for part in told] == [
            (0, run["name"]),
            (1, "sub"),
            (2, run["name"]),
            (3, "inner"),
            (3, "email"),
            (1, "email"),
        ]

    def test_task_types_name_their_options(self, gateway: Gateway, filemill: Run) -> None:
        options: Json = {"properties": {"seconds": {}, "loud": {}}}
        sleep = {"name": "sleep", "title": "Wait", "needs_input": False, "options": options}
        gateway.on("GET", "/v1/task-types", shows({"items": [sleep]}))

        assert filemill("task-types").stdout.splitlines()[1].split() == [
            "sleep",
            "-",
            "seconds,",
            "loud",
            "Wait",
        ]
        assert json.loads(filemill("task-types", "--json").stdout) == {"items": [sleep]}


class TestFiles:
    @pytest.mark.parametrize(
        ("arguments", "path"),
        [((), "uploads/a.txt"), (("notes/",), "notes/a.txt"), (("notes/b.txt",), "notes/b.txt")],
    )
    def test_are_uploaded_under_a_path(
        self, arguments: tuple[str, ...], path: str, gateway: Gateway, filemill: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "a.txt").write_bytes(b"hello")
        digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        stored = {"path": path, "uri": f"filemill:///{path}", "size": 5, "digest": digest}
        gateway.on("PUT", f"/v1/files/{path}", shows({**stored, "content_type": "text/plain"}, 201))

        done = filemill("upload", "a.txt", *arguments)

        assert (done.exit_code, done.stdout) == (0, f"filemill:///{path}  5 bytes  text/plain  {digest}\n")
        assert gateway.requests[0].body == b"hello"

    @pytest.mark.parametrize(
        ("arguments", "file"), [((), "a.txt"), (("here",), "here/a.txt"), (("b.txt",), "b.txt")]
    )
    def test_are_downloaded(
        self, arguments: tuple[str, ...], file: str, gateway: Gateway, filemill: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "here").mkdir()
        gateway.put_file("notes/a.txt", b"hello")

        done = filemill("download", "filemill:///notes/a.txt", *arguments, "--json")

        assert (done.exit_code, done.stderr) == (0, "")
        assert (tmp_path / file).read_bytes() == b"hello"
        assert json.loads(done.stdout)["file"] == file

    def test_that_are_not_there_end_with_5(self, filemill: Run, tmp_path: Path) -> None:
        assert filemill("download", "none.txt").exit_code == 5
        assert list(tmp_path.iterdir()) == []


class TestHelp:
    def test_names_the_exit_codes(self, filemill: Run) -> None:
        text = filemill("--help").stdout

        assert all(f"  {code}  " in text for code in (0, 1, 2, 3, 4, 5, 130))

    @pytest.mark.parametrize(
        "command",
        [
            "upload",
            "download",
            "submit",
            "task",
            "watch",
            "cancel",
            "retry",
            "delete",
            "list",
            "show",
            "trace",
            "deliveries",
            "history",
            "task-types",
        ],
    )
    def test_of_every_command_names_what_all_have(self, command: str, filemill: Run) -> None:
        text = filemill(command, "--help").stdout

        assert all(option in text for option in ("--json", "--url", "FILEMILL_URL", "--patience"))
