"""What commands make of tasks and runs: each is applied once, whatever is repeated or comes late."""

from typing import TypeVar

from filemill_common.events import TaskCommand, TaskStatus, WorkflowCommand, WorkflowStatus
from filemill_scheduler.core.beginning import begin
from filemill_scheduler.core.control import delete_run, hold, release, start
from filemill_scheduler.core.creation import await_dependencies, rejected
from filemill_scheduler.core.policy import SIGNALS_KEPT, TOMBSTONE_LIFE
from filemill_scheduler.core.rerunning import rerun
from filemill_scheduler.core.scopes import end_run
from filemill_scheduler.core.settling import settle_all
from filemill_scheduler.core.state import REMEMBERED_COMMANDS, Run, Task, replace
from filemill_scheduler.core.transitions import cancel, offer
from filemill_scheduler.core.view import View
from filemill_scheduler.core.waits import on_signal

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
        case "delete" if task.workflow_id is None:
            if task.is_open:
                cancel(view, task)
                settle_all(view)
            _bury(view, view.task(task.id) or task)
        case _:
            what = "task" if task.workflow_id is None else "step of a workflow"
            message = f"{event.command} does not apply to a {what} that is {status.value}"
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
        unsettled=False,
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
        begin(view, task)
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
    wrong = _apply(view, view.put_run(_remembering(run, event)), event)
    if wrong is not None:
        view.owe(rejected(event, *wrong, now=view.now))
    return True


def _apply(view: View, run: Run, event: WorkflowCommand) -> tuple[str, str] | None:
    """Do what a command says; give code and sentence if it does not apply."""
    match event.command:
        case "pause" | "resume" | "rerun" | "retry" if run.parent_task_id is not None:
            message = f"{event.command} does not apply to a workflow that stands for a step; it goes with it"
            return "command_not_applicable", message
        case "start" if run.status is WorkflowStatus.PENDING:
            start(view, run)
        case "pause" | "resume" if run.is_open:
            _hold_or_release(view, run, event)
        case "cancel" if run.is_open:
            if run.outcome is not WorkflowStatus.CANCELLED:
                end_run(view, run, WorkflowStatus.CANCELLED)
        case "signal" if run.is_open:
            return _signal(view, run, event)
        case "rerun" | "retry" if not run.is_open:
            named = {name: event.arguments.get(name) for name in ("step", "index")}
            return rerun(view, run, sequence=event.sequence, **named)
        case "delete":
            delete_run(view, run)
        case _:
            status = run.status.value if run.status else "deleted"
            return "command_not_applicable", f"{event.command} does not apply to a workflow that is {status}"
    return None


def _hold_or_release(view: View, run: Run, event: WorkflowCommand) -> None:
    """Pause or resume, unless a newer command said so already; a run being cancelled is not paused."""
    if event.sequence < run.held_sequence:
        view.ignored += 1
        return
    run = view.put_run(replace(run, held_sequence=event.sequence))
    wanted = event.command == "pause"
    if wanted != run.held and not (wanted and run.outcome is WorkflowStatus.CANCELLED):
        (hold if wanted else release)(view, run)


def _signal(view: View, run: Run, event: WorkflowCommand) -> tuple[str, str] | None:
    name, payload = event.arguments.get("name"), event.arguments.get("payload", {})
    if not isinstance(name, str) or not isinstance(payload, dict):
        return "invalid_signal", "a signal has a name, and a payload that is an object"
    if len(run.signals) >= SIGNALS_KEPT and name not in run.signals:
        return "too_many_signals", f"a run keeps at most {SIGNALS_KEPT} signals"
    if not on_signal(view, run, name, payload):
        return "invalid_signal", f"what came with the signal {name!r} does not fit what waits for it"
    return None
