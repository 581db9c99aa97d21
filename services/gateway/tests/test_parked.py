"""The parking lot over HTTP."""

from datetime import timedelta

import httpx
import pytest

from filemill_gateway.admission import Admission
from filemill_gateway.testing import BEGINNING, Lot, World


@pytest.fixture
def lot(world: World) -> Lot:
    """Four parked messages, one each second."""
    at = [BEGINNING + timedelta(seconds=number) for number in range(4)]
    world.lot.put(
        "a", code="undecodable", queue="scheduler.intake", event_id="", parked_at=at[0], body=b"\xff"
    )
    world.lot.put("b", parked_at=at[1], body=b'{"b": 1}', headers={"x-filemill-code": "invalid_event"})
    world.lot.put("c", queue="notifier.events", parked_at=at[2])
    world.lot.put("d", queue="", parked_at=None)
    return world.lot


async def ids(client: httpx.AsyncClient, **params: str | int) -> list[str]:
    answer = await client.get("/v1/parked", params=params)
    return [each["id"] for each in answer.json()["items"]]


class TestAList:
    async def test_shows_the_newest_first_and_why_each_is_there(
        self, lot: Lot, client: httpx.AsyncClient
    ) -> None:
        lot.parked = lot.parked[:1]

        assert (await client.get("/v1/parked")).json() == {
            "items": [
                {
                    "id": "a",
                    "event_id": "",
                    "event_type": "io.filemill.task.created.v1",
                    "queue": "scheduler.intake",
                    "code": "undecodable",
                    "reason": "it is not valid",
                    "parked_at": "2026-11-05T10:00:00.000Z",
                    "size": 1,
                }
            ],
            "next": None,
            "beyond": 0,
        }

    async def test_is_chosen_by_code_and_queue(self, lot: Lot, client: httpx.AsyncClient) -> None:
        lot.parked.sort(key=lambda each: each.message.parked_at or BEGINNING - timedelta(days=1))

        assert await ids(client) == ["c", "b", "a", "d"]
        assert await ids(client, code="invalid_event") == ["c", "b", "d"]
        assert await ids(client, code="invalid_event", queue="scheduler.0") == ["b"]

    async def test_comes_in_pages(self, lot: Lot, client: httpx.AsyncClient) -> None:
        lot.parked.sort(key=lambda each: each.message.parked_at or BEGINNING - timedelta(days=1))
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await client.get(f"/v1/parked?limit=1{cursor}")).json()
            seen += [each["id"] for each in page["items"]]
            cursor = f"&cursor={page['next']}" if page["next"] else None
            lot.put(f"later{len(seen)}", parked_at=BEGINNING + timedelta(days=1))

        assert seen == ["c", "b", "a", "d"]

    async def test_says_that_the_broker_is_away(self, lot: Lot, client: httpx.AsyncClient) -> None:
        lot.is_away = True

        answer = await client.get("/v1/parked")

        assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
        assert answer.headers["Retry-After"]


class TestAMessage:
    async def test_is_shown_with_its_content(self, lot: Lot, client: httpx.AsyncClient) -> None:
        shown = (await client.get("/v1/parked/b")).json()

        assert (shown["text"], shown["base64"], shown["is_cut"]) == ('{"b": 1}', None, False)
        assert shown["headers"] == {"x-filemill-code": "invalid_event"}
        assert shown["size"] == 8

    async def test_that_is_no_text_is_shown_too(self, lot: Lot, client: httpx.AsyncClient) -> None:
        shown = (await client.get("/v1/parked/a")).json()

        assert (shown["text"], shown["base64"]) == (None, "/w==")

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "none"), ("DELETE", "none"), ("POST", "none/redrive"), ("GET", "%00%ff")]
    )
    async def test_that_is_not_there_is_a_problem(
        self, lot: Lot, client: httpx.AsyncClient, method: str, path: str
    ) -> None:
        answer = await client.request(method, f"/v1/parked/{path}")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert len(lot.parked) == 4

    async def test_is_sent_back_once(self, lot: Lot, client: httpx.AsyncClient) -> None:
        first = await client.post("/v1/parked/b/redrive")
        second = await client.post("/v1/parked/b/redrive")

        assert (first.status_code, first.json()) == (200, {"redriven": 1, "left": 0, "beyond": 0})
        assert second.status_code == 404
        assert [each.message.id for each in lot.redriven] == ["b"]

    async def test_with_nowhere_to_go_stays(self, lot: Lot, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/parked/d/redrive")

        assert (answer.status_code, answer.json()["code"]) == (409, "not_redrivable")
        assert len(lot.parked) == 4

    async def test_is_dropped(self, lot: Lot, client: httpx.AsyncClient) -> None:
        assert (await client.delete("/v1/parked/a")).json() == {"dropped": 1, "beyond": 0}
        assert [each.message.id for each in lot.parked] == ["b", "c", "d"]


class TestMany:
    async def test_are_sent_back_by_what_they_have_in_common(
        self, lot: Lot, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/v1/parked/redrive", params={"code": "invalid_event"})

        assert answer.json() == {"redriven": 2, "left": 1, "beyond": 0}
        assert [each.message.id for each in lot.parked] == ["a", "d"]

    async def test_are_dropped_by_what_they_have_in_common(self, lot: Lot, client: httpx.AsyncClient) -> None:
        assert (await client.delete("/v1/parked?queue=scheduler.0")).json() == {"dropped": 1, "beyond": 0}
        assert (await client.delete("/v1/parked?all=true")).json() == {"dropped": 3, "beyond": 0}

    @pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("DELETE", "/"), ("POST", "/redrive")])
    async def test_are_not_all_of_them_unless_that_is_said(
        self, lot: Lot, client: httpx.AsyncClient, method: str, path: str
    ) -> None:
        answer = await client.request(method, f"/v1/parked{path}", follow_redirects=True)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
        assert len(lot.parked) == 4

    async def test_are_let_in_while_there_is_too_much_to_do(
        self, lot: Lot, client: httpx.AsyncClient, admission: Admission
    ) -> None:
        admission.waiting = 1_000

        assert (await client.delete("/v1/parked?all=true")).status_code == 200
