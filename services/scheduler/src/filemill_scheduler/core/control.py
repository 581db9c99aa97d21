"""Starting, pausing, resuming and deleting a run."""

from filemill_common.events import (
    Saw,
    WorkflowPaused,
    WorkflowResumed,
    WorkflowStarted,
    WorkflowStatus,
)
from filemill_scheduler.core.policy import TOMBSTONE_LIFE
from filemill_scheduler.core.scopes import end_run, go_on, tell_child
from filemill_scheduler.core.state import Run, replace
from filemill_scheduler.core.transitions import check, run_event
from filemill_scheduler.core.view import View


def start(view: View, run: Run, *, held: bool = False) -> None:
    """Let a pending run begin; a held one is paused at once."""
    tasks = view.open_tasks(run.id)
    run = view.put_run(
        replace(run, status=WorkflowStatus.RUNNING, started_at=view.now, held=run.held or held)
    )
    view.owe(run_event(WorkflowStarted, run, now=view.now))
    if run.held:
        hold(view, run)
        return
    view.due.extend(task.id for task in tasks if not task.ancestors)


def hold(view: View, run: Run) -> None:
    """Let nothing new start in a run, and in the runs that its steps stand for."""
    tasks = view.open_tasks(run.id)
    if run.status is WorkflowStatus.PENDING:
        view.put_run(replace(run, held=True))
        return
    run = view.put_run(replace(run, held=True, status=WorkflowStatus.PAUSED))
    view.owe(run_event(WorkflowPaused, run, now=view.now))
    for task in tasks:
        tell_child(view, task)


def release(view: View, run: Run) -> None:
    """Let a run go on: what could have begun meanwhile does."""
    tasks = view.open_tasks(run.id)
    if run.status is WorkflowStatus.PENDING:
        view.put_run(replace(run, held=False))
        return
    run = view.put_run(replace(run, held=False, status=WorkflowStatus.RUNNING))
    view.owe(run_event(WorkflowResumed, run, now=view.now))
    go_on(view, tasks)


def delete_run(view: View, run: Run) -> None:
    """Leave of a run only what keeps its id taken; stops all of it before, the ``finally`` steps too."""
    if run.has_children:
        view.steps(run.id)  # as long as more can be read
    if run.is_open:
        end_run(view, run, WorkflowStatus.CANCELLED, wholly=True)
        view.burying.append(run.id)
        return
    bury(view, run)


def bury(view: View, run: Run) -> None:
    """Put a tombstone in the place of a run that has ended, and have its steps and their runs deleted."""
    for step in view.steps(run.id) if run.has_children else ():
        if step.kind == "subworkflow":
            view.owe(check(step, Saw.SUBWORKFLOW, at=view.now, now=view.now))
    view.put_run(
        Run(
            id=run.id,
            version=run.version,
            tenant=run.tenant,
            partition_key=run.partition_key,
            body_digest=run.body_digest,
            created_at=run.created_at,
            expires_at=view.now + TOMBSTONE_LIFE,
        )
    )
    view.purged.append(run.id)
