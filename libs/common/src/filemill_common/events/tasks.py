"""Events about tasks: what is asked, what becomes of them, and the commands they take."""

from typing import ClassVar, Literal

from filemill_common.events.base import Command, Event
from filemill_common.events.values import JsonObject, StoredFile, TaskSpec, TaskView


class TaskCreated(Event):
    """Somebody wants a task.

    Gateway or another system -> scheduler, which tells it again, with the same id, once stored.

    Attributes:
        body_digest: Digest of the request, to tell a repetition from another request with the same key.
    """

    type: ClassVar[str] = "io.filemill.task.created.v1"

    task_id: str
    tenant: str = "default"
    task: TaskSpec
    body_digest: str = ""

    @property
    def subject(self) -> str:
        """The task."""
        return self.task_id


class TaskCommand(Command):
    """Somebody wants something done with a task. Gateway or another system -> scheduler.

    Attributes:
        command: ``cancel`` stops it, ``retry`` opens a failed or cancelled one again, ``delete``
            hides it (and cancels what is under way).
    """

    type: ClassVar[str] = "io.filemill.task.command.v1"

    task_id: str
    tenant: str = "default"
    command: Literal["cancel", "retry", "delete"]

    @property
    def subject(self) -> str:
        """The task."""
        return self.task_id


class TaskReady(Event):
    """An attempt may begin: all that the task depends on has ended as it should.

    Scheduler -> any worker of the pool. It carries all that a worker needs, so a worker reads no state.

    Attributes:
        attempt: Number of this try, from 1; it never falls.
        losses: How many workers lost this task so far; from 1 on it is reported as started at once,
            from 2 on it runs alone.
        options: Rendered and checked against the type's model.
        input: The very bytes that every attempt reads.
        output_file: Path that the result will get; its suffix may decide the format.
        timeout: Seconds that the attempt may run.
        lease: Seconds after which a silent worker counts as lost.
        checkpoint: What the last attempt left to go on from.
    """

    type: ClassVar[str] = "io.filemill.task.ready.v1"

    task_id: str
    tenant: str = "default"
    workflow_id: str | None = None
    attempt: int
    losses: int = 0
    task_type: str
    priority: int = 5
    options: JsonObject
    input: StoredFile | None = None
    output_file: str | None = None
    timeout: float | None = None
    lease: float = 20.0
    checkpoint: JsonObject | None = None

    @property
    def subject(self) -> str:
        """The task."""
        return self.task_id

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """Each attempt becomes ready once."""
        return (self.attempt,)


class TaskEvent(Event):
    """Something became of a task. Scheduler -> whoever listens.

    Attributes:
        task: The task as it then stood.
        sequence: Version of the stored task; a higher one is newer.
    """

    task: TaskView
    sequence: int = 0

    @property
    def subject(self) -> str:
        """The task."""
        return self.task.id

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """A task may end once an attempt."""
        return (self.task.attempt, self.sequence)


class TaskCompleted(TaskEvent):
    """A task ended well; ``task.output`` holds its result. Consumed by notifier, gateway, others."""

    type: ClassVar[str] = "io.filemill.task.completed.v1"


class TaskFailed(TaskEvent):
    """A task failed for good: no retry is left, or none would help."""

    type: ClassVar[str] = "io.filemill.task.failed.v1"


class TaskCancelled(TaskEvent):
    """A task was cancelled by a command, or because its run ended."""

    type: ClassVar[str] = "io.filemill.task.cancelled.v1"


class TaskSkipped(TaskEvent):
    """A task will not run; ``task.reason`` says why."""

    type: ClassVar[str] = "io.filemill.task.skipped.v1"
    transient: ClassVar[bool] = True


class TaskQueued(TaskEvent):
    """A task waits for a worker."""

    type: ClassVar[str] = "io.filemill.task.queued.v1"
    transient: ClassVar[bool] = True


class TaskStarted(TaskEvent):
    """A worker reported that it runs a long task."""

    type: ClassVar[str] = "io.filemill.task.started.v1"
    transient: ClassVar[bool] = True


class TaskProgressed(TaskEvent):
    """A running task came further."""

    type: ClassVar[str] = "io.filemill.task.progressed.v1"
    transient: ClassVar[bool] = True


class TaskRetrying(TaskEvent):
    """An attempt failed, and another one will follow."""

    type: ClassVar[str] = "io.filemill.task.retrying.v1"
    transient: ClassVar[bool] = True
