"""Tasks and runs as the scheduler keeps them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from filemill_common.events import (
    Attempt,
    Counts,
    Failure,
    JsonObject,
    Notify,
    StoredFile,
    TaskStatus,
    TaskView,
    WorkflowStatus,
    WorkflowView,
)

if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414 - exported, and checked as the real one
else:

    def replace(value, **changes):
        """Copy a frozen value with some fields changed, as `dataclasses.replace`, in a tenth of its time.

        A step's way costs a dozen copies of some sixty fields; these classes derive nothing when made.
        """
        copy = object.__new__(type(value))
        copy.__dict__.update(value.__dict__, **changes)
        return copy


REMEMBERED_COMMANDS = 50
"""Ids of commands that a document keeps, so that a repeated one does nothing."""


@dataclass(frozen=True)
class Unmet:
    """How the tasks that one depends on, or that lie in it, have ended so far.

    Changed only as each of them ends.

    Attributes:
        gates: Conditions among them that name the task and have not ended; it never begins before them.
    """

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    gates: int = 0

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.succeeded + self.failed + self.skipped


@dataclass(frozen=True, kw_only=True)
class Task:
    """A unit of work: a workflow's step, or on its own.

    One without a status is a *stub* (somebody depends on a task that is not there yet) or a
    *tombstone* (it was deleted); nobody is shown either.

    Attributes:
        version: Of the stored document, 0 if it is not stored; every write is guarded by it.
        index: Counts the steps of its run in the order of the definition, from 0.
        kind: What it is to its run; only a ``task`` is work for a worker.
        parent: Step id of the parallel or map that it lies in.
        ancestors: Task ids of all that it lies in, the outermost first.
        index: Its place in the definition, from 0; -1 for one that is no step, so that a 0 is stored.
        item: Which item of a map it is for, from 0.
        last: Index of the last step that lies in it.
        spec: What a step that is no task says beyond what all say.
        bindings: What a map's aliases stand for.
        barred: Whether a condition that names it chose otherwise.
        inside: How those that lie directly in it have ended.
        queue: Items of a map that had no turn yet, in order.
        child: The run that stands for it; another one in each try.
        template: A step's ``with``, where it has expressions.
        input: The object that every attempt reads.
        dependents: Tasks that wait for this one, in other runs too.
        attempt: Number of the open try. Whatever closes a try raises it in the same transition.
        ran: Number of the last try known to have run; what is shown.
        attempts: What became of the tries that were closed.
        execution: The taking of the open try that reported first; null until one has.
        losses: How many workers were lost with it.
        lease_until: When its worker counts as lost, unless it is heard of.
        due_at: When a retry is due, or when a stub's time is over.
        deadline: When the open try has run too long.
        ready_at: Since when it waits for a worker.
        unsettled: Whether those that wait for it are still to be told that it ended.
        commands: Ids of the last commands it took.
        sequence: The newest command's sequence, in milliseconds since 1970.
        expires_at: When the store may forget it.
    """

    id: str
    version: int = 0
    tenant: str = "default"
    partition_key: str = ""
    traceparent: str | None = None
    body_digest: str = ""
    workflow_id: str | None = None
    step_id: str | None = None
    name: str | None = None
    order: int | None = None
    index: int = -1
    kind: str = "task"
    parent: str | None = None
    ancestors: tuple[str, ...] = ()
    item: int | None = None
    last: int = 0
    in_finally: bool = False
    trigger_rule: str = "all_success"
    condition: str | None = None
    allow_failure: bool = False
    spec: JsonObject | None = None
    bindings: JsonObject | None = None
    barred: bool = False
    inside: Unmet = Unmet()
    queue: tuple[int, ...] = ()
    child: str | None = None
    type: str = ""
    status: TaskStatus | None = None
    reason: str | None = None
    priority: int = 5
    input_file: str | None = None
    output_file: str | None = None
    options: JsonObject = field(default_factory=dict)
    template: JsonObject | None = None
    input: StoredFile | None = None
    output: JsonObject | None = None
    depends_on: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    unmet: Unmet = Unmet()
    attempt: int = 1
    ran: int = 0
    attempts: tuple[Attempt, ...] = ()
    execution: str | None = None
    worker: str | None = None
    losses: int = 0
    lease_until: datetime | None = None
    due_at: datetime | None = None
    deadline: datetime | None = None
    ready_at: datetime | None = None
    unsettled: bool = False
    progress: float = 0
    message: str | None = None
    error: Failure | None = None
    last_error: Failure | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration: float | None = None
    retry_count: int = 0
    max_retries: int = 2
    retry_delay: float = 1.0
    timeout: float | None = None
    checkpoint: JsonObject | None = None
    resumable: bool = False
    parent_task_id: str | None = None
    notify_email: str | None = None
    notify_webhook: str | None = None
    callback_url: str | None = None
    user_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    sequence: int = 0
    expires_at: datetime | None = None

    @property
    def is_stub(self) -> bool:
        """Whether others depend on it, and nobody has created it."""
        return self.status is None and self.created_at is None

    @property
    def is_open(self) -> bool:
        """Whether it is known and has not ended."""
        return self.status is not None and not self.status.is_final

    @property
    def is_failure(self) -> bool:
        """Whether it ended badly by itself, so that what it lies in is not well either."""
        return self.status in {TaskStatus.FAILED, TaskStatus.CANCELLED} and not self.allow_failure

    @property
    def key(self) -> tuple[int, int]:
        """Its place in its run: what it lies in comes before it."""
        return self.index, -1 if self.item is None else self.item

    def view(self) -> TaskView:
        """Show it as others see it. It has a status."""
        return TaskView.model_construct(
            **{name: getattr(self, name) for name in _SHOWN if name != "attempt"}, attempt=self.ran
        )


_SHOWN = tuple(TaskView.model_fields)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A workflow: one run of a definition. Its steps are tasks of their own.

    Attributes:
        partition_key: Id of the run that all this is part of; its own, unless it is a subworkflow's.
        parent_task_id: The step that it stands for, if it is a subworkflow's.
        has_children: Whether runs stand, or stood, for steps of it; they are deleted with it.
        definition: As submitted; kept to be shown, never needed to decide.
        subworkflows: The templates that this run and those in it may need, by ``name@version``; frozen.
        outcome: What it is going to be, if that is known before all has ended. Set when its ``finally`` steps
            have their turn, which may still fail what was complete.
        left: Steps that have not ended, without those under ``finally``, of which there are ``finally_left``.
        draining: Whether a step failed, and what had not begun was skipped because of that.
        finishing: Whether its ``finally`` steps had their turn.
        held: Whether nothing new may start; said last by the command with ``held_sequence``.
        signals: What was last said with each signal.
        waits: Steps that wait for each signal.
        outputs: Step id to output, of what completed; left out beyond 64 KB in all.
        outputs_size: Bytes of JSON that all outputs have come to.
    """

    id: str
    version: int = 0
    tenant: str = "default"
    traceparent: str | None = None
    body_digest: str = ""
    name: str = ""
    description: str = ""
    user_id: str | None = None
    partition_key: str = ""
    parent_task_id: str | None = None
    has_children: bool = False
    definition: JsonObject | None = None
    subworkflows: JsonObject | None = None
    input: JsonObject = field(default_factory=dict)
    status: WorkflowStatus | None = None
    failure_policy: str = "fail_fast"
    outcome: WorkflowStatus | None = None
    left: int = 0
    finally_left: int = 0
    draining: bool = False
    finishing: bool = False
    held: bool = False
    held_sequence: int = 0
    signals: JsonObject = field(default_factory=dict)
    waits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    error: Failure | None = None
    counts: Counts = field(default_factory=Counts)
    notify: tuple[Notify, ...] = ()
    outputs: JsonObject = field(default_factory=dict)
    outputs_size: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration: float | None = None
    commands: tuple[str, ...] = ()
    sequence: int = 0
    expires_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is known and has not ended."""
        return self.status is not None and not self.status.is_final

    def view(self) -> WorkflowView:
        """Show it as others see it. It has a status."""
        shown = {name: getattr(self, name) for name in WorkflowView.model_fields}
        outputs = self.outputs if self.status and self.status.is_final else None
        return WorkflowView.model_construct(**{**shown, "outputs": outputs})
