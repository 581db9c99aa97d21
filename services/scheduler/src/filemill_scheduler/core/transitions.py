"""How a task gets from one status to the next, and what that means for those that wait for it.

| from | to | by |
|---|---|---|
| (new), stub | pending | created |
| pending | ready | the last dependency ended well |
| pending | skipped | a dependency did not end well |
| pending | failed | its expression, options or input are wrong, which shows only when it could begin |
| ready, running | completed, failed, retrying | a worker's report (a short task is never seen running) |
| running | ready | its worker was lost or shut down: no failure, so no waiting |
| retrying | ready | its retry is due |
| any open one | cancelled | a command, or the end of its run |
| failed, cancelled | ready | the command ``retry``, which is why ``attempt`` never falls |

Whatever closes an attempt raises ``attempt`` in the same transition, so every later report about it is
stale. Whatever ends a task counts it in its run and in those that wait for it, there and then.
"""

import json
from datetime import datetime, timedelta

from filemill_common.events import (
    AttemptRevoked,
    AttemptSucceeded,
    Check,
    Failure,
    JsonObject,
    Saw,
    TaskCancelled,
    TaskCompleted,
    TaskEvent,
    TaskFailed,
    TaskQueued,
    TaskReady,
    TaskRetrying,
    TaskSkipped,
    TaskStatus,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowEvent,
    WorkflowFailed,
    WorkflowStatus,
)
from filemill_scheduler.core.policy import LEASE, LOSSES_ALLOWED, OUTPUTS_LIMIT, Retry, retry_decision
from filemill_scheduler.core.readiness import NotReadyError, prepare
from filemill_scheduler.core.state import Run, Task, Unmet, replace
from filemill_scheduler.core.view import MissingError, View


def task_event(kind: type[TaskEvent], task: Task, *, now: datetime) -> TaskEvent:
    """Tell of a task as it will be stored."""
    return kind(
        task=task.view(),
        sequence=task.version + 1,
        time=now,
        partition_key=task.partition_key,
        traceparent=task.traceparent,
    )


def run_event(kind: type[WorkflowEvent], run: Run, *, now: datetime) -> WorkflowEvent:
    """Tell of a run as it will be stored."""
    return kind(
        workflow=run.view(),
        sequence=run.version + 1,
        time=now,
        partition_key=run.id,
        traceparent=run.traceparent,
    )


def begin_if_due(view: View, task: Task) -> None:
    """Start or skip a pending task, if those it waits for have decided it (``all_success``)."""
    if task.status is not TaskStatus.PENDING or not _may_begin(view, task):
        return
    if task.unmet.failed:
        skip(view, task, reason="upstream_failed")
    elif task.unmet.skipped:
        skip(view, task, reason="upstream_skipped")
    elif task.unmet.succeeded == task.unmet.total:
        make_ready(view, task)


def _may_begin(view: View, task: Task) -> bool:
    if task.workflow_id is None:
        return True
    run = view.run(task.workflow_id)
    return run is not None and run.status is WorkflowStatus.RUNNING


def make_ready(view: View, task: Task) -> None:
    """Resolve what the task needs and hand it to the workers; fails it if something is missing."""
    try:
        prepared = prepare(view, task)
    except NotReadyError as error:
        fail(view, task, error.failure)
    else:
        offer(view, prepared)


def offer(view: View, task: Task) -> None:
    """Hand a task that has all it needs to the workers."""
    task = view.put(
        replace(task, status=TaskStatus.READY, ready_at=view.now, due_at=None, progress=0, message=None)
    )
    view.owe(ready_event(task, now=view.now), task_event(TaskQueued, task, now=view.now))


def ready_event(task: Task, *, now: datetime) -> TaskReady:
    """Offer the open attempt."""
    return TaskReady(
        task_id=task.id,
        tenant=task.tenant,
        workflow_id=task.workflow_id,
        attempt=task.attempt,
        losses=task.losses,
        task_type=task.type,
        priority=task.priority,
        options=task.options,
        input=task.input,
        output_file=task.output_file,
        timeout=task.timeout,
        lease=LEASE.total_seconds(),
        checkpoint=task.checkpoint,
        time=now,
        partition_key=task.partition_key,
        traceparent=task.traceparent,
    )


def complete(view: View, task: Task, report: AttemptSucceeded) -> None:
    """Accept a result: its file gets the path that was asked for, in the same transition."""
    output: JsonObject = dict(report.output)
    if report.file is not None:
        path = task.output_file or report.file.object
        view.alias(task.tenant, report.file.model_copy(update={"path": path}))
        output |= {
            "file": path,
            "size": report.file.size,
            "digest": report.file.digest,
            "content_type": report.file.content_type,
        }
    task = replace(
        _closed(task),
        output=output,
        progress=100,
        error=None,
        started_at=report.started_at,
        ran=report.attempt,
    )
    if task.type == "probe" and task.input is not None:
        view.metadata.append((task.tenant, task))
    _end(view, task, TaskStatus.COMPLETED, at=report.completed_at)


def fail(view: View, task: Task, failure: Failure, *, at: datetime | None = None) -> None:
    """Fail a task for good; its run fails with it."""
    _end(view, replace(task, error=failure, last_error=failure), TaskStatus.FAILED, at=at)


def fail_attempt(
    view: View, task: Task, failure: Failure, *, retryable: bool, at: datetime | None = None
) -> None:
    """Close the open attempt as failed, and decide whether another one follows."""
    decided = retry_decision(task, retryable=retryable)
    task = replace(
        _closed(task), attempt=task.attempt + 1, retry_count=task.retry_count + 1, last_error=failure
    )
    if isinstance(decided, Retry):
        task = view.put(
            replace(task, status=TaskStatus.RETRYING, due_at=view.now + decided.delay, progress=0)
        )
        view.owe(task_event(TaskRetrying, task, now=view.now))
    else:
        fail(view, task, failure, at=at)


def lose(view: View, task: Task) -> None:
    """Close the open attempt because its worker is lost; the third worker that it costs is the last."""
    closed = replace(_closed(task), attempt=task.attempt + 1, losses=task.losses + 1)
    if closed.losses > LOSSES_ALLOWED:
        message = f"{closed.losses} workers were lost while they ran it"
        fail(view, closed, Failure(code="worker_lost", message=message))
    else:
        offer(view, closed)


def release(view: View, task: Task, checkpoint: JsonObject | None) -> None:
    """Close the open attempt because its worker gave it back, and offer the next at once."""
    offer(view, replace(_closed(task), attempt=task.attempt + 1, checkpoint=checkpoint or task.checkpoint))


def cancel(view: View, task: Task) -> None:
    """Cancel an open task, and stop whoever runs it."""
    revoke(view, task)
    _end(view, replace(_closed(task), attempt=task.attempt + 1), TaskStatus.CANCELLED)


def unknown_dependency(task_id: str) -> Failure:
    """Say that a task depends on one that nobody created, or that was deleted."""
    return Failure(
        code="dependency_unknown", message=f"there is no other task {task_id!r} for this one to depend on"
    )


def skip(view: View, task: Task, *, reason: str) -> None:
    """Decide that a pending task will not run."""
    _end(view, replace(task, reason=reason), TaskStatus.SKIPPED)


def revoke(view: View, task: Task) -> None:
    """Tell the worker that reported it, if any, to stop the open attempt."""
    if task.status is TaskStatus.RUNNING:
        view.owe(
            AttemptRevoked(
                task_id=task.id,
                attempt=task.attempt,
                worker=task.worker,
                time=view.now,
                partition_key=task.partition_key,
            )
        )


def _closed(task: Task) -> Task:
    """Take from a task what belongs to the attempt that ends."""
    return replace(
        task,
        execution=None,
        worker=None,
        lease_until=None,
        deadline=None,
        ready_at=None,
        due_at=None,
        message=None,
    )


_ENDED: dict[TaskStatus, type[TaskEvent]] = {
    TaskStatus.COMPLETED: TaskCompleted,
    TaskStatus.FAILED: TaskFailed,
    TaskStatus.CANCELLED: TaskCancelled,
    TaskStatus.SKIPPED: TaskSkipped,
}


def _end(view: View, task: Task, status: TaskStatus, *, at: datetime | None = None) -> None:
    """Make a task final, count it in its run, tell of it, and settle those that wait for it."""
    ended = at or view.now
    duration = (ended - task.started_at) / timedelta(seconds=1) if task.started_at else None
    task = view.put(
        replace(
            task,
            status=status,
            completed_at=ended,
            duration=max(0.0, round(duration, 3)) if duration is not None else None,
            due_at=None,
            ready_at=None,
        )
    )
    view.owe(task_event(_ENDED[status], task, now=view.now))
    run = _count(view, task, status)
    if run is not None and status in {TaskStatus.FAILED, TaskStatus.CANCELLED} and _is_running(run):
        end_run(view, run, WorkflowStatus.FAILED, error=_blame(task))
    view.ended.append(task.id)
    if run is not None:
        _finish_if_over(view, run.id)


def _blame(task: Task) -> Failure:
    if task.error is None:
        return Failure(code="step_cancelled", message=f"step {task.step_id!r} was cancelled")
    return Failure(code=task.error.code, message=f"step {task.step_id!r} failed: {task.error.message}")


def _is_running(run: Run) -> bool:
    return run.status is WorkflowStatus.RUNNING


def _count(view: View, task: Task, status: TaskStatus) -> Run | None:
    """Count a task that ended in its run; keep its output there if there is room."""
    run = view.run(task.workflow_id) if task.workflow_id else None
    if run is None or run.status is None:
        return None
    counts = run.counts.model_copy(update={status.value: getattr(run.counts, status.value) + 1})
    outputs = run.outputs
    size = run.outputs_size
    if status is TaskStatus.COMPLETED and task.output and task.step_id:
        size += len(json.dumps(task.output))
        if size <= OUTPUTS_LIMIT:
            outputs = {**outputs, task.step_id: task.output}
    return view.put_run(replace(run, counts=counts, outputs=outputs, outputs_size=size))


def settle_ended(view: View) -> None:
    """Settle what waits for the tasks that ended, and for those that end thereby, and so on.

    A queue and no recursion, so that a long chain of skips is only long.
    """
    while view.ended:
        task = view.task(view.ended.popleft())
        if task is not None:
            settle(view, task)


def settle(view: View, task: Task) -> None:
    """Count a task that ended in all that wait for it, and begin or skip those that this decides."""
    try:
        waiting = view.tasks(task.dependents)
    except MissingError:
        if view.may_ask:
            raise
        # A chain of skips deeper than the rounds of one fold goes on in the next one.
        task = view.put(replace(task, unsettled=True))
        view.owe(continuation(task, now=view.now))
        return
    if task.unsettled:
        view.put(replace(task, unsettled=False))
    for dependent in waiting:
        if dependent is not None and dependent.is_open:
            begin_if_due(view, view.put(replace(dependent, unmet=count_ended(dependent.unmet, task))))


def continuation(task: Task, *, now: datetime) -> Check:
    """Ask for a task's dependents to be settled in the next fold."""
    return Check(
        task_id=task.id,
        attempt=task.attempt,
        saw=Saw.CONTINUE,
        at=task.completed_at or now,
        time=now,
        partition_key=task.partition_key,
        traceparent=task.traceparent,
    )


def count_ended(unmet: Unmet, ended: Task) -> Unmet:
    """Count one more that ended: ``upstream_failed`` and cancelled ones count as failed."""
    match ended.status:
        case TaskStatus.COMPLETED:
            return replace(unmet, succeeded=unmet.succeeded + 1)
        case TaskStatus.SKIPPED if ended.reason != "upstream_failed":
            return replace(unmet, skipped=unmet.skipped + 1)
        case _:
            return replace(unmet, failed=unmet.failed + 1)


def end_run(view: View, run: Run, status: WorkflowStatus, *, error: Failure | None = None) -> None:
    """End a run now, whatever it still has open.

    What is under way is cancelled. What has not begun is skipped (``run_failed``) when the run failed,
    and cancelled when somebody cancelled it.
    """
    run = view.put_run(replace(run, status=status, error=error))
    for task in view.open_tasks(run.id):
        current = view.task(task.id)
        if current is None or not current.is_open:
            continue  # ended meanwhile, as one that waited for another
        if current.status is TaskStatus.PENDING and status is WorkflowStatus.FAILED:
            skip(view, current, reason="run_failed")
        else:
            cancel(view, current)
    _finish_if_over(view, run.id)


_RUN_ENDED: dict[WorkflowStatus, type[WorkflowEvent]] = {
    WorkflowStatus.COMPLETED: WorkflowCompleted,
    WorkflowStatus.FAILED: WorkflowFailed,
    WorkflowStatus.CANCELLED: WorkflowCancelled,
}


def _finish_if_over(view: View, run_id: str) -> None:
    """End a run, and tell of it, once all of its tasks have ended."""
    run = view.run(run_id)
    if run is None or run.completed_at is not None or run.counts.ended < run.counts.total:
        return
    status = WorkflowStatus.COMPLETED if run.status is WorkflowStatus.RUNNING else run.status
    if status is None or not status.is_final:
        return
    started = run.started_at or run.created_at or view.now
    run = view.put_run(
        replace(
            run,
            status=status,
            completed_at=view.now,
            duration=round((view.now - started) / timedelta(seconds=1), 3),
        )
    )
    view.owe(run_event(_RUN_ENDED[status], run, now=view.now))
