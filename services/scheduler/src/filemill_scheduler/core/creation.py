"""How tasks and runs come to be, and come to depend on each other."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from filemill_common.events import (
    Counts,
    Event,
    EventRejected,
    Notify,
    TaskCreated,
    TaskSpec,
    TaskStatus,
    WorkflowCreated,
    WorkflowStarted,
    WorkflowStatus,
)
from filemill_common.ids import step_task_id
from filemill_common.language import Definition, InvalidDefinitionError, Step, dump, load
from filemill_common.language.expressions import has_expression, references
from filemill_scheduler.core.policy import STUB_LIFE
from filemill_scheduler.core.state import Run, Task, Unmet, replace
from filemill_scheduler.core.transitions import begin_if_due, count_ended, fail, run_event, unknown_dependency
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
    begin_if_due(view, view.put(replace(task, unmet=unmet)))


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
        definition = load(event.definition, task_types=None)
    except InvalidDefinitionError as error:
        view.owe(rejected(event, error.code, str(error), now=view.now))
        return
    ids = [step_task_id(event.workflow_id, step.id) for step in definition.steps]
    stubs = dict(zip(ids, view.tasks(ids), strict=True))
    taken = [stub.id for stub in stubs.values() if stub is not None and not stub.is_stub]
    if taken:
        message = f"the id of one of its steps is that of another task, {taken[0]!r}"
        view.owe(rejected(event, "id_taken", message, now=view.now))
        return
    run = view.put_run(
        Run(
            id=event.workflow_id,
            tenant=event.tenant,
            traceparent=event.traceparent,
            body_digest=event.body_digest,
            name=definition.name,
            description=definition.description or "",
            user_id=event.user_id or definition.user_id,
            definition=dump(definition),
            input=event.input,
            status=WorkflowStatus.PENDING,
            counts=Counts(total=len(definition.steps)),
            notify=tuple(_notify(definition)),
            created_at=event.time,
        )
    )
    for task in _steps(run, definition):
        view.put(_filling(stubs[task.id], task))
    view.retold.append(event)
    if event.start:
        start(view, run)


def step_ids_of(event: WorkflowCreated) -> Iterator[str]:
    """Name the tasks of a run's steps before its definition is read, as far as that can be seen."""
    steps = event.definition.get("steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict) and isinstance(step.get("id"), str):
            yield step_task_id(event.workflow_id, step["id"])


def _filling(stub: Task | None, step: Task) -> Task:
    """Put a step in the place of a stub; who waited for that waits for it."""
    if stub is None:
        return step
    return replace(step, version=stub.version, dependents=(*step.dependents, *stub.dependents))


def start(view: View, run: Run) -> None:
    """Let a pending run begin."""
    run = view.put_run(replace(run, status=WorkflowStatus.RUNNING, started_at=view.now))
    view.owe(run_event(WorkflowStarted, run, now=view.now))
    for task in view.open_tasks(run.id):
        current = view.task(task.id)
        if current is not None:
            begin_if_due(view, current)


def _notify(definition: Definition) -> list[Notify]:
    return [
        Notify(
            events=entry.events,
            email=entry.email.to if entry.email else None,
            webhook=entry.webhook.url if entry.webhook else None,
            callback=entry.callback.url if entry.callback else None,
            **({"locale": entry.email.locale} if entry.email and entry.email.locale else {}),
        )
        for entry in definition.notify
    ]


def _steps(run: Run, definition: Definition) -> list[Task]:
    waiting: dict[str, list[str]] = {}
    for step in definition.steps:
        for dependency in step.depends_on:
            waiting.setdefault(dependency, []).append(step_task_id(run.id, step.id))
    return [
        _step(run, step, index, dependents=tuple(waiting.get(step.id, ())))
        for index, step in enumerate(definition.steps)
    ]


def _step(run: Run, step: Step, index: int, *, dependents: tuple[str, ...]) -> Task:
    values = dict(step.with_)
    late = has_expression(values)
    given = {} if late else {name: values.pop(name, None) for name in ("input_file", "output_file")}
    return Task(
        id=step_task_id(run.id, step.id),
        tenant=run.tenant,
        partition_key=run.id,
        traceparent=run.traceparent,
        workflow_id=run.id,
        step_id=step.id,
        name=step.name,
        order=step.order,
        index=index,
        type=step.task,
        status=TaskStatus.PENDING,
        options={} if late else values,
        template=values if late else None,
        references=tuple(sorted(references(values))) if late else (),
        depends_on=tuple(step_task_id(run.id, dependency) for dependency in step.depends_on),
        dependents=dependents,
        unmet=Unmet(total=len(step.depends_on)),
        timeout=step.timeout.total_seconds() if step.timeout else None,
        user_id=run.user_id,
        created_at=run.created_at,
        max_retries=step.retry.max_retries,
        retry_delay=step.retry.retry_delay.total_seconds(),
        **given,
    )
