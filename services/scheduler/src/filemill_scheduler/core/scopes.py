"""What the end of a task means for what it lies in: its parallel or map, and its run.

A failure reaches as far as what the task lies directly in: there the failure policy decides, and what comes
of it is a failure of the parallel or map, which reaches one further. A run ends when its last step has, those
under ``finally`` included, which begin when all others have ended.
"""

import json
from collections.abc import Iterable
from datetime import timedelta

from filemill_common.events import (
    Check,
    Failure,
    Saw,
    TaskStatus,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowEvent,
    WorkflowFailed,
    WorkflowStatus,
)
from filemill_scheduler.core.inside import blame, counted, failure_by
from filemill_scheduler.core.maps import finish_map, next_item
from filemill_scheduler.core.policy import OUTPUTS_LIMIT
from filemill_scheduler.core.readiness import outcome
from filemill_scheduler.core.state import Run, Task, replace
from filemill_scheduler.core.transitions import cancel, check, conclude, fail, occupy, offer, run_event, skip
from filemill_scheduler.core.view import View
from filemill_scheduler.core.waits import forget


def begin_parallel(view: View, task: Task) -> None:
    """Let the steps begin that lie in a parallel and wait for nothing else."""
    inside = view.steps(task.workflow_id or "", task.index + 1, task.last)
    if not task.inside.total:
        conclude(view, task, {})
        return
    occupy(view, task)
    for each in inside:
        if each.ancestors[-1] == task.id:
            view.due.append(each.id)
            if not each.is_open:  # somebody cancelled it before it could have begun
                _count_inside(view, view.task(task.id) or task, each)


def leave(view: View, task: Task) -> None:
    """Count a task that ended in its run and in what it lies in, and do what that brings about.

    What stands for it is told also if its run has ended before this could be decided.
    """
    if task.child is not None and task.status is not TaskStatus.COMPLETED:
        view.owe(check(task, Saw.SUBWORKFLOW, at=view.now, now=view.now))
    run = view.run(task.workflow_id) if task.workflow_id else None
    if run is None or not run.is_open:
        return
    around = view.tasks(task.ancestors)
    if task.kind in {"parallel", "map"} and task.status is not TaskStatus.COMPLETED:
        stop_inside(view, task, reason=_inherited(task))
    run = _count(view, run, task)
    if around and around[-1] is not None:
        _count_inside(view, around[-1], task)
    elif task.is_failure:
        _fail_run(view, run, task)
    advance(view, run.id)


def _count(view: View, run: Run, task: Task) -> Run:
    """Count a step that ended in its run; keep its output there if there is room."""
    left = forget(run, task)
    if task.item is None and task.status is not None:
        status = task.status.value
        counts = left.counts.model_copy(update={status: getattr(left.counts, status) + 1})
        left = replace(
            left,
            counts=counts,
            left=left.left - (not task.in_finally),
            finally_left=left.finally_left - task.in_finally,
        )
        if task.status is TaskStatus.COMPLETED and task.output and task.step_id:
            size = left.outputs_size + len(json.dumps(task.output))
            kept = {**left.outputs, task.step_id: task.output} if size <= OUTPUTS_LIMIT else left.outputs
            left = replace(left, outputs=kept, outputs_size=size)
    return left if left is run else view.put_run(left)


def _count_inside(view: View, around: Task, task: Task) -> None:
    """Count a task that ended in the parallel or map that it lies in; end that with the last."""
    if around.status is not TaskStatus.RUNNING:
        return
    inside = counted(around.inside, task)
    around = view.put(replace(around, inside=inside, progress=round(100 * inside.ended / inside.total, 2)))
    if task.is_failure and around.error is None:
        around = _fail_around(view, around, task)
    if inside.ended < inside.total:
        if around.kind == "map":
            next_item(view, around, after=task)
    elif around.kind == "map":
        finish_map(view, around)
    elif around.error is not None:
        fail(view, around, around.error)
    else:
        conclude(view, around, {})


def _fail_around(view: View, around: Task, task: Task) -> Task:
    """Note the first failure that a parallel or map does not tolerate, and do what its policy says."""
    policy = (around.spec or {}).get("failure_policy", "fail_fast")
    error = failure_by(around, task)
    if error is None:
        return around
    around = view.put(replace(around, error=error, queue=()))
    if policy != "continue":
        stop_inside(view, around, reason="run_failed", under_way=policy == "fail_fast")
    return around


def stop_inside(view: View, around: Task, *, reason: str, under_way: bool = True) -> None:
    """Skip what lies in a parallel or map, at whatever depth, and has not begun.

    What is ``under_way`` is cancelled, or else left to finish.
    """
    for each in view.steps(around.workflow_id or "", around.index, around.last):
        if each.is_open and around.id in each.ancestors:
            if each.status is TaskStatus.PENDING:
                skip(view, each, reason=reason)
            elif under_way:
                cancel(view, each)


def _inherited(task: Task) -> str:
    """Tell why what lies in a step does not run if the step itself does not."""
    if task.status is TaskStatus.SKIPPED and task.reason in {"condition", "upstream_skipped"}:
        return "upstream_skipped"
    return task.reason or "run_failed"


def _fail_run(view: View, run: Run, task: Task) -> None:
    """Note the first failure of a run, and do what its policy says; one under ``finally`` stops nothing.

    Nor has one that a rerun leaves standing stopped what is run again: a new one does.
    """
    if run.outcome not in {None, WorkflowStatus.COMPLETED}:
        return
    error = run.error or blame(task)
    if run.failure_policy == "fail_fast" and not task.in_finally:
        end_run(view, run, WorkflowStatus.FAILED, error=error)
    elif run.failure_policy == "continue" or task.in_finally or run.draining:
        if run.error is None:
            view.put_run(replace(run, error=error))
    else:
        open_tasks = view.open_tasks(run.id)
        view.put_run(replace(run, error=error, draining=True))
        for each in open_tasks:
            if each.status is TaskStatus.PENDING and not each.in_finally:
                skip(view, each, reason="run_failed")


def end_run(
    view: View, run: Run, status: WorkflowStatus, *, error: Failure | None = None, wholly: bool = False
) -> None:
    """Settle what a run comes to, and stop whatever it still has open but its ``finally`` steps.

    What is under way is cancelled. What has not begun is skipped (``run_failed``) when the run failed,
    and cancelled when somebody cancelled it, which also ends a pause. ``wholly`` stops the ``finally`` steps
    too, as it does in a run that never began.
    """
    open_tasks = view.open_tasks(run.id)
    run = view.put_run(replace(run, outcome=status, error=error or run.error))
    resumed = status is WorkflowStatus.CANCELLED and run.held
    if resumed:
        run = view.put_run(replace(run, held=False, status=WorkflowStatus.RUNNING))
    wholly = wholly or run.started_at is None
    for task in open_tasks:
        current = view.task(task.id)
        if current is None or not current.is_open or (current.in_finally and not wholly):
            continue
        if current.status is TaskStatus.PENDING and status is WorkflowStatus.FAILED:
            skip(view, current, reason="run_failed")
        else:
            cancel(view, current)
    if resumed:
        go_on(view, open_tasks)


def go_on(view: View, tasks: Iterable[Task]) -> None:
    """Let what a pause held begin, or be tried again."""
    for task in tasks:
        current = view.task(task.id) or task
        if current.status is TaskStatus.PENDING:
            view.due.append(current.id)
        elif current.status is TaskStatus.RETRYING and current.due_at is None:
            offer(view, current)
        tell_child(view, current)


def tell_child(view: View, task: Task) -> None:
    """Have the run that a step stands for brought in line with it, if that is under way."""
    if task.kind == "subworkflow" and task.status is TaskStatus.RUNNING:
        view.owe(check(task, Saw.SUBWORKFLOW, at=view.now, now=view.now))


_RUN_ENDED: dict[WorkflowStatus, type[WorkflowEvent]] = {
    WorkflowStatus.COMPLETED: WorkflowCompleted,
    WorkflowStatus.FAILED: WorkflowFailed,
    WorkflowStatus.CANCELLED: WorkflowCancelled,
}


def advance(view: View, run_id: str) -> None:
    """Let the ``finally`` steps begin once all others have ended; end the run once they have too."""
    run = view.run(run_id)
    if run is None or not run.is_open or run.left:
        return
    if not run.finally_left:
        finish(view, run)
    elif not run.finishing:
        last = [task.id for task in view.open_tasks(run.id) if task.in_finally and not task.ancestors]
        view.put_run(replace(run, finishing=True, outcome=run.outcome or outcome(run)))
        view.due.extend(last)


def finish(view: View, run: Run) -> None:
    """End a run, and tell of it."""
    status = outcome(run) if run.outcome in {None, WorkflowStatus.COMPLETED} else run.outcome
    started = run.started_at or run.created_at or view.now
    run = view.put_run(
        replace(
            run,
            status=status,
            outcome=status,
            held=False,
            completed_at=view.now,
            duration=round((view.now - started) / timedelta(seconds=1), 3),
            signals={},
        )
    )
    view.owe(run_event(_RUN_ENDED[status], run, now=view.now))
    if run.parent_task_id is not None:
        view.owe(
            Check(
                task_id=run.parent_task_id,
                attempt=0,
                saw=Saw.SUBWORKFLOW,
                at=view.now,
                time=view.now,
                partition_key=run.partition_key,
                traceparent=run.traceparent,
            )
        )
