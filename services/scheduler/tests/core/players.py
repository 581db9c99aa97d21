"""Plays a random workflow: all that can happen comes in any order, repeated, in batches of any size."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random

from filemill_common.events import (
    AttemptReleased,
    Check,
    Event,
    JsonObject,
    Saw,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReady,
    TaskSkipped,
    TaskStarted,
    TaskStatus,
    WorkflowCommand,
    WorkflowEvent,
)
from filemill_scheduler.core import Run, Task
from filemill_scheduler.core.rules import count_ended
from filemill_scheduler.core.state import Unmet
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.workflows import Workflow, allows

_ENDS = (TaskCompleted, TaskFailed, TaskCancelled, TaskSkipped)
_MOST_FOLDS = 3_000


class Player:
    """Plays one workflow.

    Args:
        workflow: What to play.
        chances: Decides what comes when; without it all comes once and in order.
        reads: Rounds of reading that a fold gets.
    """

    def __init__(self, workflow: Workflow, chances: Random | None = None, *, reads: int = 20) -> None:
        self.workflow = workflow
        self.chances = chances
        self.scene = Scene(reads=reads)
        self.looks: list[Event] = []
        """Checks that were owed and have not been delivered."""
        self.sent: list[Event] = []
        self.said: set[str] = set()
        self.ends: Counter[str] = Counter()
        """How often each task, and each run, was told to have ended."""
        self.reruns = 0
        self.fold(self.scene.asked(**workflow.definition, subworkflows=workflow.subworkflows))

    @property
    def tasks(self) -> list[Task]:
        """All tasks that are not deleted."""
        return [task for task in self.scene.state.tasks.values() if task.status is not None]

    def path(self, task: Task) -> str:
        """Name a task as the workflow's plans do."""
        run = self.scene.state.runs[task.workflow_id or ""]
        above = self.scene.state.tasks.get(run.parent_task_id or "")
        return f"{self.path(above)}/{task.step_id}" if above else task.step_id or ""

    def play(self, command: Callable[[], Event | None] = lambda: None) -> None:
        """Let all happen that can, until nothing can any more."""
        for _ in range(_MOST_FOLDS):
            coming = [*self.looks, *self.reports(), *self.signals()]
            if extra := command():
                coming.append(extra)
            if not coming:
                return
            self.fold(*self.batch(coming))
        raise AssertionError("it does not end")

    def batch(self, coming: list[Event]) -> list[Event]:
        """Choose what comes now."""
        if self.chances is None:
            return coming[:1]
        self.chances.shuffle(coming)
        batch = coming[: self.chances.choice((1, 1, 2, 4, len(coming)))]
        if self.sent and self.chances.random() < 0.3:
            batch += self.chances.choices(self.sent, k=self.chances.choice((1, 3)))
            self.chances.shuffle(batch)
        return batch

    def reports(self) -> Iterator[Event]:
        """Give what workers and timers could say now."""
        for task in self.tasks:
            if task.is_open and (event := self.report(task)) is not None:
                yield event

    def report(self, task: Task) -> Event | None:
        """Give what could be said of an open task next."""
        match task.kind, task.status:
            case _, TaskStatus.RETRYING if task.due_at is not None:
                return self.look(task, Saw.RETRY_DUE)
            case "task", TaskStatus.READY | TaskStatus.RUNNING:
                return self.attempt(task)
            case "wait", TaskStatus.RUNNING if task.due_at is not None:
                return self.look(task, Saw.WAIT_OVER)
            case "wait", TaskStatus.RUNNING if self.path(task) in self.workflow.timed_out:
                return self.look(task, Saw.OVERDUE)
            case _:
                return None

    def attempt(self, task: Task) -> Event | None:
        """Give what becomes of an attempt."""
        plan = self.workflow.plan(self.path(task))
        match plan[min(task.attempt, len(plan)) - 1]:
            case "ok":
                return self.scene.succeeded(task.id)
            case "lost" if task.status is TaskStatus.READY:
                return self.scene.started(task.id)
            case "lost":
                return self.look(task, Saw.LEASE_LAPSED)
            case "release":
                return AttemptReleased.model_validate(self.scene.released(task.id).model_dump())
            case how:
                return self.scene.failed(task.id, retryable=how == "retry")

    def look(self, task: Task, saw: Saw) -> Check:
        """Look at a task when the time has come for it."""
        moment = task.lease_until if saw is Saw.LEASE_LAPSED else task.due_at or task.deadline
        self.scene.state.now = max(self.scene.state.now, moment or self.scene.state.now) + timedelta(
            seconds=1
        )
        return self.scene.check(task.id, saw)

    def signals(self) -> Iterator[Event]:
        """Give the signals that somebody waits for, or now and then one that comes before."""
        run = self.scene.run()
        for task in self.tasks if run.is_open else ():
            if task.kind != "wait" or not task.is_open or task.workflow_id != "run":
                continue
            name = task.step_id or ""
            waits = task.status is TaskStatus.RUNNING and task.due_at is None
            early = self.chances is not None and self.chances.random() < 0.1 and name not in self.said
            if name not in self.workflow.timed_out and (task.spec or {}).get("signal") and (waits or early):
                self.said.add(name)
                yield self.scene.run_command("run", "signal", name=name, payload={"by": "me"})

    def fold(self, *events: Event) -> None:
        """Fold a batch, note what it owes, and see that all that must always hold does."""
        self.looks = [look for look in self.looks if look not in events]
        self.sent += events
        before = dict(self.scene.state.runs)
        rest = list(events)
        reruns = any(isinstance(event, WorkflowCommand) and event.command == "rerun" for event in events)
        while rest:
            decision = self.scene.play(*rest)
            assert decision.taken > 0
            assert not decision.parked
            del rest[: decision.taken]
            self.looks += [event for event in decision.owed if isinstance(event, Check)]
            for event in decision.owed:
                if isinstance(event, _ENDS):
                    self.ends[event.task.id] += 1
                elif isinstance(event, WorkflowEvent) and not event.transient:
                    self.ends[event.workflow.id] += 1
                if not reruns or len(events) == 1:  # what began in a batch may begin anew in it
                    self._has_begun_rightly(event)
        self._keeps_to_concurrency()
        self._holds_what_is_paused(before, events)

    def _has_begun_rightly(self, event: Event) -> None:
        """See that a step that begins may do so."""
        match event:
            case TaskReady():
                task = self.scene.state.tasks[event.task_id]
            case TaskStarted() | TaskCompleted() if event.task.kind != "task":
                task = self.scene.state.tasks[event.task.id]
            case _:
                return
        if task.workflow_id is None or task.status is None:
            return
        needed = [self.scene.state.tasks[each] for each in task.depends_on]
        ends = [_read(each) for each in needed]
        assert allows(task.trigger_rule, ends), (task.step_id, task.trigger_rule, ends)
        for each in needed:
            named = (each.spec or {}).get("named", ()) if each.kind == "condition" else ()
            assert task.step_id not in named or not each.is_open, (task.step_id, "before", each.step_id)
        assert all(self.scene.state.tasks[around].started_at is not None for around in task.ancestors)
        if task.in_finally:
            others = [
                each for each in self.tasks if each.workflow_id == task.workflow_id and not each.in_finally
            ]
            assert not any(each.is_open for each in others)

    def _keeps_to_concurrency(self) -> None:
        under_way = Counter(
            task.ancestors[-1]
            for task in self.tasks
            if task.item is not None and task.is_open and task.status is not TaskStatus.PENDING
        )
        for task_id, count in under_way.items():
            spec: JsonObject = self.scene.state.tasks[task_id].spec or {}
            assert count <= (spec.get("max_concurrency") or 1000)

    def _holds_what_is_paused(self, before: dict[str, Run], events: tuple[Event, ...]) -> None:
        run = self.scene.run()
        if "run" not in before or not before["run"].held or not run.held:
            return
        if not any(isinstance(event, WorkflowCommand) for event in events):
            began = [event for event in self.scene.last.owed if isinstance(event, TaskReady | TaskStarted)]
            ids = [event.task_id if isinstance(event, TaskReady) else event.task.id for event in began]
            offered = [event.task_id for event in began if isinstance(event, TaskReady)]
            controls = [each for each in ids if self.scene.state.tasks[each].kind != "task"]
            held = [
                each for each in (*offered, *controls) if self.scene.state.tasks[each].workflow_id == "run"
            ]
            assert not held, held

    def see_that_all_is_over(self) -> None:
        """See that every run has ended, that counts are right, and that nothing is left or said twice."""
        for run in self.scene.state.runs.values():
            steps = [task for task in self.tasks if task.workflow_id == run.id and task.item is None]
            if run.status is None and run.id != "run":
                continue  # it stood for a map's item that a rerun made anew, and was deleted with that
            assert run.status is not None
            assert run.status.is_final, run.status
            counted = {name: count for name, count in run.counts.model_dump().items() if count}
            assert counted == {"total": len(steps), **Counter(str(task.status) for task in steps)}
            assert (run.left, run.finally_left, run.waits) == (0, 0, {})
            assert 1 <= self.ends[run.id] <= 1 + self.reruns
        for task in self.tasks:
            assert not task.is_open
            assert not task.unsettled
            assert 1 <= self.ends[task.id] <= 1 + self.reruns, task.step_id
        before = dict(self.scene.state.tasks)
        for event in self.sent:
            assert self.scene.play(event).stores_nothing, event
        assert self.scene.state.tasks == before


def _read(task: Task) -> str | None:
    if task.is_open:
        return None
    ended = count_ended(Unmet(), task)
    return "s" if ended.succeeded else "f" if ended.failed else "-"
