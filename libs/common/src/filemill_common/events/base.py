"""What every event has: a type with its version, a subject, a partition, an id that says the fact."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from filemill_common.clock import EPOCH, rfc3339
from filemill_common.ids import derived_id

Moment = Annotated[
    AwareDatetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]
"""A time as the wire shows it: RFC 3339, UTC, exactly three decimals, ``Z``."""

ENVELOPE = frozenset({"time", "partition_key", "deferrals", "traceparent", "command_id"})
"""Fields that travel in the CloudEvents envelope and not in its ``data``."""


class Value(BaseModel):
    """A frozen value that ignores what it does not know, so that a newer sender can say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Value):
    """Something that happened, told once or many times.

    Attributes:
        time: When it happened (not when it was sent).
        partition_key: Id of the root workflow, or of the task; events with the same key keep
            their order.
        deferrals: How often its reader put it off because it came too early.
        traceparent: W3C trace context of what caused it.
    """

    type: ClassVar[str]
    transient: ClassVar[bool] = False
    """Whether nobody is harmed when it is lost; such an event is never stored to be sent again."""

    time: Moment = EPOCH
    partition_key: str = ""
    deferrals: Annotated[int, Field(ge=0)] = 0
    traceparent: str | None = None

    @property
    def subject(self) -> str:
        """The id of the task, workflow or other thing that this is about."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """The CloudEvents id; the same fact told again has the same one."""
        return derived_id(self.type, self.subject, *self.identity)

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """What tells this fact from others of its type and subject: attempt, execution, sequence."""
        return ()


class Command(Event):
    """A request of somebody outside; two equal ones are two, so it brings an id of its own.

    Attributes:
        command_id: A UUIDv7, or one derived from an ``Idempotency-Key``; travels as the event's id.
        sequence: Milliseconds since 1970 at which the door accepted it; an older one does not
            undo a newer one. Without one, a command of another system was given at its `time`.
    """

    command_id: str
    sequence: Annotated[int, Field(ge=0)] = 0

    @property
    def id(self) -> str:
        """The command's own id."""
        return self.command_id
