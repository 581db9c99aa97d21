"""An in-memory twin of the repository, and builders; the twin passes the repository's contract tests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from filemill_common.events import (
    AttemptFailed,
    AttemptProgressed,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    Check,
    Event,
    JsonObject,
    Saw,
    StoredFile,
    TaskCommand,
    TaskCreated,
    TaskSpec,
    WorkflowCommand,
    WorkflowCreated,
)
from filemill_common.ids import step_task_id
from filemill_common.language import dump, load
from filemill_scheduler.core import Decision, Loaded, Needs, Run, Task, concerns, fold
from filemill_scheduler.core.history import Folded
from filemill_scheduler.core.memory import Memory
from filemill_scheduler.repository import READS, Fold, Updated

T0 = datetime(2026, 1, 1, tzinfo=UTC)
"""When tests begin."""


def decide(loaded: Loaded, events: Sequence[Event], now: datetime, may_ask: bool) -> Decision | Needs:
    """Fold as the handler does, with leases that may lapse."""
    return fold(loaded, events, now=now, may_ask=may_ask)


class MemoryRepository(Memory):
    """Holds state as `Repository` does, without a server; time passes only when told to.

    Attributes:
        history: When each event that is about a run was folded, and what became of it.
        reads: Rounds of reading that one fold gets.
        rounds: How many of them the last one took.
        touched: Documents that the last one read and wrote.
    """

    def __init__(self, *, reads: int = READS) -> None:
        super().__init__()
        self.now = T0
        self.reads = reads
        self.rounds = 0
        self.touched = 0
        self.history: list[tuple[datetime, Folded]] = []
        self.outbox: dict[str, Event] = {}
        self.deferred: list[tuple[Event, datetime]] = []

    def later(self, **duration: float) -> datetime:
        """Let time pass, as for `timedelta`."""
        self.now += timedelta(**duration)
        return self.now

    async def update(self, events: Sequence[Event], fold: Fold) -> Updated:
        """Do what `Repository.update` does."""
        return self.play(events, fold)

    def play(self, events: Sequence[Event], fold: Fold) -> Updated:
        """Read, fold until nothing more is needed, and keep the answer."""
        loaded = Loaded()
        needs = concerns(events)
        for reads in range(self.reads):
            self.read(needs, loaded)
            answer = fold(loaded, events, self.now, reads < self.reads - 1)
            if isinstance(answer, Decision):
                self.rounds = reads + 1
                read = len(loaded.tasks) + len(loaded.runs) + len(loaded.files)
                self.touched = read + len(answer.tasks) + len(answer.runs)
                return self._write(answer, loaded.tasks)
            needs = answer
        raise AssertionError("the fold asked for more in its last round")

    def confirmed(self, entries: Sequence[str]) -> None:
        """Forget what the broker has."""
        for entry in entries:
            del self.outbox[entry]

    def _write(self, decision: Decision, before: Mapping[str, Task | None]) -> Updated:
        for task in decision.tasks:
            self._guard(task, self.tasks.get(task.id))
        for run in decision.runs:
            self._guard(run, self.runs.get(run.id))
        self.keep(decision)
        self.history.extend((self.now, folded) for folded in decision.history)
        entries = tuple(f"{len(self.outbox)}:{event.id}" for event in decision.durable)
        self.outbox.update(zip(entries, decision.durable, strict=True))
        self.deferred.extend(decision.deferred)
        return Updated(decision, entries, before)

    @staticmethod
    def _guard(new: Task | Run, stored: Task | Run | None) -> None:
        """Refuse what the store would: what was not read from what lies there, since no retry would help."""
        if new.version != (stored.version if stored else 0):
            raise AssertionError(f"{new.id} would be written over another version")


class Scene:
    """A scheduler's state in memory, and short words for what happens to it.

    A step is named by its id, a map's item as ``map[0]``, a step of the run that a step stands for as
    ``step/its``, and a task of its own by its id.
    """

    def __init__(self, *, reads: int = READS) -> None:
        self.state = MemoryRepository(reads=reads)
        self.last = Decision()
        self.before: Mapping[str, Task | None] = {}
        self._commands = 0

    def play(self, *events: Event, may_lapse: bool = True) -> Decision:
        """Fold events as one batch, and give what was decided."""

        def decide(loaded: Loaded, batch: Sequence[Event], now: datetime, may_ask: bool) -> Decision | Needs:
            return fold(loaded, batch, now=now, may_lapse=may_lapse, may_ask=may_ask)

        updated = self.state.play(events, decide)
        self.last, self.before = updated.decision, updated.before
        return self.last

    def submit(
        self, run_id: str = "run", *, start: bool = True, value: JsonObject | None = None, **steps: JsonObject
    ) -> Decision:
        """Create a run; ``a={}`` is an ``echo`` step, ``b={"depends_on": ["a"]}`` one that waits for it."""
        return self.play(self.submitted(run_id, start=start, value=value, **steps))

    def submitted(
        self, run_id: str = "run", *, start: bool = True, value: JsonObject | None = None, **steps: JsonObject
    ) -> WorkflowCreated:
        """Ask for a run."""
        named = [{"id": name, "type": "task", "task": "echo", **step} for name, step in steps.items()]
        return self.asked(run_id, start=start, value=value, steps=named)

    def define(self, run_id: str = "run", **asked: Any) -> Decision:
        """Create a run of a definition, given as its fields; see `asked`."""
        return self.play(self.asked(run_id, **asked))

    def asked(
        self,
        run_id: str = "run",
        *,
        start: bool = True,
        value: JsonObject | None = None,
        subworkflows: JsonObject | None = None,
        **definition: Any,
    ) -> WorkflowCreated:
        """Ask for a run of a definition, checked as at the door."""
        return WorkflowCreated(
            workflow_id=run_id,
            partition_key=run_id,
            definition=dump(load({"name": run_id, **definition}, task_types=None)),
            subworkflows={
                name: dump(load(each, task_types=None)) for name, each in (subworkflows or {}).items()
            },
            input=value or {},
            start=start,
            time=self.state.now,
        )

    def create(self, task_id: str, **spec: object) -> Decision:
        """Create a task of its own; an ``echo`` unless told otherwise."""
        return self.play(self.created(task_id, **spec))

    def created(self, task_id: str, **spec: object) -> TaskCreated:
        """Ask for a task of its own."""
        asked = TaskSpec.model_validate({"type": "echo", **spec})
        return TaskCreated(task_id=task_id, task=asked, partition_key=task_id, time=self.state.now)

    def task(self, name: str, run_id: str = "run") -> Task:
        """Give a task by its name."""
        if "/" in name:
            step, _, inner = name.partition("/")
            return self.task(inner, self.task(step, run_id).child or "")
        of, _, item = name.removesuffix("]").rpartition("[")
        task_id = step_task_id(run_id, of, int(item)) if of else step_task_id(run_id, name)
        return self.state.tasks.get(task_id) or self.state.tasks[name]

    def item_id(self, step_id: str, index: int, run_id: str = "run") -> str:
        """Give the id of a map's item, whether it is there or not."""
        return step_task_id(run_id, step_id, index)

    def follow(self) -> Decision:
        """Fold the looks that the last decision owes, and those that these owe, until none is left."""
        while looks := [event for event in self.last.owed if isinstance(event, Check)]:
            self.play(*looks)
        return self.last

    def code(self, name: str) -> str | None:
        """Tell the code of a task's last error."""
        error = self.task(name).last_error
        return error.code if error else None

    def run(self, run_id: str = "run") -> Run:
        """Give a run."""
        return self.state.runs[run_id]

    def statuses(self, run_id: str = "run") -> dict[str, str]:
        """Tell the status of each of a run's steps."""
        return {
            task.step_id or "": str(task.status)
            for task in sorted(self.state.tasks.values(), key=lambda task: task.key)
            if task.workflow_id == run_id and task.status is not None
        }

    def file(self, path: str) -> StoredFile:
        """Let a file lie under a path."""
        file = StoredFile(object=f"objects/{path}", size=1, digest="sha256:" + "0" * 64, path=path)
        self.state.files[("default", path)] = file
        return file

    def started(self, name: str, **fields: object) -> AttemptStarted:
        """Say that a worker runs a task's open attempt."""
        return AttemptStarted.model_validate({"started_at": self.state.now, **self._report(name), **fields})

    def progressed(self, name: str, progress: float, **fields: object) -> AttemptProgressed:
        """Say that a worker came this far."""
        told = {"sequence": 1, "progress": progress, **self._report(name), **fields}
        return AttemptProgressed.model_validate(told)

    def succeeded(self, name: str, **fields: object) -> AttemptSucceeded:
        """Say that a worker has the result of a task's open attempt."""
        times = {"started_at": self.state.now, "completed_at": self.state.now}
        return AttemptSucceeded.model_validate({**times, **self._report(name), **fields})

    def failed(self, name: str, *, retryable: bool = False, **fields: object) -> AttemptFailed:
        """Say that a worker gave up on a task's open attempt."""
        told = {"code": "boom", "message": "it broke", "retryable": retryable, **self._report(name)}
        times = {"started_at": self.state.now, "completed_at": self.state.now}
        return AttemptFailed.model_validate({**times, **told, **fields})

    def released(self, name: str, **fields: object) -> AttemptReleased:
        """Say that a worker gives a task's open attempt back."""
        return AttemptReleased.model_validate({**self._report(name), **fields})

    def command(self, task_id: str, command: str) -> TaskCommand:
        """Ask for something to be done with a task; each call is a command of its own."""
        self._commands += 1
        told = {"command_id": str(self._commands), "task_id": task_id, "partition_key": task_id}
        return TaskCommand.model_validate({**told, "command": command})

    def run_command(self, run_id: str, command: str, **arguments: Any) -> WorkflowCommand:
        """Ask for something to be done with a run; each call is a command of its own, newer than the last."""
        self._commands += 1
        return WorkflowCommand.model_validate(
            {
                "command_id": str(self._commands),
                "sequence": self._commands,
                "workflow_id": run_id,
                "partition_key": run_id,
                "command": command,
                "arguments": arguments,
            }
        )

    def say(self, name: str, **payload: Any) -> Decision:
        """Send a signal to the run."""
        return self.play(self.run_command("run", "signal", name=name, payload=payload))

    def due(self, name: str) -> Check:
        """Look at a task whose retry is due, or whose wait is over."""
        return self.check(name, Saw.RETRY_DUE)

    def overdue(self, name: str) -> Check:
        """Look at a task that has run too long."""
        return self.check(name, Saw.OVERDUE)

    def check(self, name: str, saw: Saw) -> Check:
        """Look at a task for what is due, as a timer or sweep that saw it now would."""
        task = self.task(name)
        moments = {
            Saw.RETRY_DUE: task.due_at,
            Saw.WAIT_OVER: task.due_at,
            Saw.STUB_EXPIRED: task.due_at,
            Saw.OVERDUE: task.deadline,
            Saw.LEASE_LAPSED: task.lease_until,
            Saw.UNTAKEN: task.ready_at,
        }
        at = moments.get(saw) or self.state.now
        return Check(task_id=task.id, attempt=task.attempt, saw=saw, at=at, partition_key=task.partition_key)

    def _report(self, name: str) -> JsonObject:
        task = self.task(name)
        return {
            "task_id": task.id,
            "attempt": task.attempt,
            "execution": "execution",
            "worker": "worker",
            "partition_key": task.partition_key,
        }
