"""Subworkflows: runs that stand for a step of another run.

A step and its run are brought in line by one function that looks at both, asked for by a `Check` whenever
either changes: a run within a run within a run is then never decided in one fold.
"""

from filemill_common.events import Failure, Saw, WorkflowStatus
from filemill_common.ids import derived_id
from filemill_common.language import check_input
from filemill_common.language.document import read
from filemill_scheduler.core.control import delete_run, hold, release, start
from filemill_scheduler.core.making import filling, make_run, make_steps, taken_id
from filemill_scheduler.core.policy import OUTPUTS_LIMIT
from filemill_scheduler.core.readiness import rendered
from filemill_scheduler.core.scopes import end_run
from filemill_scheduler.core.state import Run, Task, replace
from filemill_scheduler.core.transitions import cancel, check, conclude, fail, occupy
from filemill_scheduler.core.view import View


def begin_subworkflow(view: View, task: Task) -> None:
    """Ask for the run that the step stands for.

    Raises:
        NotReadyError: An expression of its input fails.
    """
    given = rendered(view, task, (task.spec or {})["with"])
    run = view.run_of(task)
    if not run.has_children:
        view.put_run(replace(run, has_children=True))
    task = occupy(view, task, options=given, child=_child(task, task.attempt))
    view.owe(check(task, Saw.SUBWORKFLOW, at=view.now, now=view.now))


def _child(step: Task, attempt: int) -> str:
    """Name the run that stands for a step in one of its tries."""
    return derived_id("subworkflow", step.id, attempt)


def bring_in_line(view: View, step: Task) -> None:
    """Make, end, pause, resume or delete the run that stands for a step, or end the step with it."""
    run = view.run(step.workflow_id or "")
    deleted = step.status is None and (run is None or run.status is None)
    over = step.status is None or step.status.is_final
    for left in view.runs(_child(step, attempt) for attempt in range(1, step.attempt + 1)):
        if left is None or left.status is None:
            continue
        if deleted:
            delete_run(view, left)
        elif left.is_open and (over or left.id != step.child):
            _stop(view, left)
    if over or step.child is None:
        return  # also where a look at an earlier try comes late: the step waits anew, or is no more
    child = view.run(step.child)
    if child is None:
        _create(view, step)
    elif not child.is_open:
        _conclude(view, step, child)
    elif view.run_of(step).held != child.held:
        (release if child.held else hold)(view, child)


def _stop(view: View, child: Run) -> None:
    """Cancel a run whose step has ended, or is tried again; its own ``finally`` still runs."""
    if child.outcome is not WorkflowStatus.CANCELLED or child.held:
        end_run(view, child, WorkflowStatus.CANCELLED)


def _create(view: View, step: Task) -> None:
    reference = (step.spec or {})["workflow"]
    document = view.subworkflow(step.partition_key, reference)
    if document is None:
        message = f"the run does not hold the template {reference!r}"
        fail(view, step, Failure(code="unknown_template", message=message))
        return
    definition = read(document)
    problems = check_input(definition, step.options)
    if problems:
        message = f"{problems[0].pointer}: {problems[0].message}"
        fail(view, step, Failure(code="invalid_input", message=message))
        return
    run = make_run(
        definition,
        id=step.child,
        tenant=step.tenant,
        partition_key=step.partition_key,
        parent_task_id=step.id,
        traceparent=step.traceparent,
        user_id=step.user_id or definition.user_id,
        input=step.options,
        created_at=view.now,
    )
    tasks = make_steps(run, definition)
    stubs = view.tasks(task.id for task in tasks)
    taken = taken_id(stubs, run)
    if taken is not None:
        view.taken.append(taken)
        message = f"the id of one of its steps is that of another task, {taken!r}"
        fail(view, step, Failure(code="id_taken", message=message))
        return
    run = view.put_run(run)
    for task, stub in zip(tasks, stubs, strict=True):
        view.put(filling(stub, task))
    start(view, run, held=view.run_of(step).held)


def _conclude(view: View, step: Task, child: Run) -> None:
    match child.status:
        case WorkflowStatus.COMPLETED if child.outputs_size > OUTPUTS_LIMIT:
            message = f"the outputs come to {child.outputs_size} bytes; at most {OUTPUTS_LIMIT} are handed on"
            fail(view, step, Failure(code="output_too_large", message=message))
        case WorkflowStatus.COMPLETED:
            conclude(view, step, child.outputs)
        case WorkflowStatus.FAILED:
            message = f"{child.name}: {child.error.message if child.error else 'it failed'}"
            fail(view, step, Failure(code="subworkflow_failed", message=message))
        case _:
            cancel(view, step)
