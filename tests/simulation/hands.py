"""What is not the house's own: programs that process files, and recipients of notifications."""

import asyncio
from dataclasses import dataclass

from filemill_common.events import AttemptFailed, AttemptSucceeded, StoredFile
from filemill_common.task_types import TASK_TYPES
from filemill_notifier.core.deliveries import Delivery, Outcome
from filemill_worker.core.attempts import Take
from filemill_worker.processors import Report
from tests.simulation.world import Process

_CLAIM = 60.0


@dataclass(eq=False)
class Execution:
    """One run of a processor.

    Attributes:
        ended: How, if it did: ``succeeded``, ``failed`` or ``stopped``.
    """

    take: Take
    process: Process
    began: float
    ended: str | None = None
    ended_at: float | None = None

    @property
    def task_id(self) -> str:
        return self.take.ready.task_id

    @property
    def attempt(self) -> int:
        return self.take.ready.attempt


class Hands:
    """Does the work, as long and as well as its options say."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, take: Take, report: Report) -> AttemptSucceeded | AttemptFailed:
        """Do what the real executor does, without a program."""
        world, loop = self._process.world, self._process.world.loop
        execution = Execution(take, self._process, loop.time())
        world.executions.append(execution)
        world.note(self._process.name, "begins", take.ready.task_id, take.ready.attempt, take.execution)
        try:
            return await self._work(take, report, execution)
        except asyncio.CancelledError:
            self._end(execution, "stopped")
            raise

    async def _work(
        self, take: Take, report: Report, execution: Execution
    ) -> AttemptSucceeded | AttemptFailed:
        ready = take.ready
        loop, luck = self._process.world.loop, self._process.world.luck
        usual = luck.uniform(1.1, 4) if luck.chance(0.25) else luck.uniform(0.01, 0.3)
        seconds = float(ready.options.get("seconds", usual))
        parts = 4 if 1 < seconds < 10 else 1  # what takes very long says nothing meanwhile
        for part in range(parts):
            await asyncio.sleep(seconds / parts)
            report(100.0 * (part + 1) / parts, None)
        await self._process.point("work")
        mark = {"attempt": ready.attempt, "execution": take.execution}
        if ready.task_type == "fail" and ready.attempt <= (ready.options.get("times") or 1_000):
            self._end(execution, "failed")
            retryable = bool(ready.options.get("retryable", True))
            said = f"{ready.attempt} {take.execution}"
            return take.failed("boom", said, take.ended_at(loop.time()), retryable=retryable)
        self._end(execution, "succeeded")
        file = None
        if TASK_TYPES[ready.task_type].produces_file:
            name = f"objects/tasks/{ready.task_id}/{ready.attempt}-{take.execution}"
            file = StoredFile(object=name, size=1, digest="sha256:" + "0" * 64)
        return take.succeeded(mark, file, take.ended_at(loop.time()))

    def _end(self, execution: Execution, how: str) -> None:
        world = self._process.world
        execution.ended, execution.ended_at = how, world.loop.time()
        world.note(self._process.name, how, execution.task_id, execution.attempt, execution.take.execution)


class Post:
    """A way to recipients; what they got is kept."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def send(self, delivery: Delivery) -> Outcome:
        """Bring it, or fail for now."""
        world = self._process.world
        other, began = world.bringing.get(delivery.id, (self._process, -_CLAIM))
        is_alone = not other.is_alive or world.loop.time() - began >= _CLAIM
        world.hold("one try at a time", delivery.id, if_=is_alone)
        world.bringing[delivery.id] = (self._process, world.loop.time())
        await self._process.point("send.before")
        await asyncio.sleep(world.luck.random() * 0.2)
        world.tried[(delivery.event_id, delivery.channel, delivery.target)].add(delivery.id)
        if world.faults_on and world.refused[delivery.id] < 2 and world.luck.chance(world.faults.sink_fails):
            world.refused[delivery.id] += 1
            del world.bringing[delivery.id]
            world.note(self._process.name, "is refused", delivery.channel, delivery.id[-8:])
            return Outcome(ok=False, code="503")
        world.got[delivery.id] += 1
        world.note(self._process.name, "brings", delivery.channel, delivery.id[-8:], delivery.event_type)
        await self._process.point("send.after")
        world.bringing.pop(delivery.id, None)
        return Outcome(ok=True, code="200")

    async def close(self) -> None:
        """Nothing is open."""
