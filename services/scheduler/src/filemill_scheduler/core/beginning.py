"""How a step begins: trigger rule, then ``if``, then inputs, each only if the one before lets it."""

from typing import cast

from filemill_common.events import TaskStatus, WorkflowStatus
from filemill_common.language.words import TriggerRule
from filemill_scheduler.core.choices import begin_condition
from filemill_scheduler.core.maps import begin_map
from filemill_scheduler.core.readiness import NotReadyError, decided, prepare
from filemill_scheduler.core.rules import Verdict, verdict
from filemill_scheduler.core.scopes import begin_parallel
from filemill_scheduler.core.state import Task
from filemill_scheduler.core.subworkflows import begin_subworkflow
from filemill_scheduler.core.transitions import fail, offer, skip
from filemill_scheduler.core.view import View
from filemill_scheduler.core.waits import begin_wait

_BEGIN = {
    "condition": begin_condition,
    "parallel": begin_parallel,
    "map": begin_map,
    "wait": begin_wait,
    "subworkflow": begin_subworkflow,
}


def begin_if_due(view: View, task: Task) -> None:
    """Begin or skip a pending task, if those that it waits for have decided it."""
    if task.status is not TaskStatus.PENDING or not _has_its_turn(view, task):
        return
    if task.barred:
        skip(view, task, reason="condition")
    elif task.unmet.gates == 0:
        match verdict(cast("TriggerRule", task.trigger_rule), task.unmet):
            case Verdict.WAIT:
                pass
            case Verdict.BEGIN:
                begin(view, task)
            case reason:
                skip(view, task, reason=reason.value)


def begin(view: View, task: Task) -> None:
    """Begin a task now: skips it if its ``if`` says so, fails it if what it needs is not there."""
    try:
        if task.condition is not None and not decided(view, task, task.condition):
            skip(view, task, reason="condition")
        elif task.kind == "task":
            offer(view, prepare(view, task))
        else:
            _BEGIN[task.kind](view, task)
    except NotReadyError as error:
        fail(view, task, error.failure)


def _has_its_turn(view: View, task: Task) -> bool:
    """Whether what it lies in has begun: its run, its parallel, its map as far as this item."""
    if task.workflow_id is None:
        return True
    run = view.run(task.workflow_id)
    if run is None or run.status is not WorkflowStatus.RUNNING or run.held:
        return False
    if not task.ancestors:
        return not task.in_finally or run.finishing
    parent = view.task(task.ancestors[-1])
    if parent is None or parent.status is not TaskStatus.RUNNING:
        return False
    return task.item is None or task.item not in parent.queue
