"""One thing that somebody asks for in a run, and the commands that follow it."""

from dataclasses import dataclass
from typing import Any, Final, Literal

Json = dict[str, Any]

SINK: Final = "http://sink/"
"""Stands for the address of the receiver of notifications, which is known later."""

CLIP: Final = "chaos/clip.mp4"

Door = Literal["http", "intake"]


@dataclass(frozen=True, slots=True)
class Order:
    """One command for what was accepted.

    Attributes:
        name: Such as ``cancel``.
        after: Seconds after the acceptance, or after the order before it.
        twice: Whether it is repeated, with the same key.
        signal: Which, if it is one.
        body: What comes with it.
    """

    name: str
    after: float
    twice: bool = False
    signal: str | None = None
    body: Json | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that somebody asks for.

    Attributes:
        at: Seconds after the beginning.
        kind: ``workflow`` or ``task``, or ``poison``, which nobody can use.
        body: The request's body; for what goes to the intake, the task itself.
        key: The ``Idempotency-Key``, or for what goes to the intake or is poison, its id.
        door: Where it goes: to a gateway, or as an event to ``filemill.intake``.
        start: Whether a workflow starts at once.
        again: Seconds after which the very same is asked for once more.
        orders: Commands that follow.
    """

    at: float
    kind: Literal["workflow", "task", "poison"]
    body: Json
    key: str | None
    door: Door = "http"
    start: bool = True
    again: float | None = None
    orders: tuple[Order, ...] = ()
