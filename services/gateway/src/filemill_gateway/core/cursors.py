"""Cursors: where a list goes on. Opaque to clients, so that what they hold may change."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from filemill_common.clock import EPOCH
from filemill_gateway.core.invalid import InvalidRequestError, problem

_CONTENT: TypeAdapter[tuple[int, str]] = TypeAdapter(tuple[int, str])


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last item of a page; the next page begins after it. Newest first, then by id."""

    created_at: datetime
    id: str


def write_cursor(cursor: Cursor) -> str:
    """Make a cursor opaque."""
    at = (cursor.created_at - EPOCH) // timedelta(milliseconds=1)
    return base64.urlsafe_b64encode(json.dumps([at, cursor.id]).encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Read what `write_cursor` wrote.

    Raises:
        InvalidRequestError: It did not.
    """
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        at, of = _CONTENT.validate_json(decoded)
        return Cursor(created_at=EPOCH + timedelta(milliseconds=at), id=of)
    except (ValueError, OverflowError) as error:
        message = "the cursor is not one that a list gave"
        raise InvalidRequestError([problem("invalid_cursor", message)]) from error
