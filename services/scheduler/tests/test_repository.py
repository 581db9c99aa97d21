"""The repository and its in-memory twin keep the same promises; some only a real store can break."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from filemill_common.cancelling import cancel
from filemill_common.clock import EPOCH
from filemill_common.events import Event, Saw, TaskCompleted, TaskReady, TaskStatus, WorkflowStatus
from filemill_common.store import Session, Store, indexes, task_view, translated
from filemill_scheduler.core import Decision, Loaded, Needs
from filemill_scheduler.repository import ContendedError, Due, Lock, Repository, StoreTime, Updated
from filemill_scheduler.repository.outbox import entry_document
from filemill_scheduler.testing import MemoryRepository, Scene, decide


@pytest.fixture(params=["memory", "mongo"])
def repository(request: pytest.FixtureRequest) -> Repository | MemoryRepository:
    if request.param == "memory":
        return MemoryRepository()
    found: Repository = request.getfixturevalue("real")
    return found


def two_steps(scene: Scene) -> Event:
    """A run of two steps, as an event; the scene knows the run too."""
    scene.submit(
        a={"with": {"$n": "${{ input.n }}", "deep.key": 2**62}}, b={"depends_on": ["a"]}, value={"n": 7}
    )
    return scene.last.retold[0]


class TestBoth:
    async def test_keep_what_a_fold_decided(self, repository: Repository, scene: Scene) -> None:
        await repository.update([two_steps(scene)], decide)
        updated = await repository.update([scene.succeeded("a", output={"x.y": {"$z": 1}})], decide)

        assert [type(event) for event in updated.decision.durable] == [TaskCompleted, TaskReady]
        done = updated.decision.tasks[0]
        assert (done.status, done.output, done.options) == (
            TaskStatus.COMPLETED,
            {"x.y": {"$z": 1}},
            {"$n": 7, "deep.key": 2**62},
        )

        updated = await repository.update([scene.succeeded("b", attempt=1)], decide)
        assert updated.decision.runs[0].status is WorkflowStatus.COMPLETED
        assert updated.decision.runs[0].outputs["a"] == {"x.y": {"$z": 1}}

    async def test_change_nothing_for_a_repeated_event(self, repository: Repository, scene: Scene) -> None:
        event = two_steps(scene)
        await repository.update([event], decide)

        updated = await repository.update([event], decide)

        assert updated.decision.stores_nothing

    async def test_find_all_steps_of_a_run_the_first_one_too(
        self, repository: Repository, scene: Scene
    ) -> None:
        await repository.update([two_steps(scene)], decide)
        await repository.update([scene.failed("a")], decide)

        updated = await repository.update([scene.run_command("run", "rerun")], decide)

        assert {task.step_id: str(task.status) for task in updated.decision.tasks} == {
            "a": "ready",
            "b": "pending",
        }

    async def test_end_a_run_whatever_is_open(self, repository: Repository, scene: Scene) -> None:
        await repository.update([two_steps(scene)], decide)

        updated = await repository.update([scene.run_command("run", "cancel")], decide)

        assert [task.status for task in updated.decision.tasks] == [TaskStatus.CANCELLED] * 2

    async def test_find_all_steps_of_a_run_when_it_runs_again(
        self, repository: Repository, scene: Scene
    ) -> None:
        await repository.update([two_steps(scene)], decide)
        await repository.update([scene.failed("a")], decide)

        updated = await repository.update([scene.run_command("run", "rerun")], decide)

        assert [task.status for task in updated.decision.tasks] == [TaskStatus.READY, TaskStatus.PENDING]
        assert updated.decision.runs[0].counts.total == 2

    async def test_keep_what_lies_in_a_parallel_and_what_a_map_makes(
        self, repository: Repository, scene: Scene
    ) -> None:
        items = {
            "id": "m",
            "type": "map",
            "items": "input.list",
            "step": {"task": "echo"},
            "max_concurrency": 1,
        }
        scene.define(
            value={"list": [{"$a": 1}, 2]},
            steps=[{"id": "p", "type": "parallel", "branches": {"b": [items]}}],
        )
        await repository.update([scene.last.retold[0]], decide)

        await repository.update([scene.succeeded("m[0]", output={"n": 1})], decide)
        scene.play(scene.succeeded("m[0]", output={"n": 1}))
        updated = await repository.update([scene.succeeded("m[1]", output={"n": 2})], decide)

        assert updated.decision.runs[0].status is WorkflowStatus.COMPLETED
        made = next(task for task in updated.decision.tasks if task.kind == "map")
        assert [item["output"] for item in (made.output or {})["items"]] == [{"n": 1}, {"n": 2}]

    async def test_find_what_was_frozen_for_a_subworkflow(self, repository: Repository, scene: Scene) -> None:
        sub = {"name": "sub", "steps": [{"id": "q", "task": "echo"}]}
        scene.define(
            subworkflows={"sub@1": sub}, steps=[{"id": "s", "type": "subworkflow", "workflow": "sub@1"}]
        )
        asked = await repository.update([scene.last.retold[0]], decide)

        updated = await repository.update(asked.decision.durable, decide)

        assert [(run.name, run.status) for run in updated.decision.runs] == [("sub", WorkflowStatus.RUNNING)]


class TestTheRealOne:
    async def test_keeps_what_is_owed_with_the_state_until_it_is_confirmed(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        updated = await real.update([scene.created("t")], decide)
        assert await count(store, "outbox") == len(updated.entries) == 1

        real.confirmed(updated.entries)
        await real.update([scene.created("t")], decide)

        assert await count(store, "outbox") == 0

    async def test_forgets_what_was_confirmed_also_when_idle(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        idle = asyncio.create_task(real.forget_when_idle(after=0.01))
        updated = await real.update([scene.created("t")], decide)

        real.confirmed(updated.entries)
        async with asyncio.timeout(5):
            while await count(store, "outbox"):
                await asyncio.sleep(0.01)
        idle.cancel()

    async def test_is_not_held_up_by_the_transaction_of_a_process_that_was_killed(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        wrote = asyncio.Event()

        async def write_and_die(session: Session) -> None:
            await store.collection("tasks").insert_one({"_id": "t", "version": 1}, session=session)
            wrote.set()
            await asyncio.Event().wait()

        killed = asyncio.create_task(store.in_transaction(write_and_die))
        await wrote.wait()
        await asyncio.sleep(2.1)  # nobody goes on with it

        with pytest.raises(ContendedError):
            await real.update([scene.created("t")], decide)
        updated = await real.update([scene.created("t")], decide)

        assert [task.status for task in updated.decision.tasks] == [TaskStatus.READY]
        await cancel(killed)

    async def test_folds_anew_when_another_writer_was_first(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        scene.create("t")
        await real.update([scene.created("t")], decide)
        rival = Repository(store, StoreTime(store), metadata_life=timedelta(days=1))
        folds = 0

        def slow(loaded: Loaded, events: Sequence[Event], now: datetime, may_ask: bool) -> Decision | Needs:
            nonlocal folds
            folds += 1
            return decide(loaded, events, now, may_ask)

        reports = [scene.succeeded("t", execution=str(index)) for index in range(8)]
        done: list[Updated] = await asyncio.gather(
            *((real if index % 2 else rival).update([report], slow) for index, report in enumerate(reports))
        )

        completions = [event for updated in done for event in updated.decision.durable]
        assert [type(event) for event in completions] == [TaskCompleted]
        assert folds >= len(reports)

    async def test_is_read_as_it_is_shown(self, real: Repository, store: Store, scene: Scene) -> None:
        await real.update([scene.created("t", options={"$a.b": 1}, labels={"x.y": "$z"})], decide)

        with translated():
            document = await store.collection("tasks").find_one({"_id": "t"})
        assert document is not None
        view = task_view(document)

        assert (view.status, view.options, view.labels) == (TaskStatus.READY, {"$a.b": 1}, {"x.y": "$z"})

    async def test_hides_a_deleted_run_with_its_steps(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        await real.update([two_steps(scene)], decide)

        await real.update([scene.run_command("run", "delete")], decide)

        assert await count(store, "tasks", {"status": {"$exists": True, "$ne": None}}) == 0
        assert await count(store, "tasks", {"expires_at": {"$type": "date"}}) == 2


class TestWhatIsDue:
    async def test_is_a_retry_whose_time_has_come(self, real: Repository, store: Store, scene: Scene) -> None:
        due = Due(store, StoreTime(store))
        scene.create("t", retry_delay=0)
        await real.update([scene.created("t", retry_delay=0)], decide)
        await real.update([scene.failed("t", retryable=True)], decide)

        [check] = await due.timers()
        assert (check.saw, check.attempt) == (Saw.RETRY_DUE, 2)

        updated = await real.update([check], decide)
        assert [type(event) for event in updated.decision.durable] == [TaskReady]
        assert await due.timers() == ()

    async def test_is_a_ready_task_that_nobody_took_unless_its_offer_is_still_owed(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        due = Due(store, StoreTime(store))
        updated = await real.update([scene.created("t")], decide)

        still_owed = await due.untaken(for_at_least=-timedelta(seconds=1))
        real.confirmed(list(updated.entries))
        await real.forget()
        offered = await due.untaken(for_at_least=-timedelta(seconds=1))

        assert still_owed == ()
        assert [(kind, check.saw) for kind, check in offered] == [("echo", Saw.UNTAKEN)]

    async def test_is_an_event_put_off_once_for_each_replica(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        scene.create("t")
        first, second = Due(store, StoreTime(store)), Due(store, StoreTime(store))
        report = scene.succeeded("t")
        await real.update([report], decide)

        async with asyncio.timeout(10):
            while not (claimed := [*await first.outbox(), *await second.outbox()]):
                await asyncio.sleep(0.1)

        assert [(work.event.id, work.event.deferrals, work.deferred) for work in claimed] == [
            (report.id, 1, True)
        ]

    async def test_is_each_of_many_events_owed_for_one_of_two_replicas(
        self, store: Store, scene: Scene
    ) -> None:
        first, second = Due(store, StoreTime(store)), Due(store, StoreTime(store))
        event = scene.created("t")
        names = [f"{number:03}" for number in range(300)]
        owed = [entry_document(name, event, now=EPOCH) for name in names]
        await store.collection("outbox").insert_many(owed)

        claims = await asyncio.gather(first.outbox(), second.outbox())

        assert sorted(work.entry for claim in claims for work in claim) == names
        assert [await first.outbox(), await second.outbox()] == [(), ()]


class TestWhatStands:
    async def test_is_what_waits_what_is_open_and_what_is_owed(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        due = Due(store, StoreTime(store))
        updated = await real.update([two_steps(scene)], decide)

        standing = await due.standing()

        assert {kind: queue.count for kind, queue in standing.queued.items()} == {"echo": 1}
        assert standing.queued["echo"].since <= standing.now
        assert standing.open_runs == {"pending": 0, "running": 1, "paused": 0}
        assert standing.owed == len(updated.entries) == 1
        assert standing.owed_since is not None
        assert abs(standing.now - standing.owed_since) < timedelta(seconds=30)

        real.confirmed(list(updated.entries))
        await real.forget()
        assert (await due.standing()).owed_since is None

    async def test_is_stuck_where_nothing_is_under_way(
        self, real: Repository, store: Store, scene: Scene
    ) -> None:
        due = Due(store, StoreTime(store))
        await real.update([two_steps(scene)], decide)
        healthy = await due.stuck(for_at_least=-timedelta(seconds=1))

        await store.collection(indexes.TASKS).update_many(
            {"status": "ready"}, {"$set": {"status": "pending"}}
        )

        assert (healthy, await due.stuck(for_at_least=-timedelta(seconds=1))) == (0, 1)
        assert await due.stuck(for_at_least=timedelta(hours=1)) == 0


class TestTheLock:
    async def test_is_held_by_one_and_passes_on_when_released(self, store: Store) -> None:
        clock = StoreTime(store)
        ours = Lock(store, clock, name="timers", owner="a", life=timedelta(seconds=10))
        theirs = Lock(store, clock, name="timers", owner="b", life=timedelta(seconds=10))

        assert [await ours.held(), await theirs.held(), await ours.held()] == [True, False, True]

        await ours.release()
        assert await theirs.held()


async def count(store: Store, collection: str, condition: dict[str, object] | None = None) -> int:
    with translated():
        return await store.collection(collection).count_documents(condition or {})
