"""How a task gets from one status to the next, and what that means for those that wait for it.

| from | to | by |
|---|---|---|
| (new), stub | pending | created |
| pending | ready | its trigger rule and its ``if`` let it begin |
| pending | running | the same, for a step that is no work for a worker |
| pending | completed | the same, for one that has nothing to wait for |
| pending | skipped | its rule, its ``if``, a condition or the end of its run keep it from beginning |
| pending | failed | its expression, options or input are wrong, which shows only when it could begin |
| ready, running | completed, failed, retrying | a worker's report (a short task is never seen running) |
| running | completed, failed, skipped | what it waited for came, what lies in it ended, its time was over |
| running | ready | its worker was lost or shut down: no failure, so no waiting |
| ready, running | retrying | the same, while its run is paused: nothing new starts |
| retrying | ready | its retry is due |
| any open one | cancelled | a command, or the end of its run |
| failed, cancelled | ready | the command ``retry``, which is why ``attempt`` never falls |
| any final one | pending | the command ``rerun`` of its run |

Whatever closes an attempt raises ``attempt`` in the same transition, so every later report about it is
stale. What the end of a task means for others is settled in the same fold (`settling`).
"""

from datetime import datetime, timedelta
from typing import Any

from filemill_common.events import (
    Attempt,
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
    TaskStarted,
    TaskStatus,
    WorkflowEvent,
)
from filemill_scheduler.core.policy import ATTEMPTS_KEPT, LEASE, LOSSES_ALLOWED, Retry, retry_decision
from filemill_scheduler.core.state import Run, Task, replace
from filemill_scheduler.core.view import View


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
        partition_key=run.partition_key or run.id,
        traceparent=run.traceparent,
    )


def check(task: Task, saw: Saw, *, at: datetime, now: datetime) -> Check:
    """Ask for another look at a task, behind all that is queued already."""
    return Check(
        task_id=task.id,
        attempt=task.attempt,
        saw=saw,
        at=at,
        time=now,
        partition_key=task.partition_key,
        traceparent=task.traceparent,
    )


def is_held(view: View, task: Task) -> bool:
    """Whether nothing new may start in the run that a task is part of."""
    run = view.run(task.workflow_id) if task.workflow_id else None
    return run is not None and run.held


def offer(view: View, task: Task) -> None:
    """Hand a task that has all it needs to the workers; while its run is paused, it waits for that to end."""
    if is_held(view, task):
        task = view.put(replace(task, status=TaskStatus.RETRYING, ready_at=None, due_at=None, progress=0))
        view.owe(task_event(TaskRetrying, task, now=view.now))
        return
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
    end(view, task, TaskStatus.COMPLETED, at=report.completed_at)


def occupy(view: View, task: Task, **changes: Any) -> Task:
    """Let a step that is no work for a worker begin: it runs until what it waits for has come."""
    deadline = view.now + timedelta(seconds=task.timeout) if task.timeout is not None else None
    task = view.put(
        replace(
            task,
            status=TaskStatus.RUNNING,
            ran=task.attempt,
            started_at=view.now,
            progress=0,
            deadline=deadline,
            **changes,
        )
    )
    view.owe(task_event(TaskStarted, task, now=view.now))
    return task


def conclude(view: View, task: Task, output: JsonObject) -> None:
    """Complete a step that is no work for a worker."""
    began = task.started_at or view.now
    task = replace(_closed(task), output=output, progress=100, error=None, ran=task.attempt, started_at=began)
    end(view, task, TaskStatus.COMPLETED)


def fail(view: View, task: Task, failure: Failure, *, at: datetime | None = None) -> None:
    """Fail a task for good."""
    end(view, replace(_closed(task), error=failure, last_error=failure), TaskStatus.FAILED, at=at)


def fail_attempt(
    view: View, task: Task, failure: Failure, *, retryable: bool, at: datetime | None = None
) -> None:
    """Close the open attempt as failed, and decide whether another one follows."""
    decided = retry_decision(task, retryable=retryable)
    task = replace(
        _closed(noted(task, "failed", at=at or view.now, error=failure)),
        attempt=task.attempt + 1,
        retry_count=task.retry_count + 1,
        last_error=failure,
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
    closed = _closed(noted(replace(task, ran=task.attempt), "lost", at=view.now))
    closed = replace(closed, attempt=task.attempt + 1, losses=task.losses + 1)
    if closed.losses > LOSSES_ALLOWED:
        message = f"{closed.losses} workers were lost while they ran it"
        fail(view, closed, Failure(code="worker_lost", message=message))
    else:
        offer(view, closed)


def release(view: View, task: Task, checkpoint: JsonObject | None) -> None:
    """Close the open attempt because its worker gave it back, and offer the next at once."""
    closed = _closed(noted(task, "released", at=view.now))
    offer(view, replace(closed, attempt=task.attempt + 1, checkpoint=checkpoint or task.checkpoint))


def cancel(view: View, task: Task) -> None:
    """Cancel an open task, and stop whoever runs it."""
    revoke(view, task)
    if task.status is TaskStatus.RUNNING:
        task = noted(task, "cancelled", at=view.now)
    end(view, replace(_closed(task), attempt=task.attempt + 1), TaskStatus.CANCELLED)


def unknown_dependency(task_id: str) -> Failure:
    """Say that a task depends on one that nobody created, or that was deleted."""
    return Failure(
        code="dependency_unknown", message=f"there is no other task {task_id!r} for this one to depend on"
    )


def skip(view: View, task: Task, *, reason: str) -> None:
    """Decide that a task will not run, or that a wait is of no use any more."""
    end(view, replace(_closed(task), reason=reason, output={}), TaskStatus.SKIPPED)


def revoke(view: View, task: Task) -> None:
    """Tell the worker that reported it, if any, to stop the open attempt."""
    if task.status is TaskStatus.RUNNING and task.kind == "task":
        view.owe(
            AttemptRevoked(
                task_id=task.id,
                attempt=task.attempt,
                worker=task.worker,
                time=view.now,
                partition_key=task.partition_key,
            )
        )


def noted(task: Task, outcome: str, *, at: datetime, error: Failure | None = None) -> Task:
    """Keep what became of the last try that ran."""
    attempt = Attempt(
        number=task.ran,
        outcome=outcome,
        error=error,
        worker=task.worker,
        started_at=task.started_at,
        completed_at=at,
    )
    return replace(task, attempts=(*task.attempts, attempt)[-ATTEMPTS_KEPT:])


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


def end(view: View, task: Task, status: TaskStatus, *, at: datetime | None = None) -> None:
    """Make a task final and tell of it; what that means for others is settled after it."""
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
    view.ended.append(task.id)
