"""How tasks and runs come to be, and come to depend on each other."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from filemill_common.events import Event, EventRejected, TaskCreated, TaskSpec, TaskStatus, WorkflowCreated
from filemill_common.ids import step_task_id
from filemill_common.language import InvalidDefinitionError
from filemill_common.language.document import read
from filemill_scheduler.core.control import start
from filemill_scheduler.core.making import filling, make_run, make_steps, taken_id
from filemill_scheduler.core.policy import STUB_LIFE
from filemill_scheduler.core.rules import count_ended
from filemill_scheduler.core.state import Run, Task, Unmet, replace
from filemill_scheduler.core.transitions import fail, unknown_dependency
from filemill_scheduler.core.view import View


def rejected(event: Event, code: str, message: str, *, now: datetime) -> EventRejected:
    """Say that an event was refused and changed nothing."""
    return EventRejected(
        event_id=event.id,
        event_type=event.type,
        code=code,
        message=message,
        time=now,
        partition_key=event.partition_key,
    )


def _repeated(view: View, event: TaskCreated | WorkflowCreated, known: Task | Run) -> None:
    """Do nothing for a request that is known; refuse another one with the same key."""
    view.ignored += 1
    if known.body_digest != event.body_digest:
        message = f"{event.subject} was made by another request with the same key"
        view.owe(rejected(event, "idempotency_conflict", message, now=view.now))


def on_task_created(view: View, event: TaskCreated) -> None:
    """Store a task of its own, and begin it if it waits for nothing.

    One that depends on a task that is not there yet leaves a stub, which that task's own creation fills.
    """
    known = view.task(event.task_id)
    if known is not None and not known.is_stub:
        _repeated(view, event, known)
        return
    task = view.put(
        Task(
            id=event.task_id,
            version=known.version if known else 0,
            tenant=event.tenant,
            partition_key=event.partition_key,
            traceparent=event.traceparent,
            body_digest=event.body_digest,
            status=TaskStatus.PENDING,
            dependents=known.dependents if known else (),
            created_at=event.time,
            **_asked(event.task),
        )
    )
    view.retold.append(event)
    await_dependencies(view, task)


def _asked(spec: TaskSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in TaskSpec.model_fields}


def await_dependencies(view: View, task: Task) -> None:
    """Let a pending task wait for those it depends on, as they stand now, unless that decides it at once."""
    named = tuple(dict.fromkeys(task.depends_on))
    unmet = Unmet(total=len(named))
    for dependency_id, dependency in zip(named, view.tasks(named), strict=True):
        if dependency is None or dependency.is_stub:
            _register(view, task, _stub(view, task, dependency_id, dependency))
        elif dependency.status is None or dependency_id == task.id:
            fail(view, replace(task, unmet=unmet), unknown_dependency(dependency_id))
            return
        elif dependency.status.is_final:
            unmet = count_ended(unmet, dependency)
        else:
            _register(view, task, dependency)
    view.put(replace(task, unmet=unmet))
    view.due.append(task.id)


def _stub(view: View, task: Task, stub_id: str, known: Task | None) -> Task:
    """Hold the place of a task that nobody has created; it is waited for from now on."""
    stub = known or Task(id=stub_id, tenant=task.tenant, partition_key=stub_id)
    return replace(stub, due_at=view.now + STUB_LIFE, expires_at=None)


def _register(view: View, task: Task, dependency: Task) -> None:
    if task.id not in dependency.dependents:
        dependency = replace(dependency, dependents=(*dependency.dependents, task.id))
    view.put(dependency)


def on_workflow_created(view: View, event: WorkflowCreated) -> None:
    """Store a run and a task for each of its steps, and begin those that wait for nothing.

    A step that somebody waits for already fills that stub; one whose id is another task's cannot be made.
    """
    known = view.run(event.workflow_id)
    if known is not None:
        _repeated(view, event, known)
        return
    try:
        definition = read(event.definition)
    except InvalidDefinitionError as error:
        view.owe(rejected(event, error.code, str(error), now=view.now))
        return
    run = make_run(
        definition,
        id=event.workflow_id,
        tenant=event.tenant,
        partition_key=event.partition_key,
        traceparent=event.traceparent,
        body_digest=event.body_digest,
        user_id=event.user_id or definition.user_id,
        input=event.input,
        subworkflows=event.subworkflows or None,
        created_at=event.time,
    )
    tasks = make_steps(run, definition)
    stubs = view.tasks(task.id for task in tasks)
    taken = taken_id(stubs, run)
    if taken is not None:
        message = f"the id of one of its steps is that of another task, {taken!r}"
        view.owe(rejected(event, "id_taken", message, now=view.now))
        return
    run = view.put_run(run)
    for task, stub in zip(tasks, stubs, strict=True):
        view.put(filling(stub, task))
    view.retold.append(event)
    if event.start:
        start(view, run)


def step_ids_of(event: WorkflowCreated) -> Iterator[str]:
    """Name the tasks of a run's steps before its definition is read, as far as that can be seen."""
    rest: list[Any] = [event.definition.get("steps"), event.definition.get("finally")]
    while rest:
        for step in found if isinstance(found := rest.pop(), list) else ():
            if isinstance(step, dict):
                if isinstance(step.get("id"), str):
                    yield step_task_id(event.workflow_id, step["id"])
                if isinstance(branches := step.get("branches"), dict):
                    rest += branches.values()
