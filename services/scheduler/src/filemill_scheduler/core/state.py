"""Tasks and runs as the scheduler keeps them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from filemill_common.events import (
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
    """How the tasks that one depends on have ended so far; changed only as each of them ends."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0

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
        template: A step's ``with``, while it has expressions that are not rendered yet.
        references: Steps whose results these expressions use.
        input: The object that every attempt reads.
        dependents: Tasks that wait for this one, in other runs too.
        attempt: Number of the open try. Whatever closes a try raises it in the same transition.
        ran: Number of the last try known to have run; what is shown.
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
    index: int = 0
    type: str = ""
    status: TaskStatus | None = None
    reason: str | None = None
    priority: int = 5
    input_file: str | None = None
    output_file: str | None = None
    options: JsonObject = field(default_factory=dict)
    template: JsonObject | None = None
    references: tuple[str, ...] = ()
    input: StoredFile | None = None
    output: JsonObject | None = None
    depends_on: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    unmet: Unmet = Unmet()
    attempt: int = 1
    ran: int = 0
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
        definition: As submitted; kept to be shown and rerun, never needed to decide.
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
    definition: JsonObject | None = None
    input: JsonObject = field(default_factory=dict)
    status: WorkflowStatus | None = None
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

    def view(self) -> WorkflowView:
        """Show it as others see it. It has a status."""
        shown = {name: getattr(self, name) for name in WorkflowView.model_fields}
        outputs = self.outputs if self.status and self.status.is_final else None
        return WorkflowView.model_construct(**{**shown, "outputs": outputs})
