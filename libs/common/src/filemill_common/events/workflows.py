"""Events about workflows (runs): what is asked, what becomes of them, and the commands they take."""

from typing import ClassVar, Literal

from pydantic import Field

from filemill_common.events.base import Command, Event
from filemill_common.events.values import JsonObject, WorkflowView


class WorkflowCreated(Event):
    """Somebody wants a definition run.

    Gateway or another system -> scheduler, which tells it again, with the same id, once stored.

    Attributes:
        definition: The whole definition as validated; the run keeps it, whatever becomes of a template.
        subworkflows: ``name@version`` to the definition of each template that it uses, at whatever depth.
        start: Whether it runs at once or stays ``pending``.
        body_digest: Digest of the request, to tell a repetition from another request with the same key.
    """

    type: ClassVar[str] = "io.filemill.workflow.created.v1"

    workflow_id: str
    tenant: str = "default"
    definition: JsonObject
    subworkflows: JsonObject = Field(default_factory=dict)
    input: JsonObject = Field(default_factory=dict)
    start: bool = True
    user_id: str | None = None
    body_digest: str = ""

    @property
    def subject(self) -> str:
        """The run."""
        return self.workflow_id


class WorkflowCommand(Command):
    """Somebody wants something done with a run. Gateway or another system -> scheduler."""

    type: ClassVar[str] = "io.filemill.workflow.command.v1"

    workflow_id: str
    tenant: str = "default"
    command: Literal["start", "pause", "resume", "cancel", "retry", "rerun", "signal", "delete"]
    arguments: JsonObject = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        """The run."""
        return self.workflow_id


class WorkflowEvent(Event):
    """Something became of a run. Scheduler -> whoever listens.

    Attributes:
        workflow: The run as it then stood.
        sequence: Version of the stored run; a higher one is newer.
    """

    workflow: WorkflowView
    sequence: int = 0

    @property
    def subject(self) -> str:
        """The run."""
        return self.workflow.id

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """A run may end again after a rerun."""
        return (self.sequence,)


class WorkflowCompleted(WorkflowEvent):
    """All steps ended well."""

    type: ClassVar[str] = "io.filemill.workflow.completed.v1"


class WorkflowFailed(WorkflowEvent):
    """A step failed that was not allowed to; ``workflow.error`` says which and why."""

    type: ClassVar[str] = "io.filemill.workflow.failed.v1"


class WorkflowCancelled(WorkflowEvent):
    """A command ended the run."""

    type: ClassVar[str] = "io.filemill.workflow.cancelled.v1"


class WorkflowStarted(WorkflowEvent):
    """The run's first steps may begin."""

    type: ClassVar[str] = "io.filemill.workflow.started.v1"
    transient: ClassVar[bool] = True


class WorkflowWaiting(WorkflowEvent):
    """The run waits for a time or a signal."""

    type: ClassVar[str] = "io.filemill.workflow.waiting.v1"
    transient: ClassVar[bool] = True


class WorkflowPaused(WorkflowEvent):
    """Nothing new starts until it is resumed."""

    type: ClassVar[str] = "io.filemill.workflow.paused.v1"
    transient: ClassVar[bool] = True


class WorkflowResumed(WorkflowEvent):
    """The run goes on."""

    type: ClassVar[str] = "io.filemill.workflow.resumed.v1"
    transient: ClassVar[bool] = True
