"""What a worker's report, or a look at what is due, makes of a task."""

from datetime import timedelta

from filemill_common.events import (
    AttemptEvent,
    AttemptFailed,
    AttemptProgressed,
    AttemptReleased,
    AttemptRevoked,
    AttemptStarted,
    AttemptSucceeded,
    Check,
    Failure,
    Saw,
    TaskProgressed,
    TaskStarted,
    TaskStatus,
)
from filemill_scheduler.core.policy import LEASE, TOMBSTONE_LIFE
from filemill_scheduler.core.state import Task, replace
from filemill_scheduler.core.subworkflows import bring_in_line
from filemill_scheduler.core.transitions import (
    complete,
    fail,
    fail_attempt,
    lose,
    offer,
    ready_event,
    release,
    revoke,
    task_event,
    unknown_dependency,
)
from filemill_scheduler.core.view import View
from filemill_scheduler.core.waits import end_wait, time_out

_TAKEN = frozenset({TaskStatus.READY, TaskStatus.RUNNING})


def on_report(view: View, event: AttemptEvent) -> bool:
    """Apply a worker's report to the attempt it is about.

    One of a closed attempt changes nothing and owes its revocation, so a redelivery is harmless.

    Returns:
        False if it came too early, for an unknown task or for an attempt that is not open yet.
    """
    task = view.task(event.task_id)
    if task is None or task.is_stub:
        return False
    if not task.is_open or event.attempt < task.attempt:
        view.ignored += 1
        # The accepted execution of a completed task repeats itself only to be harmless.
        if not isinstance(event, (AttemptSucceeded, AttemptFailed, AttemptReleased)):
            view.owe(_revocation(view, event))
        return True
    if event.attempt > task.attempt or task.status not in _TAKEN:
        return False
    _apply(view, task, event)
    return True


def _apply(view: View, task: Task, event: AttemptEvent) -> None:
    """Apply a report about the open attempt."""
    match event:
        case AttemptStarted():
            _started(view, task, event)
        case AttemptProgressed():
            _progressed(view, task, event)
        case AttemptSucceeded():
            complete(view, task, event)
        case _ if task.execution not in {None, event.execution}:
            view.ignored += 1  # another execution is the one that counts, and it goes on
        case AttemptFailed():
            failure = Failure(code=event.code, message=event.message)
            task = replace(task, ran=event.attempt, started_at=event.started_at, worker=event.worker)
            fail_attempt(view, task, failure, retryable=event.retryable, at=event.completed_at)
        case AttemptReleased():
            release(view, replace(task, ran=event.attempt, worker=event.worker), event.checkpoint)
        case _:
            raise TypeError(f"{type(event).__name__} is no report of a worker")


def _revocation(view: View, event: AttemptEvent) -> AttemptRevoked:
    return AttemptRevoked(
        task_id=event.task_id,
        attempt=event.attempt,
        execution=event.execution,
        worker=event.worker,
        time=view.now,
        partition_key=event.partition_key,
    )


def _renewed(view: View, task: Task) -> Task:
    return replace(task, status=TaskStatus.RUNNING, ready_at=None, lease_until=view.now + LEASE)


def _started(view: View, task: Task, event: AttemptStarted) -> None:
    """Record the first execution that starts; another one's start only renews the lease."""
    if task.execution not in {None, event.execution}:
        view.put(_renewed(view, task))
        return
    first = task.execution is None
    task = replace(
        _renewed(view, task),
        execution=event.execution,
        worker=event.worker,
        ran=event.attempt,
        started_at=event.started_at,
    )
    if first and task.timeout is not None:
        task = replace(task, deadline=view.now + timedelta(seconds=task.timeout))
    view.put(task)
    if first:
        view.owe(task_event(TaskStarted, task, now=view.now))


def _progressed(view: View, task: Task, event: AttemptProgressed) -> None:
    """Renew the lease; tell the progress of the recorded execution, which never falls."""
    if task.execution != event.execution:
        view.put(_renewed(view, task))
        return
    task = view.put(
        replace(
            _renewed(view, task),
            progress=max(task.progress, event.progress),
            message=event.message if event.message is not None else task.message,
            checkpoint=event.checkpoint or task.checkpoint,
        )
    )
    view.owe(task_event(TaskProgressed, task, now=view.now))


def on_check(view: View, event: Check) -> None:
    """Do what is due, if what was seen still holds."""
    task = view.task(event.task_id)
    if task is not None and event.saw is Saw.SUBWORKFLOW:
        bring_in_line(view, task)
        return
    if task is None or task.attempt != event.attempt:
        view.ignored += 1
        return
    match event.saw, task.status:
        case Saw.RETRY_DUE | Saw.WAIT_OVER, TaskStatus.RETRYING | TaskStatus.RUNNING if (
            task.due_at == event.at
        ):
            (offer if task.kind == "task" else end_wait)(view, task)
        case Saw.OVERDUE, TaskStatus.RUNNING if task.deadline == event.at:
            _overdue(view, task)
        case Saw.LEASE_LAPSED, TaskStatus.RUNNING if (
            view.may_lapse and task.lease_until is not None and task.lease_until < view.now
        ):
            lose(view, task)
        case Saw.UNTAKEN, TaskStatus.READY if task.ready_at == event.at:
            task = view.put(replace(task, ready_at=view.now))
            view.owe(ready_event(task, now=view.now))
        case Saw.STUB_EXPIRED, None if task.due_at == event.at:
            _expire_stub(view, task)
        case Saw.CONTINUE, _ if task.unsettled and not task.is_open:
            view.ended.append(task.id)
        case Saw.CONTINUE, TaskStatus.PENDING:
            view.due.append(task.id)
        case _:
            view.ignored += 1


def _overdue(view: View, task: Task) -> None:
    """End what has run too long: an attempt, a wait for a signal, or whatever lies in a step."""
    failure = Failure(code="timeout", message=f"the attempt ran longer than {task.timeout:g} s")
    if task.kind == "wait":
        time_out(view, task)
    elif task.kind == "task":
        revoke(view, task)
        fail_attempt(view, task, failure, retryable=True)
    else:
        fail(view, task, failure)


def _expire_stub(view: View, stub: Task) -> None:
    for dependent in view.tasks(stub.dependents):
        if dependent is not None and dependent.status is TaskStatus.PENDING:
            fail(view, dependent, unknown_dependency(stub.id))
    view.put(replace(stub, dependents=(), due_at=None, expires_at=view.now + TOMBSTONE_LIFE))
