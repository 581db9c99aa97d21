"""The same over a real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from filemill_common.events import AttemptEvent, AttemptRevoked, AttemptSucceeded, TaskReady
from filemill_common.health import Health
from filemill_common.messaging import Batch, Bus, Slot, Topology
from filemill_common.messaging.topology import WORK, control_key, scheduler_queue, worker_queue
from filemill_worker.handlers import Worker
from filemill_worker.testing.attempts import AttemptBench, ready

QUEUE = worker_queue("default")


class Scheduler:
    """Offers attempts, and keeps what is reported."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.reports: list[AttemptEvent] = []
        self._arrived = asyncio.Condition()

    async def offer(self, *attempts: TaskReady) -> None:
        for attempt in attempts:
            await self.bus.publish_or_raise(attempt)

    async def on_batch(self, batch: Batch) -> int:
        async with self._arrived:
            self.reports += [event for event in batch.events if isinstance(event, AttemptEvent)]
            self._arrived.notify_all()
        return len(batch.events)

    def told(self) -> list[str]:
        return [f"{type(report).__name__} {report.task_id}" for report in self.reports]

    async def hears(self, what: str) -> None:
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: what in self.told())


class Line:
    """A line to the broker that can be cut."""

    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        self._open: set[asyncio.StreamWriter] = set()
        self.is_cut = False

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        here = self._there._replace(netloc=f"{self._there.netloc.rpartition(':')[0]}:{port}")
        try:
            yield here.geturl()
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self._there.hostname, self._there.port)
        self._open |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


class Rig:
    """Workers with one slot each, and the scheduler that they work for."""

    def __init__(self, url: str, folder: Path, scheduler: Scheduler) -> None:
        self._url = url
        self._folder = folder
        self.scheduler = scheduler

    @asynccontextmanager
    async def worker(
        self, name: str, *, long_after: float = 60, url: str = ""
    ) -> AsyncIterator[AttemptBench]:
        folder = self._folder / name
        folder.mkdir()
        topology = Topology()
        async with Bus(url or self._url, service="worker", topology=topology, health=Health()) as bus:
            bench = AttemptBench(folder, long_after=long_after, publisher=bus, name=name)
            publishing = asyncio.create_task(bench.reports.run())
            slot = bus.slot(QUEUE, bench.worker.on_ready)
            bench.worker.holds([slot])
            keys = (control_key(name), control_key(None))
            revocations = await bus.subscribe(WORK, keys, bench.worker.on_revoked)
            await slot.start()
            try:
                yield bench
                await _finish(bench.worker, slot)
            finally:
                await revocations.stop()
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)


async def _finish(worker: Worker, slot: Slot) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(worker.stop(), slot.stop())


@pytest.fixture
async def rig(vhost_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    topology = Topology()
    async with Bus(vhost_url, service="scheduler", topology=topology, health=Health()) as bus:
        scheduler = Scheduler(bus)
        consuming = await bus.consume(scheduler_queue(0), scheduler.on_batch)
        yield Rig(vhost_url, tmp_path, scheduler)
        await consuming.stop()


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def count_becomes(bus: Bus, count: int) -> None:
    """Wait until so many messages wait for a worker."""
    async with asyncio.timeout(10):
        while await bus.waiting(QUEUE) != count:
            await asyncio.sleep(0.05)


class TestShort:
    async def test_its_message_is_gone_once_its_result_is_known(self, rig: Rig) -> None:
        async with rig.worker("w") as worker:
            worker.hands.make("t")
            await rig.scheduler.offer(ready())
            await rig.scheduler.hears("AttemptSucceeded t")

        assert await rig.scheduler.bus.waiting(QUEUE) == 0

    async def test_a_worker_that_goes_down_leaves_it_to_another_which_tells_its_start_first(
        self, rig: Rig, vhost_url: str
    ) -> None:
        line = Line(vhost_url)
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(line.laid())
            first = await stack.enter_async_context(rig.worker("first", url=url))
            await rig.scheduler.offer(ready())
            await becomes(lambda: first.hands.working == ["t"])
            line.cut()
            async with rig.worker("second") as second:
                await becomes(lambda: second.hands.working == ["t"])
                assert rig.scheduler.told() == ["AttemptStarted t"]
                second.hands.make("t")
                await rig.scheduler.hears("AttemptSucceeded t")
            line.is_cut = False
            first.hands.make("t")


class TestLong:
    async def test_nothing_waits_behind_it(self, rig: Rig) -> None:
        async with rig.worker("w", long_after=0.05) as worker:
            await rig.scheduler.offer(ready("long"))
            await rig.scheduler.hears("AttemptStarted long")
            await rig.scheduler.offer(ready("next"))
            await count_becomes(rig.scheduler.bus, 1)

            worker.hands.make("next")
            worker.hands.make("long")
            await rig.scheduler.hears("AttemptSucceeded next")
        assert rig.scheduler.told() == [
            "AttemptStarted long",
            "AttemptSucceeded long",
            "AttemptSucceeded next",
        ]

    async def test_another_worker_takes_what_comes_meanwhile(self, rig: Rig) -> None:
        async with rig.worker("one", long_after=0.05) as one:
            await rig.scheduler.offer(ready("long"))
            await rig.scheduler.hears("AttemptStarted long")
            async with rig.worker("two") as two:
                two.hands.make("next")
                await rig.scheduler.offer(ready("next"))
                await rig.scheduler.hears("AttemptSucceeded next")
            one.hands.make("long")
            await rig.scheduler.hears("AttemptSucceeded long")

    async def test_a_revocation_ends_it(self, rig: Rig) -> None:
        async with rig.worker("w", long_after=0.05) as worker:
            await rig.scheduler.offer(ready())
            await rig.scheduler.hears("AttemptStarted t")
            await rig.scheduler.bus.publish([AttemptRevoked(task_id="t", attempt=1, worker="w")])
            await becomes(lambda: worker.hands.killed == ["t"])
        assert rig.scheduler.told() == ["AttemptStarted t"]

    async def test_so_does_one_to_all(self, rig: Rig) -> None:
        async with rig.worker("w", long_after=0.05) as worker:
            await rig.scheduler.offer(ready())
            await rig.scheduler.hears("AttemptStarted t")
            await rig.scheduler.bus.publish([AttemptRevoked(task_id="t", attempt=1)])
            await becomes(lambda: worker.hands.killed == ["t"])

    async def test_it_is_given_back_when_the_worker_stops(self, rig: Rig) -> None:
        async with rig.worker("w", long_after=0.05):
            await rig.scheduler.offer(ready())
            await rig.scheduler.hears("AttemptStarted t")

        await rig.scheduler.hears("AttemptReleased t")
        assert await rig.scheduler.bus.waiting(QUEUE) == 0


class TestCutLine:
    async def test_a_result_arrives_as_soon_as_the_line_is_there_again(
        self, rig: Rig, vhost_url: str
    ) -> None:
        line = Line(vhost_url)
        async with line.laid() as url, rig.worker("w", long_after=0.05, url=url) as worker:
            await rig.scheduler.offer(ready())
            await rig.scheduler.hears("AttemptStarted t")
            line.cut()
            worker.hands.make("t", None)
            await asyncio.sleep(0.3)
            assert rig.scheduler.told() == ["AttemptStarted t"]
            line.is_cut = False
            await rig.scheduler.hears("AttemptSucceeded t")

            worker.hands.make("next")
            await rig.scheduler.offer(ready("next"))
            await rig.scheduler.hears("AttemptSucceeded next")


class TestMany:
    async def test_tasks_of_one_run_that_become_ready_together_are_taken_one_by_one(self, rig: Rig) -> None:
        async with rig.worker("one") as one, rig.worker("two") as two:
            await rig.scheduler.bus.publish([ready("a"), ready("b"), ready("c")])
            await becomes(lambda: len(one.hands.working) == len(two.hands.working) == 1)

            assert await rig.scheduler.bus.waiting(QUEUE) == 1
            for task in ("a", "b", "c"):
                one.hands.make(task)
                two.hands.make(task)
            await becomes(lambda: len(rig.scheduler.reports) == 3)

    async def test_each_is_reported_once(self, rig: Rig) -> None:
        tasks = [f"t{number}" for number in range(200)]
        async with rig.worker("one") as one, rig.worker("two") as two:
            for task in tasks:
                one.hands.make(task)
                two.hands.make(task)
            await rig.scheduler.offer(*(ready(task) for task in tasks))
            await becomes(lambda: len(rig.scheduler.reports) >= len(tasks))

        assert all(isinstance(report, AttemptSucceeded) for report in rig.scheduler.reports)
        assert sorted(report.task_id for report in rig.scheduler.reports) == sorted(tasks)
