"""Events about deliveries, and about what was refused."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from filemill_common.events.base import Command, Event
from filemill_common.events.values import JsonObject


class DeliveryCommand(Command):
    """Somebody wants a notification sent again. Gateway -> notifier."""

    type: ClassVar[str] = "io.filemill.delivery.command.v1"

    delivery_id: str
    tenant: str = "default"
    command: Literal["redeliver"] = "redeliver"

    @property
    def subject(self) -> str:
        """The delivery."""
        return self.delivery_id


class EventRejected(Event):
    """An event was refused and changed nothing. Whoever refused it -> others.

    Attributes:
        event_id: Id of what was refused, as far as it could be read.
        event_type: Its type, as far as it could be read.
        code: Stable reason, such as ``undecodable``, ``invalid_event``, ``idempotency_conflict``.
        message: A sentence for people.
        problems: Place and sentence of each fault.
    """

    type: ClassVar[str] = "io.filemill.event.rejected.v1"
    transient: ClassVar[bool] = True

    event_id: Annotated[str, Field(max_length=500)] = ""
    event_type: Annotated[str, Field(max_length=500)] = ""
    code: str
    message: str
    problems: tuple[JsonObject, ...] = ()

    @property
    def subject(self) -> str:
        """What was refused."""
        return self.event_id

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """One for each reason."""
        return (self.code,)
