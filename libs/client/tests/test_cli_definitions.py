"""The command, definitions and templates."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from filemill_client.shapes import Json
from filemill_client.testing import Gateway, problem, shows

Run = Callable[..., Result]

CHECK = "/v1/workflows/validate"
TYPO: Json = {
    "pointer": "/steps/0/tsk",
    "code": "unknown_field",
    "message": "no field 'tsk' here",
    "suggestion": "did you mean 'task'?",
    "line": 3,
    "column": 12,
}
NOWHERE: Json = {"pointer": "/input", "code": "missing_field", "message": "'n' is a required\x1b[2J property"}


def told(*problems: Json) -> Any:
    return shows({"valid": not problems, "problems": problems})


def template(**fields: Any) -> Json:
    return {
        "name": "films",
        "version": 2,
        "description": "",
        "created_at": "2026-11-05T10:00:00.000Z",
        "definition": {"name": "films", "steps": [{"id": "a", "task": "echo", "with": {"text": "x\ny"}}]},
        "uses": [],
        "versions": [2, 1],
        **fields,
    }


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "films.yaml").write_text("name: films\n")
    (tmp_path / "album.json").write_text('{"name": "album"}')


class TestValidate:
    def test_sends_each_file_as_it_is(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("POST", CHECK, told())

        done = filemill("validate", "films.yaml", "album.json", "-", stdin="name: x\n")

        assert (done.exit_code, done.stdout) == (
            0,
            "films.yaml: no problems\nalbum.json: no problems\nstandard input: no problems\n",
        )
        assert [(each.headers["content-type"], each.body) for each in gateway.requests] == [
            ("application/yaml", b"name: films\n"),
            ("application/json", b'{"name": "album"}'),
            ("application/yaml", b"name: x\n"),
        ]

    def test_shows_each_problem_as_compilers_do(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("POST", CHECK, told(TYPO, NOWHERE), told())

        done = filemill("validate", "films.yaml", "album.json")

        assert done.exit_code == 1
        assert done.stdout.splitlines() == [
            "films.yaml:3:12: no field 'tsk' here (did you mean 'task'?) [unknown_field]",
            "films.yaml: 'n' is a required\\x1b[2J property [missing_field]",
            "album.json: no problems",
        ]

    def test_writes_json(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("POST", CHECK, told(TYPO))

        done = filemill("validate", "films.yaml", "--json")

        assert done.exit_code == 1
        assert json.loads(done.stdout) == {
            "files": [{"file": "films.yaml", "valid": False, "problems": [TYPO]}]
        }

    def test_reads_all_files_before_it_asks(self, gateway: Gateway, filemill: Run) -> None:
        done = filemill("validate", "films.yaml", "none.yaml")

        assert (done.exit_code, gateway.requests) == (2, [])
        assert done.stderr == "none.yaml: No such file or directory (invalid_document)\n"


class TestPut:
    def test_keeps_a_version(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("PUT", "/v1/templates/films", shows(template(), 201))

        done = filemill("template", "put", "films", "films.yaml")

        assert (done.exit_code, done.stdout) == (0, "template films@2\n")
        assert gateway.requests[0].body == b"name: films\n"

    def test_that_is_refused_says_where_in_the_file(self, gateway: Gateway, filemill: Run) -> None:
        refusal = problem(422, "invalid_definition", "the definition has a problem", TYPO)
        gateway.on("PUT", "/v1/templates/films", refusal)

        done = filemill("template", "put", "films", "films.yaml")

        assert done.exit_code == 3
        assert done.stderr == (
            "the definition has a problem (invalid_definition)\n"
            "  films.yaml:3:12: no field 'tsk' here; did you mean 'task'? (unknown_field)\n"
        )


class TestLooks:
    def test_list_shows_a_line_each(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("GET", "/v1/templates", shows({"items": [template()], "next": None}))

        lines = [line.split() for line in filemill("template", "list").stdout.splitlines()]
        assert lines == [
            ["NAME", "VERSION", "CREATED_AT", "DESCRIPTION"],
            ["films", "2", "2026-11-05T10:00:00.000Z", "-"],
        ]

    def test_show_gives_a_file_that_can_be_put_again(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("GET", "/v1/templates/films@2", shows(template(uses=["album@1"])))

        text = filemill("template", "show", "films@2").stdout

        assert text.startswith(
            "# films@2, put 2026-11-05T10:00:00.000Z; versions: 2, 1\n# uses album@1\nname: films\n"
        )
        assert yaml.safe_load(text) == template()["definition"]

    def test_show_of_nothing_ends_with_5(self, gateway: Gateway, filemill: Run) -> None:
        assert filemill("template", "show", "a/b").exit_code == 5
        assert [each.path for each in gateway.requests] == ["/v1/templates/a/b"]


class TestHelp:
    @pytest.mark.parametrize(
        "command", [("validate",), ("signal",), ("rerun",), ("pause",), ("template", "put")]
    )
    def test_names_what_all_commands_have(self, command: tuple[str, ...], filemill: Run) -> None:
        text = filemill(*command, "--help").stdout

        assert all(option in text for option in ("--json", "--url", "--patience"))
