"""The command and the parking lot."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from filemill_client.shapes import Json
from filemill_client.testing import Gateway, problem, shows

Run = Callable[..., Result]


def message(of: str = "m1", **fields: Any) -> Json:
    return {
        "id": of,
        "event_id": "e1",
        "event_type": "io.filemill.task.created.v1",
        "queue": "scheduler.intake",
        "code": "invalid_event",
        "reason": "it is not valid",
        "parked_at": "2026-11-05T10:00:00.000Z",
        "size": 9,
        **fields,
    }


def opened(**fields: Any) -> Json:
    content: Json = {"content_type": "", "headers": {}, "text": None, "base64": None, "is_cut": False}
    return message(**content | fields)


class TestList:
    def test_shows_a_line_each(self, gateway: Gateway, filemill: Run) -> None:
        items = [message(reason="\x1b[2J is no name"), message("m2", parked_at=None, event_type="")]
        gateway.on("GET", "/v1/parked", shows({"items": items, "next": None, "beyond": 7}))

        done = filemill("parked", "list", "--code", "invalid_event")

        assert [line.split() for line in done.stdout.splitlines()] == [
            ["ID", "PARKED_AT", "QUEUE", "CODE", "EVENT_TYPE", "REASON"],
            ["m1", "2026-11-05T10:00:00.000Z", "scheduler.intake", "invalid_event",
             "io.filemill.task.created.v1", "\\x1b[2J", "is", "no", "name"],
            ["m2", "-", "scheduler.intake", "invalid_event", "-", "it", "is", "not", "valid"],
        ]  # fmt: skip
        assert done.stderr == "7 more lie behind the oldest thousand\n"
        assert gateway.requests[0].query == {"code": ["invalid_event"], "limit": ["20"]}

    def test_writes_json(self, gateway: Gateway, filemill: Run) -> None:
        page = {"items": [message()], "next": None, "beyond": 0}
        gateway.on("GET", "/v1/parked", shows(page))

        assert json.loads(filemill("parked", "list", "--json").stdout) == page

    def test_of_nothing_says_so(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("GET", "/v1/parked", shows({"items": [], "next": None, "beyond": 0}))

        assert filemill("parked", "list").stdout == "nothing is parked\n"


class TestShow:
    def test_cannot_steer_a_terminal(self, gateway: Gateway, filemill: Run) -> None:
        shown = opened(text='{"a":\x1b[2J\n 1}', headers={"\x07": {"b": "\x1b"}}, is_cut=True)
        gateway.on("GET", "/v1/parked/m1", shows(shown))

        done = filemill("parked", "show", "m1")

        assert done.stdout.splitlines()[-3:] == ['{"a":\\x1b[2J', " 1}", "... the first of 9 bytes"]
        assert ["reason", "it", "is", "not", "valid"] in [line.split() for line in done.stdout.splitlines()]
        assert done.stdout.replace("\n", "").isprintable()

    def test_shows_what_is_no_text(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("GET", "/v1/parked/m1", shows(opened(base64="/w==")))

        assert filemill("parked", "show", "m1").stdout.splitlines()[-1] == "/w=="

    def test_of_nothing_ends_with_5(self, gateway: Gateway, filemill: Run) -> None:
        done = filemill("parked", "show", "../m/1")

        assert done.exit_code == 5
        assert gateway.requests[0].path == "/v1/parked/../m/1"


class TestRedrive:
    def test_sends_those_that_are_named(self, gateway: Gateway, filemill: Run) -> None:
        for of in ("m1", "m2"):
            answer = {"redriven": 1, "left": 0, "beyond": 0}
            gateway.on("POST", f"/v1/parked/{of}/redrive", shows(answer))

        done = filemill("parked", "redrive", "m1", "m2", "--json")

        assert json.loads(done.stdout) == {"redriven": 2, "left": 0, "beyond": 0}

    @pytest.mark.parametrize(
        ("arguments", "query"),
        [
            (("--all",), {"all": ["true"]}),
            (("--code", "a", "--queue", "b"), {"code": ["a"], "queue": ["b"]}),
        ],
    )
    def test_sends_those_that_are_described(
        self, arguments: tuple[str, ...], query: Json, gateway: Gateway, filemill: Run
    ) -> None:
        gateway.on("POST", "/v1/parked/redrive", shows({"redriven": 1000, "left": 1, "beyond": 5}))

        done = filemill("parked", "redrive", *arguments)

        assert (done.exit_code, done.stdout) == (0, "1000 sent back\n")
        assert done.stderr.splitlines() == [
            "1 stay: the queue that they came from is not there",
            "5 were not looked at; run it again",
        ]
        assert gateway.requests[0].query == query

    def test_says_why_one_cannot_be_sent(self, gateway: Gateway, filemill: Run) -> None:
        gateway.on("POST", "/v1/parked/m1/redrive", problem(409, "not_redrivable", "it has no queue"))

        done = filemill("parked", "redrive", "m1")

        assert (done.exit_code, done.stderr) == (3, "it has no queue (not_redrivable)\n")


class TestDrop:
    @pytest.fixture
    def lot(self, gateway: Gateway) -> Gateway:
        gateway.on("DELETE", "/v1/parked", shows({"dropped": 3, "beyond": 0}))
        gateway.on("DELETE", "/v1/parked/m1", shows({"dropped": 1, "beyond": 0}))
        return gateway

    def test_forgets_one_without_asking(self, lot: Gateway, filemill: Run) -> None:
        done = filemill("parked", "drop", "m1")

        assert (done.exit_code, done.stdout, done.stderr) == (0, "1 dropped\n", "")

    def test_asks_before_it_forgets_many(self, lot: Gateway, filemill: Run) -> None:
        done = filemill("parked", "drop", "--code", "undecodable", stdin="y\n")

        assert (done.exit_code, done.stdout.endswith("3 dropped\n")) == (0, True)
        assert "Forget all parked messages of the code 'undecodable' for ever?" in done.stderr

    @pytest.mark.parametrize("answer", ["n\n", ""])
    def test_forgets_nothing_without_a_yes(self, answer: str, lot: Gateway, filemill: Run) -> None:
        done = filemill("parked", "drop", "--all", stdin=answer)

        assert (done.exit_code, "dropped" in done.stdout) == (1, False)
        assert lot.requests == []

    def test_does_not_ask_a_script(self, lot: Gateway, filemill: Run) -> None:
        done = filemill("parked", "drop", "--all", "--yes", "--json")

        assert json.loads(done.stdout) == {"dropped": 3, "beyond": 0}
        assert done.stderr == ""

    @pytest.mark.parametrize(
        "arguments", [(), ("m1", "--all"), ("m1", "--code", "a"), ("--all", "--queue", "q")]
    )
    @pytest.mark.parametrize("verb", ["drop", "redrive"])
    def test_has_to_be_told_which(
        self, verb: str, arguments: tuple[str, ...], lot: Gateway, filemill: Run
    ) -> None:
        done = filemill("parked", verb, *arguments)

        assert done.exit_code == 2
        assert done.stderr == "say which: ids, or --code and --queue, or --all (invalid_argument)\n"
        assert lot.requests == []


class TestHelp:
    def test_says_what_the_lot_is_for(self, filemill: Run) -> None:
        text = filemill("parked", "--help").stdout

        assert "no service could use" in text
        assert all(f"  {name}  " in text for name in ("list", "show", "redrive", "drop"))

    @pytest.mark.parametrize("name", ["list", "show", "redrive", "drop"])
    def test_of_every_command_names_what_all_have(self, name: str, filemill: Run) -> None:
        text = filemill("parked", name, "--help").stdout

        assert all(option in text for option in ("--json", "--url", "FILEMILL_URL", "--patience"))
