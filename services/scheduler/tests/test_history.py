"""A run's history in a real store: written with the state, in order, and gone with the run."""

from datetime import timedelta
from typing import Any

import pytest

from filemill_common.store import Document, Store, translated
from filemill_common.store.documents import history_entries, history_of
from filemill_scheduler.core import Loaded, Task
from filemill_scheduler.core.state import replace
from filemill_scheduler.repository import Repository
from filemill_scheduler.repository.history import Historian
from filemill_scheduler.testing import T0, Scene, decide


@pytest.fixture
def repository(real: Repository) -> Repository:
    return real


async def kept(store: Store, run_id: str = "run") -> list[Document]:
    with translated():
        return await store.collection("history").find(history_of(run_id)).sort("_id", 1).to_list(None)


async def names(store: Store, run_id: str = "run") -> list[list[str]]:
    """The kinds of events of a run's documents."""
    return [
        [entry["type"].split(".")[-2] for entry in history_entries(each)]
        for each in await kept(store, run_id)
    ]


class TestAHistory:
    async def test_is_one_document_for_each_run_of_a_batch_in_the_order_of_the_commits(
        self, repository: Repository, store: Store, scene: Scene
    ) -> None:
        asked = [scene.submitted(name, a={}, b={"depends_on": ["a"]}) for name in ("run", "other")]
        for each in asked:
            scene.play(each)
        await repository.update(asked, decide)
        await repository.update(
            [
                scene.succeeded("a"),
                scene.succeeded(scene.task("a", "other").id),
                scene.run_command("run", "pause"),
            ],
            decide,
        )
        await repository.update([scene.run_command("run", "cancel")], decide)

        assert await names(store) == [["created"], ["succeeded", "command"], ["command"]]
        assert await names(store, "other") == [["created"], ["succeeded"]]

    async def test_keeps_what_users_wrote_and_what_was_decided(
        self, repository: Repository, store: Store, scene: Scene
    ) -> None:
        scene.submit(a={"with": {"$n": 1}}, value={"deep.key": {"$where": 2**62}})
        await repository.update([scene.last.retold[0]], decide)

        [document] = await kept(store)
        [entry] = history_entries(document)
        assert entry["data"]["input"] == {"deep.key": {"$where": 2**62}}
        assert (entry["made"], [change["to"] for change in entry["changes"]]) == (
            1,
            ["pending", "running", "ready"],
        )

    async def test_of_a_large_definition_takes_a_tenth_of_the_room(
        self, repository: Repository, store: Store, scene: Scene
    ) -> None:
        steps = [{"id": f"s{n}", "task": "echo", "with": {"text": "long " * 100}} for n in range(300)]
        scene.define(steps=steps)
        await repository.update([scene.last.retold[0]], decide)

        [document] = await kept(store)
        assert len(document["entries"]) < 30_000
        assert len(history_entries(document)[0]["data"]["definition"]["steps"]) == 300

    async def test_is_not_kept_if_the_state_is_not(
        self, repository: Repository, store: Store, scene: Scene
    ) -> None:
        async def fails(*_: Any) -> None:
            raise RuntimeError("the outbox is full")

        repository._write_outbox = fails  # type: ignore[method-assign, assignment]
        with pytest.raises(RuntimeError):
            await repository.update([scene.submitted(a={})], decide)

        assert await kept(store) == []

    async def test_is_not_kept_of_tasks_of_their_own(
        self, repository: Repository, store: Store, scene: Scene
    ) -> None:
        await repository.update([scene.created("t")], decide)

        with translated():
            assert await store.collection("history").count_documents({}) == 0

    async def test_goes_with_its_run_and_with_no_other_whose_id_begins_alike(
        self, repository: Repository, store: Store, scene: Scene
    ) -> None:
        await repository.update([scene.submitted("run", a={}), scene.submitted("run:0", a={})], decide)
        await repository.update(
            [scene.run_command("run", "cancel"), scene.run_command("run:0", "cancel")], decide
        )

        await repository.update([scene.run_command("run", "delete")], decide)

        assert ["expires_at" in each for each in await kept(store)] == [True, True]
        assert ["expires_at" in each for each in await kept(store, "run:0")] == [False, False]
        await repository.update([scene.run_command("run", "delete")], decide)
        assert len(await kept(store)) == 2


class TestItsOrder:
    def test_is_that_of_the_commits_also_where_the_time_stands_still(self, scene: Scene) -> None:
        scene.submit(a={})
        historian = Historian()

        first, second = (
            historian.documents(scene.last.history, Loaded(), now=T0)[0]["_id"] for _ in range(2)
        )

        assert first < second

    def test_puts_what_follows_from_another_ones_commit_behind_it_whatever_the_clocks_say(
        self, scene: Scene
    ) -> None:
        scene.submit(a={})
        ahead, behind = Historian(), Historian()
        then = T0 + timedelta(milliseconds=70)
        [before] = ahead.documents(scene.last.history, Loaded(), now=then)
        read = Loaded(tasks={"t": replace(Task(id="t"), updated_at=then)})

        [after] = behind.documents(scene.last.history, read, now=T0)

        assert before["_id"] < after["_id"]
