"""From a definition to the tasks that a run consists of."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from filemill_common.events import Counts, JsonObject, Notify, TaskStatus, WorkflowStatus
from filemill_common.ids import step_task_id
from filemill_common.language import ConditionStep, Definition, Item, Node, Step, dump, nodes
from filemill_common.language.document import dump_step, read_item
from filemill_common.language.expressions import has_expression
from filemill_scheduler.core.state import Run, Task, Unmet, replace

_SAID_BY_ALL = frozenset(
    {"id", "name", "order", "type", "depends_on", "trigger_rule", "if", "allow_failure", "timeout"}
)


def make_run(definition: Definition, **fields: Any) -> Run:
    """Make a run of a definition, which has not begun.

    Args:
        definition: Checked.
        fields: Of the run: who it is, and what it was asked with.
    """
    placed = nodes(definition)
    last = sum(node.in_finally for node in placed)
    return Run(
        name=definition.name,
        description=definition.description or "",
        definition=dump(definition),
        failure_policy=definition.failure_policy,
        status=WorkflowStatus.PENDING,
        counts=Counts(total=len(placed)),
        left=len(placed) - last,
        finally_left=last,
        notify=tuple(_notify(definition)),
        **fields,
    )


def _notify(definition: Definition) -> Iterator[Notify]:
    for entry in definition.notify:
        yield Notify(
            events=entry.events,
            email=entry.email.to if entry.email else None,
            webhook=entry.webhook.url if entry.webhook else None,
            callback=entry.callback.url if entry.callback else None,
            **({"locale": entry.email.locale} if entry.email and entry.email.locale else {}),
        )


def make_steps(run: Run, definition: Definition) -> list[Task]:
    """Make a task for each step of a run, in the order of the definition."""
    placed = nodes(definition)
    ids = {node.step.id: step_task_id(run.id, node.step.id) for node in placed}
    waiting: dict[str, list[str]] = {}
    ancestors: dict[str | None, tuple[str, ...]] = {None: ()}
    last: dict[str, int] = {}
    for node in placed:
        for dependency in node.depends_on:
            waiting.setdefault(dependency, []).append(ids[node.step.id])
        ancestors[node.step.id] = (*ancestors[node.parent], ids[node.step.id])
        for task_id in ancestors[node.step.id]:
            last[task_id] = node.index
    inside = _direct(placed)
    return [
        replace(
            _task(run, node.step, ids[node.step.id]),
            step_id=node.step.id,
            order=node.step.order,
            index=node.index,
            last=last[ids[node.step.id]],
            parent=node.parent,
            ancestors=ancestors[node.parent],
            in_finally=node.in_finally,
            trigger_rule=node.step.trigger_rule,
            depends_on=tuple(ids[dependency] for dependency in node.depends_on),
            dependents=tuple(waiting.get(node.step.id, ())),
            unmet=Unmet(total=len(node.depends_on), gates=len(node.named_by)),
            inside=Unmet(total=inside.get(node.step.id, 0)),
        )
        for node in placed
    ]


def _direct(placed: tuple[Node, ...]) -> Mapping[str, int]:
    """Count the steps that lie directly in each."""
    found: dict[str, int] = {}
    for node in placed:
        if node.parent is not None:
            found[node.parent] = found.get(node.parent, 0) + 1
    return found


def _task(run: Run, step: Step | Item, task_id: str) -> Task:
    """Make the task of a step, or of a map's item, without its place in the run."""
    common: dict[str, Any] = {
        "id": task_id,
        "tenant": run.tenant,
        "partition_key": run.partition_key,
        "traceparent": run.traceparent,
        "workflow_id": run.id,
        "name": step.name,
        "kind": step.type,
        "status": TaskStatus.PENDING,
        "condition": step.if_,
        "allow_failure": step.allow_failure,
        "timeout": step.timeout.total_seconds() if step.timeout else None,
        "user_id": run.user_id,
        "created_at": run.created_at,
    }
    if step.type == "task":
        values = dict(step.with_)
        late = has_expression(values)
        given = {} if late else {name: values.pop(name, None) for name in ("input_file", "output_file")}
        return Task(
            **common,
            type=step.task,
            options={} if late else values,
            template=values if late else None,
            max_retries=step.retry.max_retries,
            retry_delay=step.retry.retry_delay.total_seconds(),
            **given,
        )
    spec = {name: said for name, said in dump_step(step).items() if name not in _SAID_BY_ALL | {"branches"}}
    if isinstance(step, ConditionStep):
        spec["named"] = list(step.named)
    return Task(**common, type=step.type, spec=spec)


def item_task(run: Run, of: Task, number: int, item: object, before: Task | None, *, now: datetime) -> Task:
    """Make the task of an item of the map ``of``, in the place of one that an earlier try left there."""
    said: JsonObject = (of.spec or {})["step"]
    step = read_item(said)
    fresh = replace(
        _task(run, step, step_task_id(run.id, of.step_id or "", number)),
        step_id=f"{of.step_id}[{number}]",
        parent=of.step_id,
        ancestors=(*of.ancestors, of.id),
        item=number,
        index=of.index,
        last=of.index,
        in_finally=of.in_finally,
        bindings={**(of.bindings or {}), (of.spec or {})["as"]: item},
        created_at=now,
    )
    return filling(before, fresh)


def taken_id(tasks: Iterable[Task | None], run: Run) -> str | None:
    """Find a task among those in the places of a run's steps that is neither a stub nor of this run."""
    others = (task for task in tasks if task is not None and not task.is_stub)
    return next((task.id for task in others if task.workflow_id != run.id), None)


def filling(before: Task | None, step: Task) -> Task:
    """Put a step in the place of a stub, or of what an earlier try left; who waited for that waits for it."""
    if before is None:
        return step
    return replace(
        step,
        version=before.version,
        dependents=(*step.dependents, *before.dependents),
        attempt=before.attempt,
        ran=before.ran,
        attempts=before.attempts,
        commands=before.commands,
        sequence=before.sequence,
    )
