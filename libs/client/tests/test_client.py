"""Calls that are tried again, streams that are taken up again."""

import itertools
import threading
import time
from collections.abc import Sequence

import pytest

from filemill_client import Client, InvalidArgumentError, NotFoundError, RefusedError, UnreachableError
from filemill_client.testing import Answer, Gateway, change, problem, shows, streams, task, workflow

AWAY = problem(503, "broker_unavailable", "RabbitMQ is away", headers={"Retry-After": "0"})
CUT = Answer(200, b'{"id"', then="cut")


class TestACall:
    def test_is_repeated_with_its_key_while_the_gateway_is_away(
        self, gateway: Gateway, client: Client, notices: list[str]
    ) -> None:
        gateway.on("POST", "/v1/workflows", AWAY, CUT, shows(workflow(), 202))

        created = client.create_workflow({"definition": {}, "input": {}})

        assert created["id"] == "w1"
        keys = [each.headers["idempotency-key"] for each in gateway.requests]
        assert len(keys) == 3
        assert len(set(keys)) == 1
        assert notices == ["RabbitMQ is away; trying for 3 s"]

    def test_has_a_key_of_its_own(self, gateway: Gateway, client: Client) -> None:
        gateway.on("POST", "/v1/tasks", shows(task(), 202))

        client.create_task({"type": "echo"})
        client.create_task({"type": "echo"})
        client.create_task({"type": "echo"}, key="mine")

        first, second, third = (each.headers["idempotency-key"] for each in gateway.requests)
        assert first != second
        assert third == "mine"

    def test_waits_as_long_as_it_is_told_to(self, gateway: Gateway, client: Client) -> None:
        away = problem(503, "store_unavailable", "MongoDB is away", headers={"Retry-After": "1"})
        gateway.on("GET", "/v1/tasks/t1", away, shows(task()))

        before = time.monotonic()
        client.task("t1")

        assert time.monotonic() - before >= 1

    def test_comes_again_when_there_is_too_much_to_do(self, gateway: Gateway, client: Client) -> None:
        busy = problem(429, "overloaded", "More is asked than can be done", headers={"Retry-After": "1"})
        gateway.on("POST", "/v1/tasks", busy, shows(task(), 202))

        before = time.monotonic()
        client.create_task({"type": "echo"})

        assert time.monotonic() - before >= 1
        first, second = (each.headers["idempotency-key"] for each in gateway.requests)
        assert first == second

    def test_waits_for_a_gateway_that_starts(self) -> None:
        gateway = Gateway()
        gateway.on("GET", "/v1/tasks/t1", shows(task()))
        over = threading.Event()

        def start_later() -> None:
            time.sleep(0.5)
            with gateway.serve():
                over.wait()

        thread = threading.Thread(target=start_later)
        thread.start()
        with Client(gateway.url, patience=10) as client:
            assert client.task("t1")["id"] == "t1"
        over.set()
        thread.join()

    def test_is_given_up_in_the_end(self) -> None:
        gateway = Gateway()
        with Client(gateway.url, patience=0.5) as client, pytest.raises(UnreachableError) as error:
            client.task("t1")
        gateway.close()

        assert str(error.value).startswith(f"no gateway answers at {gateway.url}")

    def test_that_is_refused_is_not_repeated(self, gateway: Gateway, client: Client) -> None:
        wrong = {"pointer": "/type", "code": "unknown_task_type", "message": "no task type 'x'"}
        gateway.on("POST", "/v1/tasks", problem(422, "unknown_task_type", "/type: no task type 'x'", wrong))

        with pytest.raises(RefusedError) as error:
            client.create_task({"type": "x"})

        refused = error.value
        assert (refused.status, refused.code, refused.problems) == (422, "unknown_task_type", [wrong])
        assert len(gateway.requests) == 1

    def test_that_something_else_answers_is_shown_as_far_as_it_goes(
        self, gateway: Gateway, client: Client
    ) -> None:
        gateway.on("GET", "/v1/tasks/t1", Answer(403, b"<h1>Forbidden</h1>"))

        with pytest.raises(RefusedError, match="/v1/tasks/t1 answered 403 Forbidden: <h1>Forbidden</h1>"):
            client.task("t1")

    def test_that_a_page_answers_finds_no_gateway(self, gateway: Gateway, client: Client) -> None:
        gateway.on("GET", "/v1/tasks/t1", Answer(200, b"<h1>Welcome</h1>"))

        with pytest.raises(UnreachableError, match="is no gateway"):
            client.task("t1")

    @pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://x", "http://", "http://x:y"])
    def test_needs_an_address(self, url: str) -> None:
        with pytest.raises(InvalidArgumentError):
            Client(url)


class TestAnId:
    def test_of_a_workflow_is_found_at_once(self, gateway: Gateway, client: Client) -> None:
        gateway.on("GET", "/v1/workflows/w1", shows(workflow()))

        assert client.find("w1") == ("workflow", workflow())
        assert len(gateway.requests) == 1

    def test_of_a_task_is_found_without_the_wait_for_a_workflow(
        self, gateway: Gateway, client: Client
    ) -> None:
        gateway.on("GET", "/v1/workflows/t1", Answer(404, then="hold"))
        gateway.on("GET", "/v1/tasks/t1", shows(task()))

        assert client.find("t1") == ("task", task())

    def test_of_a_slow_workflow_is_found(self, gateway: Gateway, client: Client) -> None:
        gateway.on("GET", "/v1/workflows/w1", AWAY, shows(workflow()))

        assert client.find("w1") == ("workflow", workflow())

    def test_of_nothing_is_not_found(self, gateway: Gateway, client: Client) -> None:
        with pytest.raises(NotFoundError, match="there is no workflow and no task with the id 'a/b'"):
            client.find("a/b")

    def test_is_never_part_of_an_address(self, gateway: Gateway, client: Client) -> None:
        with pytest.raises(NotFoundError):
            client.task("a/../b?c")

        assert [each.path for each in gateway.requests] == ["/v1/tasks/a/../b?c"]


class TestAStream:
    def kinds(self, client: Client, *, is_new: bool = False) -> Sequence[tuple[str, str]]:
        events = client.follow("workflow", "w1", is_new=is_new)
        return [(event.event, event.id) for event in itertools.islice(events, 10)]

    def test_goes_from_a_snapshot_to_its_end(self, gateway: Gateway, client: Client) -> None:
        told = change("task.started", task=task())
        gateway.on(
            "GET",
            "/v1/workflows/w1/events",
            streams(("snapshot", workflow(), 1), ("change", told, 2), ("end", workflow("completed"), 3)),
        )

        assert self.kinds(client) == [("snapshot", "1"), ("change", "2"), ("end", "3")]

    @pytest.mark.parametrize("how", ["cut", "end"])
    def test_that_breaks_is_taken_up_where_it_broke(
        self, how: str, gateway: Gateway, client: Client, notices: list[str]
    ) -> None:
        first = streams(("snapshot", workflow(), 1), ("change", change("task.started", task=task()), 2))
        broken = Answer(first.status, first.body, first.headers, "cut" if how == "cut" else "end")
        second = streams(("snapshot", workflow(), 4), ("end", workflow("completed"), 5))
        gateway.on("GET", "/v1/workflows/w1/events", broken, AWAY, second)

        kinds = self.kinds(client)

        assert kinds == [("snapshot", "1"), ("change", "2"), ("snapshot", "4"), ("end", "5")]
        assert [each.headers.get("last-event-id") for each in gateway.requests] == [None, "2", "2"]
        assert notices[0] == "the live stream broke; taking it up again"

    def test_of_what_was_accepted_just_now_waits_until_it_is_stored(
        self, gateway: Gateway, client: Client
    ) -> None:
        missing = problem(404, "not_found", "there is no workflow 'w1'")
        gateway.on("GET", "/v1/workflows/w1/events", missing, streams(("end", workflow("completed"), 1)))

        assert self.kinds(client, is_new=True) == [("end", "1")]

    def test_of_what_is_deleted_meanwhile_ends(self, gateway: Gateway, client: Client) -> None:
        missing = problem(404, "not_found", "workflow 'w1' was deleted")
        gateway.on("GET", "/v1/workflows/w1/events", streams(("snapshot", workflow(), 1)), missing)

        with pytest.raises(NotFoundError, match="was deleted"):
            self.kinds(client, is_new=True)

    def test_that_never_says_anything_is_given_up(self, gateway: Gateway) -> None:
        gateway.on("GET", "/v1/workflows/w1/events", streams(then="cut"))

        with Client(gateway.url, patience=0.5) as client, pytest.raises(UnreachableError, match="broke"):
            self.kinds(client)

    def test_that_is_a_page_is_none(self, gateway: Gateway, client: Client) -> None:
        gateway.on("GET", "/v1/workflows/w1/events", Answer(200, b"hello"))

        with pytest.raises(UnreachableError, match="gives no event stream"):
            self.kinds(client)
