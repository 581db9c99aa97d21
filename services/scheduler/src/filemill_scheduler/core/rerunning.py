"""Running parts of an ended run again: what is reset, what is opened again, and what stays as it is.

A step that runs again is *reset*: it waits anew, with the next attempt's number. A parallel or map of which
only a part runs again is *opened*: what else lies in it keeps its result. Whatever depends on either is reset
too, and so is everything under ``finally``. What never began is reset as a whole with what lies in it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from filemill_common.events import Counts, TaskStatus, WorkflowStarted, WorkflowStatus
from filemill_scheduler.core.choices import heard, names
from filemill_scheduler.core.inside import blame, recounted
from filemill_scheduler.core.maps import slots
from filemill_scheduler.core.rules import count_ended
from filemill_scheduler.core.scopes import advance
from filemill_scheduler.core.state import Run, Task, Unmet, replace
from filemill_scheduler.core.transitions import noted, run_event
from filemill_scheduler.core.view import View

_BECAUSE_OF_FAILURE = frozenset({"upstream_failed", "run_failed"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the tasks of a run, by their ids; the others stay as they are.

    Attributes:
        reset: Tasks that run again.
        opened: Parallels and maps of which a part does.
        dropped: Items of maps that make their items anew.
    """

    reset: frozenset[str]
    opened: frozenset[str]
    dropped: frozenset[str]


def rerun(
    view: View, run: Run, *, sequence: int = 0, step: object = None, index: object = None
) -> tuple[str, str] | None:
    """Run an ended run's failed steps again, or one step, or one item of a map; and what depends on it.

    A failure that is not run again stands: what it lies in fails once more, when all of it has ended.

    Args:
        view: What is changed.
        run: Has ended.
        sequence: Of the command; a pause that is older does not hold what now begins.
        step: Id of the step; None for all that failed, or did not run because of that.
        index: Of the item, if the step is a map.

    Returns:
        Code and sentence if that cannot be.
    """
    tasks = [task for task in view.steps(run.id) if task.status is not None]
    chosen = _chosen(tasks, step, index)
    if isinstance(chosen, str):
        return "command_not_applicable", chosen
    known = {task.id: task for task in tasks}
    plan = planned(known, chosen)
    inside: dict[str, list[Task]] = {}
    for task in tasks:
        inside.setdefault(task.ancestors[-1] if task.ancestors else "", []).append(task)
    after = [_after(task, plan, known, inside.get(task.id, ()), now=view.now) for task in tasks]
    for before, task in zip(tasks, after, strict=True):
        if task is not before:
            view.put(task)
    run = view.put_run(replace(_reopened(view, run, after), held_sequence=max(run.held_sequence, sequence)))
    view.owe(run_event(WorkflowStarted, run, now=view.now))
    view.due.extend(task.id for task in after if task.status is TaskStatus.PENDING)
    advance(view, run.id)
    return None


def _chosen(tasks: Sequence[Task], step: object, index: object) -> set[str] | str:
    if step is None:
        bad = {task.id: task for task in tasks if _is_bad(task)}
        # What failed because of what lies in it is opened, and not done all over again.
        began = {task.id for task in tasks if task.started_at is not None}
        caused = {outer for task in bad.values() for outer in task.ancestors if outer in began}
        return set(bad) - caused or "no step has failed; name the one to run again"
    item = None if index is None else index
    found = {task.id for task in tasks if _is_named(task, step, item)}
    return found or f"there is no step {step!r}" + ("" if item is None else f" with an item {item!r}")


def _is_named(task: Task, step: object, item: object) -> bool:
    if item is None:
        return task.item is None and task.step_id == step
    return task.item == item and task.parent == step


def _is_bad(task: Task) -> bool:
    if task.status is TaskStatus.SKIPPED:
        return task.reason in _BECAUSE_OF_FAILURE
    return task.status in {TaskStatus.FAILED, TaskStatus.CANCELLED}


def planned(tasks: Mapping[str, Task], chosen: Iterable[str]) -> Plan:
    """Follow what must run again from what was chosen."""
    inside: dict[str, list[str]] = {}
    for task in tasks.values():
        for outer in task.ancestors:
            inside.setdefault(outer, []).append(task.id)
    reset: set[str] = set()
    opened: set[str] = set()
    rest = [*chosen, *(task.id for task in tasks.values() if task.in_finally)]
    while rest:
        found = rest.pop()
        if found not in tasks or found in reset:
            continue
        task = tasks[found]
        reset.add(task.id)
        rest += task.dependents
        if task.kind == "parallel":
            rest += inside.get(task.id, ())
        for outer in task.ancestors:
            if tasks[outer].started_at is None:
                rest.append(outer)
            elif outer not in opened:
                opened.add(outer)
                rest += tasks[outer].dependents
    dropped = {each for outer in reset if tasks[outer].kind == "map" for each in inside.get(outer, ())}
    return Plan(frozenset(reset - dropped), frozenset(opened - reset - dropped), frozenset(dropped))


def _after(
    task: Task, plan: Plan, known: Mapping[str, Task], inside: Sequence[Task], *, now: datetime
) -> Task:
    if task.id in plan.reset:
        return _reset(task, plan, known, now=now)
    if task.id in plan.opened:
        return _opened(_fresh(task, known, now=now), task, plan, inside, now=now)
    if task.id in plan.dropped:
        return replace(_fresh(task, known, now=now), status=None)
    return task


def _fresh(task: Task, known: Mapping[str, Task], *, now: datetime) -> Task:
    """Keep what the last attempt of a task came to among those before; the next one has the next number.

    Tasks outside the run were told how it ended, and are not told again.
    """
    if task.ran and task.ran not in {each.number for each in task.attempts}:
        task = noted(task, str(task.status), at=task.completed_at or now, error=task.error)
    return replace(
        task,
        attempt=max(task.attempt, task.ran + 1),
        reason=None,
        output=None,
        error=None,
        progress=0,
        message=None,
        started_at=None,
        completed_at=None,
        duration=None,
        retry_count=0,
        losses=0,
        checkpoint=None,
        input=None,
        child=None,
        queue=(),
        dependents=tuple(each for each in task.dependents if each in known),
    )


def _reset(task: Task, plan: Plan, known: Mapping[str, Task], *, now: datetime) -> Task:
    """Let a task wait anew: what it depends on and is not done again counts as it did."""
    needed = [known[each] for each in task.depends_on if each in known]
    gates = sum(task.step_id in names(each) for each in needed)
    inside = Unmet(total=task.inside.total) if task.kind == "parallel" else Unmet()
    task = replace(
        _fresh(task, known, now=now),
        status=TaskStatus.PENDING,
        unmet=Unmet(total=len(task.depends_on), gates=gates),
        barred=False,
        inside=inside,
    )
    for each in needed:
        if each.id not in plan.reset and each.id not in plan.opened:
            task = heard(replace(task, unmet=count_ended(task.unmet, each)), each)
    return task


def _opened(fresh: Task, task: Task, plan: Plan, inside: Sequence[Task], *, now: datetime) -> Task:
    """Let a parallel or map go on: what lies directly in it and is not done again counts as it did.

    A map's item that is a map itself waits for its turn among the others.
    """
    again = {each.id: each.item for each in inside if each.id in plan.reset or each.id in plan.opened}
    fresh = recounted(fresh, (each for each in inside if each.id not in again))
    if task.kind == "map":
        items = sorted(item for item in again.values() if item is not None)
        fresh = replace(fresh, queue=tuple(items)[slots(task) :])
    if task.item is not None:
        return replace(fresh, status=TaskStatus.PENDING, started_at=task.started_at)
    return replace(
        fresh,
        status=TaskStatus.RUNNING,
        ran=fresh.attempt,
        started_at=now,
        deadline=now + timedelta(seconds=task.timeout) if task.timeout is not None else None,
    )


def _reopened(view: View, run: Run, tasks: Iterable[Task]) -> Run:
    steps = [task for task in tasks if task.item is None]
    still_open = [task for task in steps if task.is_open]
    ended = [task.status.value for task in steps if task.status is not None and task.status.is_final]
    failed = [task for task in steps if not task.ancestors and not task.in_finally and task.is_failure]
    outputs = {
        task.step_id: run.outputs[task.step_id]
        for task in steps
        if task.step_id in run.outputs and task.status is TaskStatus.COMPLETED
    }
    kept = (task.output for task in steps if task.status is TaskStatus.COMPLETED and task.output)
    return replace(
        run,
        status=WorkflowStatus.RUNNING,
        outcome=None,
        error=blame(failed[0]) if failed else None,
        draining=False,
        finishing=False,
        left=sum(not task.in_finally for task in still_open),
        finally_left=sum(task.in_finally for task in still_open),
        counts=Counts(total=len(steps), **{status: ended.count(status) for status in set(ended)}),
        outputs=outputs,
        outputs_size=sum(len(json.dumps(output)) for output in kept),
        started_at=view.now,
        completed_at=None,
        duration=None,
        waits={},
    )
