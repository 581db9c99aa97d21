"""Values that events carry: what is asked of a task, where a file lies, what a task or run looks like."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from filemill_common.events.base import Moment, Value

JsonObject = dict[str, Any]
"""A JSON object, as its sender wrote it."""

HISTORY_FORMAT: Final = "filemill-history/1"
"""Named by the first line of a run's exported history: who writes it and who plays it must agree."""

ShortText = Annotated[str, StringConstraints(max_length=200)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class TaskStatus(StrEnum):
    """Where a task stands; the original system's names, with ``ready`` and ``skipped``."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """Whether only a command (retry, rerun) can take the task out of it."""
        return self in _FINAL_TASK


_FINAL_TASK = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.SKIPPED})


class WorkflowStatus(StrEnum):
    """Where a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether only a command (rerun) can take the run out of it."""
        return self in _FINAL_WORKFLOW


_FINAL_WORKFLOW = frozenset({WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED})


class Failure(Value):
    """Why something failed: a stable code, and a sentence for people."""

    code: str
    message: str


class StoredFile(Value):
    """A file as it lies in the storage; it never changes.

    Attributes:
        object: Name of the immutable object, relative to the storage's root.
        size: In bytes.
        digest: ``sha256:`` and 64 hexadecimal digits.
        content_type: As sniffed from its first bytes, never as claimed.
        path: What a user calls it (an alias), if it was asked for by a path.
    """

    object: str
    size: Annotated[int, Field(ge=0)]
    digest: str
    content_type: str = "application/octet-stream"
    path: str | None = None


class Notify(Value):
    """Whom to tell of which events; exactly one of the three ways is given.

    Attributes:
        events: Such as ``task.completed`` or ``workflow.failed``.
        locale: Language of an email, ``zh`` (the original's) or ``en``.
    """

    events: tuple[str, ...]
    email: str | None = None
    webhook: str | None = None
    callback: str | None = None
    locale: str = "zh"


class TaskSpec(Value):
    """What is asked of a task; the original's field names.

    Attributes:
        type: Such as ``video_convert``; ``GET /v1/task-types`` lists them.
        input_file: Path or ``filemill:///path`` of the file to process.
        output_file: Path that the result shall get; without it one is made up.
        priority: 0 (may wait) to 10 (urgent).
        depends_on: Ids of tasks that must complete first.
        max_retries: Tries after the first that failed.
        retry_delay: Seconds before the first retry; doubled for each further one, at most 60.
        timeout: Seconds that one attempt may run.
    """

    type: ShortText
    input_file: Path | None = None
    output_file: Path | None = None
    options: JsonObject = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=10)] = 5
    depends_on: Annotated[tuple[ShortText, ...], Field(max_length=1000)] = ()
    max_retries: Annotated[int, Field(ge=0, le=100)] = 2
    retry_delay: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 1.0
    timeout: Annotated[float | None, Field(gt=0, le=604_800, allow_inf_nan=False)] = None
    resumable: bool = False
    parent_task_id: ShortText | None = None
    notify_email: ShortText | None = None
    notify_webhook: Url | None = None
    callback_url: Url | None = None
    user_id: ShortText | None = None
    labels: Annotated[dict[ShortText, ShortText], Field(max_length=64)] = Field(default_factory=dict)


class Attempt(Value):
    """A closed try at a task.

    Attributes:
        number: From 1; it never falls, and goes on counting when a task is retried or run again.
        outcome: ``failed``, ``lost`` (with its worker), ``released`` (given back), ``cancelled`` or
            ``completed`` (and then run again).
    """

    number: int
    outcome: str
    error: Failure | None = None
    worker: str | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None


class TaskView(Value):
    """A task as others see it: in final events, over HTTP, in live progress.

    Attributes:
        progress: 0 to 100; never falls within an attempt.
        duration: Seconds from ``started_at`` to ``completed_at`` of the accepted execution.
        retry_count: Failures so far.
        kind: What a step is: ``task``, ``condition``, ``parallel``, ``map``, ``wait`` or ``subworkflow``;
            of all but a task ``type`` says the same.
        parent: Id of the step, a ``parallel`` or ``map``, that it lies in.
        item: Which item of a map it works on, from 0.
        child: Id of the run that a ``subworkflow`` step started.
        reason: Why it was skipped; null in every other status.
        attempt: Number of the last attempt known to have run, 0 before the first.
        attempts: The tries that were closed, the oldest first, 100 at the most; one that succeeded is among
            them only if the task was run again.
    """

    id: str
    tenant: str = "default"
    workflow_id: str | None = None
    step_id: str | None = None
    name: str | None = None
    kind: str = "task"
    type: str
    parent: str | None = None
    item: int | None = None
    child: str | None = None
    status: TaskStatus
    reason: str | None = None
    priority: int = 5
    input_file: str | None = None
    output_file: str | None = None
    options: JsonObject = Field(default_factory=dict)
    progress: float = 0
    message: str | None = None
    output: JsonObject | None = None
    error: Failure | None = None
    last_error: Failure | None = None
    attempt: int = 0
    attempts: tuple[Attempt, ...] = ()
    created_at: Moment
    updated_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None
    duration: float | None = None
    retry_count: int = 0
    max_retries: int = 2
    retry_delay: float = 1.0
    timeout: float | None = None
    checkpoint: JsonObject | None = None
    resumable: bool = False
    parent_task_id: str | None = None
    depends_on: tuple[str, ...] = ()
    notify_email: str | None = None
    notify_webhook: str | None = None
    callback_url: str | None = None
    user_id: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class Counts(Value):
    """How many of a run's tasks ended how; ``total`` counts all of them."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0

    @property
    def ended(self) -> int:
        """How many are final."""
        return self.completed + self.failed + self.cancelled + self.skipped


class WorkflowView(Value):
    """A run as events show it; its steps are read one by one.

    Attributes:
        partition_key: Id of the root run, which those that it started have too; its commands carry it.
        parent_task_id: The ``subworkflow`` step that started it; null of a root.
        outputs: Of an ended run: step id to that step's output, for what completed.
        duration: Seconds from ``started_at`` to ``completed_at``.
    """

    id: str
    tenant: str = "default"
    partition_key: str = ""
    parent_task_id: str | None = None
    name: str
    description: str = ""
    user_id: str | None = None
    status: WorkflowStatus
    error: Failure | None = None
    counts: Counts = Counts()
    notify: tuple[Notify, ...] = ()
    outputs: JsonObject | None = None
    created_at: Moment
    updated_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None
    duration: float | None = None
