"""A worker whose broker, slots and processors are in the test's hand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from filemill_common.events import Event, StoredFile, TaskReady
from filemill_common.storage import LocalStorage
from filemill_worker.execution import Executor
from filemill_worker.handlers import Worker
from filemill_worker.metrics import Metrics
from filemill_worker.processors import Job, Product, Report
from filemill_worker.reports import Publisher, Reports


def ready(task: str = "t", task_type: str = "echo", **fields: Any) -> TaskReady:
    """Say that the first attempt at a task may begin; ``fields`` say otherwise."""
    given: dict[str, Any] = {"attempt": 1, "options": {}, "partition_key": "p", "traceparent": "00-1-2-01"}
    return TaskReady(task_id=task, task_type=task_type, **(given | fields))


class Broker:
    """Confirms what is published, unless it is away.

    Attributes:
        log: Names of what was confirmed and of what became of deliveries, in order.
        batches: What each publish that was confirmed carried.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.batches: list[list[Event]] = []
        self.is_away = False
        self._changed = asyncio.Condition()

    @property
    def events(self) -> list[Event]:
        """All that was confirmed."""
        return [event for batch in self.batches for event in batch]

    async def publish(self, events: Sequence[Event], /) -> tuple[bool, ...]:
        """Confirm all or none."""
        await asyncio.sleep(0)
        if not self.is_away:
            self.batches.append(list(events))
            for event in events:
                await self.note(f"{type(event).__name__} {event.subject}")
        return (not self.is_away,) * len(events)

    async def note(self, what: str) -> None:
        """Add a line to the log."""
        async with self._changed:
            self.log.append(what)
            self._changed.notify_all()

    async def until(self, what: str, times: int = 1) -> None:
        """Wait until the log has a line so many times."""
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: self.log.count(what) >= times)

    def all(self, kind: type[Event]) -> list[Any]:
        """Give the confirmed events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


class Slot:
    """Knows whether it takes."""

    def __init__(self) -> None:
        self.is_paused = False

    async def pause(self) -> None:
        """Take nothing."""
        self.is_paused = True

    async def resume(self) -> None:
        """Take again."""
        self.is_paused = False


class Taken:
    """A delivery of which the broker notes what becomes of it."""

    def __init__(self, broker: Broker, event: Event, *, redelivered: bool) -> None:
        self.event = event
        self.redelivered = redelivered
        self._broker = broker
        self.is_detached = False

    async def detach(self) -> None:
        """Note it."""
        self.is_detached = True
        await self._broker.note(f"detached {self.event.subject}")


class Hands:
    """Processes a task as soon, and as well, as the test says.

    Attributes:
        working: Ids of the tasks in hand.
        killed: Ids of the tasks whose processing was cancelled.
        tell: By task id, what it reports its progress with.
    """

    def __init__(self, broker: Broker) -> None:
        self.working: list[str] = []
        self.killed: list[str] = []
        self.tell: dict[str, Report] = {}
        self.jobs: dict[str, Job] = {}
        self._ends: dict[str, asyncio.Future[Product]] = {}
        self._broker = broker

    async def run(self, job: Job, report: Report, /) -> Product:
        """Wait for the test to say how it ends."""
        self.working.append(job.task_id)
        self.tell[job.task_id] = report
        self.jobs[job.task_id] = job
        await self._broker.note(f"began {job.task_id}")
        try:
            return await self._end(job.task_id)
        except asyncio.CancelledError:
            self.killed.append(job.task_id)
            raise
        finally:
            self.working.remove(job.task_id)

    def make(self, task: str, product: Product | BaseException | None = None) -> None:
        """Let a task end, now or as soon as it begins."""
        if isinstance(product, BaseException):
            self._end(task).set_exception(product)
        else:
            self._end(task).set_result(product or Product())

    def _end(self, task: str) -> asyncio.Future[Product]:
        return self._ends.setdefault(task, asyncio.get_running_loop().create_future())


class AttemptBench:
    """A worker at work.

    Args:
        folder: An empty one.
        long_after: Seconds after which an attempt is long.
        publisher: The way to the scheduler; the bench's own broker if it is not given.
        name: Id of the worker.
    """

    def __init__(
        self, folder: Path, *, long_after: float, publisher: Publisher | None = None, name: str = "w"
    ) -> None:
        self.broker = Broker()
        self.hands = Hands(self.broker)
        self.storage = LocalStorage(folder / "storage")
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry)
        publisher = publisher or self.broker
        self.reports = Reports(publisher)
        self.slots = [Slot(), Slot()]
        self.worker = Worker(
            name,
            executor=Executor(self.hands, self.storage, self.scratch, metrics),
            publisher=publisher,
            reports=self.reports,
            metrics=metrics,
            long_after=long_after,
        )
        self.worker.holds(self.slots)
        self._taken: list[asyncio.Task[None]] = []

    def take(self, event: Event, *, redelivered: bool = False) -> asyncio.Task[None]:
        """Deliver an event as the bus does: it is acknowledged when its handler returns."""
        self._taken.append(asyncio.create_task(self._deliver(event, redelivered=redelivered)))
        return self._taken[-1]

    async def _deliver(self, event: Event, *, redelivered: bool) -> None:
        taken = Taken(self.broker, event, redelivered=redelivered)
        await self.worker.on_ready(taken)
        await self.broker.note(f"ended {event.subject}" if taken.is_detached else f"acked {event.subject}")

    async def file(self, content: bytes) -> StoredFile:
        """Put a file into the storage."""

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        return await self.storage.write("objects/uploads/in", chunks(), limit=1_000_000)

    async def close(self) -> None:
        """Drop what is in hand."""
        for task in self._taken:
            task.cancel()
        await asyncio.gather(*self._taken, return_exceptions=True)


@asynccontextmanager
async def attempt_bench(folder: Path, *, long_after: float) -> AsyncIterator[AttemptBench]:
    """Have a worker at work in an empty folder; ``long_after`` seconds make an attempt long."""
    bench = AttemptBench(folder, long_after=long_after)
    publishing = asyncio.create_task(bench.reports.run())
    try:
        yield bench
    finally:
        await bench.close()
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing
