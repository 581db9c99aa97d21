"""All rules together, and what must be so at the end."""

import traceback
from collections import Counter
from collections.abc import Sequence

from filemill_common.events import TaskCommand, TaskCreated, WorkflowCommand, WorkflowCreated
from filemill_common.messaging.topology import PARKING_LOT
from tests.simulation.documents import FINAL, state
from tests.simulation.rules_book import Book
from tests.simulation.rules_history import HistoryRules
from tests.simulation.rules_notices import NoticeRules
from tests.simulation.rules_runs import RunRules
from tests.simulation.rules_scopes import ScopeRules
from tests.simulation.rules_steps import StepRules
from tests.simulation.rules_tasks import TaskRules
from tests.simulation.store import Change
from tests.simulation.story import Request
from tests.simulation.world import Process, World

_PATIENCE = 40.0
"""Seconds for which an early command is put off at the least."""

_STOPPED_WITHIN = 12.0
"""Seconds: two silent heartbeats, and what it takes to be told."""


class Rules:
    """Looks at every commit, and at everything at the end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tasks = TaskRules(world)
        self.notices = NoticeRules(world)
        self._book = Book(world)
        self._steps = StepRules(self._book)
        self._scopes = ScopeRules(self._book)
        self._runs = RunRules(self._book)
        self._history = HistoryRules(world)
        self._accepted: dict[str, tuple[Request, float]] = {}
        world.database.watchers.append(self._committed)

    def accepted(self, request: Request) -> None:
        """Note that somebody was promised something."""
        self._accepted.setdefault(request.event.id, (request, self.world.loop.time()))

    def _committed(self, process: Process, changes: Sequence[Change]) -> None:
        self._book.note(changes)
        for rules in (self.tasks, self.notices, self._steps, self._scopes, self._runs):
            try:
                rules.look(changes)
            except Exception as error:  # noqa: BLE001 - else it would look like a service's own
                self.world.violate("every rule can look", traceback.format_exc() + repr(error))

    def unrest(self) -> list[str]:
        """Tell what is still to be done, but for notifications."""
        world = self.world
        found = [
            f"{name} is not empty" for name, queue in world.broker.queues.items() if _is_busy(name, queue)
        ]
        found += [f"{world.broker.late} repetitions are to come"] * bool(world.broker.late)
        documents = world.database.collections
        found += [f"{len(documents['outbox'])} events are owed"] * bool(documents.get("outbox"))
        for task_id, task in documents.get("tasks", {}).items():
            if state(task) in FINAL or state(task) == "deleted" or self._waits_for_start(task):
                continue
            if state(task) != "stub" or task.get("due_at") is not None:
                found.append(f"task {task_id} is {state(task)}")
        for run_id, run in documents.get("workflows", {}).items():
            if state(run) in {"running", "paused"}:
                found.append(f"run {run_id} is {state(run)}")
        for execution in world.executions:
            if execution.ended is None and execution.process.is_alive:
                found.append(f"{execution.process.name} still runs {execution.task_id}")
        return found

    def _waits_for_start(self, task: dict[str, object]) -> bool:
        run_id = task.get("workflow_id")
        documents = self.world.database.collections
        if isinstance(run_id, str):
            return state(documents["workflows"].get(run_id)) == "pending"
        if task.get("status") != "pending":
            return False
        needed = [documents["tasks"].get(str(each)) for each in _list(task.get("depends_on"))]
        return any(
            each is not None and state(each) == "pending" and self._waits_for_start(each) for each in needed
        )

    def undelivered(self) -> bool:
        """Tell whether a notification is still to be brought."""
        deliveries = self.world.database.collections.get("deliveries", {})
        queue = self.world.broker.queues["notifier.events"]
        return _is_busy("", queue) or any(each["status"] == "pending" for each in deliveries.values())

    def at_the_end(self) -> None:
        """Look at everything, now that all is quiet, or should be."""
        world = self.world
        for each in self.unrest():
            world.violate("all comes to rest", each)
        for request, at in self._accepted.values():
            self._kept(request, at)
        parked = [str(each) for each in world.broker.published if each.key == PARKING_LOT]
        refused = {each.event.id for each in world.story.requests if each.refused}
        parked = [
            str(each)
            for each in world.broker.published
            if each.key == PARKING_LOT and each.properties.message_id not in refused
        ]
        world.hold("nothing is parked that is in order", ", ".join(parked), if_=not parked)
        self.notices.at_the_end()
        self._runs.at_the_end()
        self._history.at_the_end()
        if world.is_fault_free:
            self._without_faults()

    def _kept(self, request: Request, at: float) -> None:
        """Look whether what was promised was done."""
        world, event = self.world, request.event
        documents = world.database.collections
        match event:
            case _ if request.refused:
                return
            case TaskCreated():
                there = state(documents["tasks"].get(event.task_id))
                world.hold("what was accepted is there", event.task_id, if_=there not in {"absent", "stub"})
            case WorkflowCreated():
                run = documents["workflows"].get(event.workflow_id)
                world.hold("what was accepted is there", event.workflow_id, if_=run is not None)
            case TaskCommand() | WorkflowCommand():
                is_done = event.id in self.tasks.applied or event.subject in self.tasks.deleted
                created = [
                    moment
                    for other, moment in self._accepted.values()
                    if isinstance(other.event, (TaskCreated, WorkflowCreated))
                    and other.event.subject == event.subject
                ]
                if created and min(created) < at + _PATIENCE:
                    world.hold("no command is dropped", f"{event.id} for {event.subject}", if_=is_done)
            case _:
                raise TypeError(type(event).__name__)

    def _without_faults(self) -> None:
        """Look whether anything was done twice, or repaired, though nothing went wrong."""
        world = self.world
        for what in ("outbox", "lease", "untaken"):
            repaired = world.metrics.repairs.labels(what)._value.get()
            world.hold("without faults nothing is repaired", f"{repaired:g} of {what}", if_=repaired == 0)
        runs = Counter((each.task_id, each.attempt) for each in world.executions)
        twice = [str(each) for each, times in runs.items() if times > 1]
        world.hold("without faults no attempt runs twice", ", ".join(twice), if_=not twice)
        for execution in world.executions:
            closed = self.tasks.closed_at.get((execution.task_id, execution.attempt))
            if closed is not None and execution.ended_at is not None:
                in_time = execution.ended_at <= max(closed, execution.began) + _STOPPED_WITHIN
                world.hold("a closed attempt is stopped", execution.task_id, if_=in_time)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_busy(name: str, queue: object) -> bool:
    ready, unacked = getattr(queue, "ready", ()), getattr(queue, "unacked", 0)
    return name != PARKING_LOT and bool(ready or unacked)
