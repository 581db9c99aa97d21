"""Metadata of files: cached by content, or found out by a probe."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from filemill_common.clock import utc_now
from filemill_common.events import TaskCreated
from filemill_common.store.documents import encode_json
from filemill_gateway.cache import MetadataCache
from filemill_gateway.testing import BEGINNING, World

VIDEO = {"family": "video", "duration": 5.0, "width": 640, "height": 360, "streams": []}


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def digest_of(world: World, path: str) -> str:
    head = await world.client.head(f"/v1/files/{path}")
    return head.headers["etag"].strip('"')


async def remember(world: World, path: str, metadata: dict[str, Any], *, seconds: float = 60) -> None:
    digest = await digest_of(world, path)
    document = {
        "tenant": "default",
        "digest": digest,
        "metadata": encode_json(metadata),
        "expires_at": utc_now() + timedelta(seconds=seconds),
    }
    await world.store.collection("file_metadata").replace_one(
        {"_id": f"default:{digest}"}, document, upsert=True
    )


async def probe_ends(world: World, path: str, **fields: Any) -> None:
    """Play the scheduler and the worker: the probe that was asked for ends."""
    event = (await world.asked())[0]
    assert isinstance(event, TaskCreated)
    file = {"object": "objects/x", "size": 1, "digest": await digest_of(world, path)}
    given = {"status": "completed", "version": 2, "type": "probe", "input": file, **fields}
    await world.task_becomes(event.task_id, **given)


class TestKnownContent:
    async def test_is_told_from_the_store_and_then_from_the_process(self, world: World) -> None:
        await world.put_file("a.mp4")
        await remember(world, "a.mp4", VIDEO)
        store = counted("filemill_metadata_cache_hits_total", layer="store")
        process = counted("filemill_metadata_cache_hits_total", layer="process")

        answers = [await world.client.get("/v1/files/a.mp4/metadata") for _ in range(2)]

        expected = {
            "path": "a.mp4",
            "digest": await digest_of(world, "a.mp4"),
            "size": 5,
            "content_type": "text/plain",
            **VIDEO,
        }
        assert [(each.status_code, each.json()) for each in answers] == [(200, expected)] * 2
        assert counted("filemill_metadata_cache_hits_total", layer="store") == store + 1
        assert counted("filemill_metadata_cache_hits_total", layer="process") == process + 1
        assert world.published == []

    async def test_is_never_told_of_what_was_there_before(self, world: World) -> None:
        await world.put_file("a.mp4", b"first")
        await remember(world, "a.mp4", VIDEO)
        assert (await world.client.get("/v1/files/a.mp4/metadata")).json()["width"] == 640

        await world.put_file("a.mp4", b"second")
        await remember(world, "a.mp4", {"family": "video", "width": 32})
        assert (await world.client.get("/v1/files/a.mp4/metadata")).json()["width"] == 32

    async def test_is_told_under_each_of_its_paths(self, world: World) -> None:
        await world.put_file("a.mp4")
        await world.put_file("b.mp4")
        await remember(world, "a.mp4", VIDEO)

        assert (await world.client.get("/v1/files/b.mp4/metadata")).json()["path"] == "b.mp4"

    async def test_is_probed_anew_once_it_expired(self, world: World) -> None:
        await world.put_file("a.mp4")
        await remember(world, "a.mp4", VIDEO, seconds=-1)

        assert (await world.client.get("/v1/files/a.mp4/metadata")).status_code == 202


class TestUnknownContent:
    async def test_is_probed_once_for_all_who_ask(self, world: World) -> None:
        await world.put_file("a.mp4")
        misses = counted("filemill_metadata_cache_misses_total")
        asking = [world.client.get("/v1/files/a.mp4/metadata") for _ in range(3)]
        *answers, _ = await asyncio.gather(*asking, probe_ends(world, "a.mp4", output=VIDEO))

        assert [(each.status_code, each.json()["width"]) for each in answers if each] == [(200, 640)] * 3
        assert len({event.id for event in world.published}) == 1
        assert counted("filemill_metadata_cache_misses_total") == misses + 3
        assert (await world.client.get("/v1/files/a.mp4/metadata")).json()["height"] == 360

    async def test_is_answered_with_the_task_if_it_takes_long(self, world: World) -> None:
        await world.put_file("a.mp4")
        answer = await world.client.get("/v1/files/a.mp4/metadata")

        (event,) = world.published
        assert isinstance(event, TaskCreated)
        assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/tasks/{event.task_id}")
        assert (answer.json()["type"], answer.json()["status"]) == ("probe", "pending")
        assert event.task.input_file == "a.mp4"

    async def test_that_cannot_be_read_is_said(self, world: World) -> None:
        await world.put_file("a.mp4")
        error = {"code": "corrupt_input", "message": "moov atom not found"}
        answer, _ = await asyncio.gather(
            world.client.get("/v1/files/a.mp4/metadata"),
            probe_ends(world, "a.mp4", status="failed", error=error),
        )

        assert (answer.status_code, answer.json()["code"]) == (422, "file_unreadable")
        assert "moov atom not found" in answer.json()["detail"]

    async def test_that_was_overwritten_meanwhile_is_not_described(self, world: World) -> None:
        await world.put_file("a.mp4")
        other = {"object": "objects/y", "size": 1, "digest": "sha256:other"}
        answer, _ = await asyncio.gather(
            world.client.get("/v1/files/a.mp4/metadata"),
            probe_ends(world, "a.mp4", output=VIDEO, input=other),
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "file_changed")

    async def test_of_no_file_is_not_found(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/v1/files/none/metadata")).json()["code"] == "not_found"


class TestTheCacheInTheProcess:
    def test_forgets_what_was_used_longest_ago(self) -> None:
        cache = MetadataCache(size=2, life=timedelta(seconds=10))
        for digest in ("a", "b"):
            cache.put(digest, {"of": digest}, now=BEGINNING)
        cache.get("a", now=BEGINNING)
        cache.put("c", {"of": "c"}, now=BEGINNING)

        found = [cache.get(digest, now=BEGINNING) for digest in "abc"]
        assert found == [{"of": "a"}, None, {"of": "c"}]
        assert counted("filemill_metadata_cache_entries") == 2

    @pytest.mark.parametrize(("seconds", "found"), [(9.9, {"n": 1}), (10, None)])
    def test_forgets_after_a_time(self, seconds: float, found: Any) -> None:
        cache = MetadataCache(size=2, life=timedelta(seconds=10))
        cache.put("a", {"n": 1}, now=BEGINNING)

        assert cache.get("a", now=BEGINNING + timedelta(seconds=seconds)) == found
