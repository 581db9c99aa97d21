"""What all lists have in common: filters by time, labels, cursors."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator

from filemill_gateway.core.cursors import Cursor, read_cursor, write_cursor
from filemill_gateway.core.invalid import InvalidRequestError, problem
from filemill_gateway.queries import Page

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=200, description="The most items of a page.")]

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)


def _dated(text: object) -> object:
    """Refuse a bare number, which would be taken for seconds since 1970."""
    if isinstance(text, str) and not _DAY.match(text):
        raise ValueError("a time is written like 2026-11-05T10:00:00Z")
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is outside the years 1 to 9999") from error


Time = Annotated[AwareDatetime, BeforeValidator(_dated), AfterValidator(_in_utc)]
After = Annotated[Time | None, Query(description="Created at or after this time.")]
Before = Annotated[Time | None, Query(description="Created before this time.")]
Labels = Annotated[list[str], Query(description="A label as `key:value`; with several, all must be there.")]
CursorText = Annotated[str | None, Query(max_length=500, description="The `next` of the page before.")]


class Listed(BaseModel, Generic[Item]):
    """A page of a list, newest first; a history has the oldest first.

    Attributes:
        next: What to send as ``cursor`` for the next page; null on the last one.
    """

    items: tuple[Item, ...]
    next: str | None


def listed(page: Page[Item]) -> Listed[Item]:
    """Show a page."""
    return Listed(items=page.items, next=write_cursor(page.next) if page.next else None)


def cursor_of(text: str | None) -> Cursor | None:
    """Read a cursor.

    Raises:
        InvalidRequestError: It is none of ours.
    """
    return None if text is None else read_cursor(text)


def labels_of(labels: list[str]) -> dict[str, str]:
    """Read labels to search for.

    Raises:
        InvalidRequestError: One has no colon.
    """
    wrong = [label for label in labels if ":" not in label]
    if wrong:
        message = f"a label is searched for as key:value, not {wrong[0][:80]!r}"
        raise InvalidRequestError([problem("invalid_parameter", message)])
    return dict(label.split(":", 1) for label in labels)


def equal(**fields: str | None) -> dict[str, str]:
    """Keep the filters that are given."""
    return {name: value for name, value in fields.items() if value is not None}
