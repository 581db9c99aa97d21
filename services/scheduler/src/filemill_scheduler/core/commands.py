"""What commands make of tasks and runs: each is applied once, whatever is repeated or comes late."""

from typing import TypeVar

from filemill_common.events import TaskCommand, TaskStatus, WorkflowCommand, WorkflowStatus
from filemill_scheduler.core.creation import await_dependencies, rejected, start
from filemill_scheduler.core.policy import TOMBSTONE_LIFE
from filemill_scheduler.core.state import REMEMBERED_COMMANDS, Run, Task, replace
from filemill_scheduler.core.transitions import cancel, end_run, make_ready, offer, settle_ended
from filemill_scheduler.core.view import View

Document = TypeVar("Document", Task, Run)


def _remembering(known: Document, command: TaskCommand | WorkflowCommand) -> Document:
    """Note that a command was applied."""
    return replace(
        known,
        commands=(*known.commands, command.id)[-REMEMBERED_COMMANDS:],
        sequence=max(known.sequence, command.sequence),
    )


def on_task_command(view: View, event: TaskCommand) -> bool:
    """Apply a command to a task; a known one, or one for a deleted task, does nothing.

    Returns:
        False if the task is not there yet.
    """
    task = view.task(event.task_id)
    if task is None or task.is_stub:
        return False
    if task.status is None or event.id in task.commands:
        view.ignored += 1
        return True
    status = task.status
    task = view.put(_remembering(task, event))
    match event.command:
        case "cancel" if task.is_open:
            cancel(view, task)
        case "retry" if _may_retry(task):
            _retry(view, task)
        case "delete":
            if task.is_open:
                cancel(view, task)
                settle_ended(view)
            _bury(view, view.task(task.id) or task)
        case _:
            message = f"{event.command} does not apply to a task that is {status.value}"
            view.owe(rejected(event, "command_not_applicable", message, now=view.now))
    return True


def _may_retry(task: Task) -> bool:
    """A run's step goes on only with its run."""
    return task.workflow_id is None and task.status in {TaskStatus.FAILED, TaskStatus.CANCELLED}


def _retry(view: View, task: Task) -> None:
    """Open a task again, with all its retries; the bytes that it reads stay the same."""
    task = replace(
        task,
        status=TaskStatus.PENDING,
        error=None,
        retry_count=0,
        losses=0,
        progress=0,
        started_at=None,
        completed_at=None,
        duration=None,
    )
    if task.input is not None:
        offer(view, task)
    elif task.unmet.succeeded == task.unmet.total:
        make_ready(view, task)
    else:
        await_dependencies(view, task)


def _bury(view: View, task: Task) -> None:
    """Leave of a task only what keeps its id taken."""
    view.put(
        Task(
            id=task.id,
            version=task.version,
            tenant=task.tenant,
            partition_key=task.partition_key,
            body_digest=task.body_digest,
            attempt=task.attempt,
            created_at=task.created_at,
            dependents=task.dependents if task.unsettled else (),
            unsettled=task.unsettled,
            expires_at=view.now + TOMBSTONE_LIFE,
        )
    )


def on_workflow_command(view: View, event: WorkflowCommand) -> bool:
    """Apply a command to a run; a known one, or one for a deleted run, does nothing.

    Returns:
        False if the run is not there yet.
    """
    run = view.run(event.workflow_id)
    if run is None:
        return False
    if run.status is None or event.id in run.commands:
        view.ignored += 1
        return True
    run = view.put_run(_remembering(run, event))
    match event.command:
        case "start" if run.status is WorkflowStatus.PENDING:
            start(view, run)
        case "cancel" if run.status is not None and not run.status.is_final:
            end_run(view, run, WorkflowStatus.CANCELLED)
        case "delete":
            if run.status is not None and not run.status.is_final:
                end_run(view, run, WorkflowStatus.CANCELLED)
                settle_ended(view)
            view.put_run(
                Run(
                    id=run.id,
                    version=run.version,
                    tenant=run.tenant,
                    body_digest=run.body_digest,
                    created_at=run.created_at,
                    expires_at=view.now + TOMBSTONE_LIFE,
                )
            )
            view.purged.append(run.id)
        case _:
            status = run.status.value if run.status else "deleted"
            message = f"{event.command} does not apply to a workflow that is {status}"
            view.owe(rejected(event, "command_not_applicable", message, now=view.now))
    return True
