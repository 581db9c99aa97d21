"""A run's history as a client sees it: what happened, in order, and what each event decided."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from filemill_common.events import EVENTS, JsonObject, Moment, Value
from filemill_gateway.core.cursors import Cursor
from filemill_gateway.core.invalid import InvalidRequestError, problem


class HistoryChange(Value):
    """A task or run that got to another status, or a task that got another try.

    Attributes:
        run: The run, or that of the task.
        step: Id of the step that the task stands for; null for the run itself.
        from_: Null for what was not there.
        to: Null for what is no more.
        attempt: Number of the try that it is about.
        reason: Why it was skipped, or the code of its error.
    """

    model_config = ConfigDict(populate_by_name=True)

    run: str
    step: str | None = None
    task: str | None = None
    from_: str | None = Field(None, alias="from")
    to: str | None = None
    attempt: int | None = None
    reason: str | None = None


class HistoryItem(Value):
    """An event that was about a run, and what became of it.

    Attributes:
        at: When it was decided, by the store's clock.
        event: What happened, such as ``AttemptFailed``.
        type: The same as a CloudEvents type.
        run: The run that it is about: this one, or one that a step of it started.
        step: The step that it is about, if it is about one.
        data: What the event says. Addresses of those who are told of the run's end are left out.
        made: How many tasks it made.
        outcome: ``ignored``, ``deferred``, ``parked`` or ``rejected: <code>``; null if it was applied.
        given: What the decision rested on beside it, such as what paths stood for.
    """

    at: Moment
    event: str
    type: str
    run: str
    step: str | None = None
    changes: tuple[HistoryChange, ...] = ()
    made: int = 0
    outcome: str | None = None
    data: JsonObject = Field(default_factory=dict)
    given: JsonObject = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in a history: the place of its document, and which of its events it is, from 0."""

    document: int = 0
    index: int = 0


def write_place(place: Place, at: datetime) -> Cursor:
    """Say where a history goes on, as all lists do."""
    return Cursor(created_at=at, id=f"{place.document:x}.{place.index}")


def read_place(cursor: Cursor) -> Place:
    """Read what `write_place` wrote.

    Raises:
        InvalidRequestError: Another list's cursor.
    """
    try:
        document, index = cursor.id.split(".")
        place = Place(int(document, 16), int(index))
    except ValueError as error:
        raise InvalidRequestError(
            [problem("invalid_cursor", "the cursor is that of another list")]
        ) from error
    if not (0 <= place.document < 1 << 63 and 0 <= place.index < 1 << 31):
        raise InvalidRequestError([problem("invalid_cursor", "the cursor is that of another list")])
    return place


def items(
    entries: list[dict[str, Any]], at: datetime, *, of: str | None
) -> Iterator[tuple[int, HistoryItem]]:
    """Show the events of a document with their numbers, or those that concern one run alone."""
    for index, entry in enumerate(entries):
        if of is None or entry["run"] == of or any(each["run"] == of for each in entry.get("changes", ())):
            kind = EVENTS.get(entry["type"])
            name = kind.__name__ if kind is not None else str(entry["type"])
            yield index, HistoryItem(at=at, event=name, **entry)
