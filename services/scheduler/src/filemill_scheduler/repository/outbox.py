"""Events owed, as they lie in the outbox: written with the state, deleted once the broker has them."""

from datetime import datetime, timedelta
from typing import Final

from filemill_common.events import EVENTS, Event
from filemill_common.store import Document

GRACE: Final = timedelta(seconds=5)
"""What is not confirmed this long after it was written is sent by the sweep."""


def entry_document(
    entry_id: str, event: Event, *, now: datetime, not_before: datetime | None = None
) -> Document:
    """Write an event owed, or with ``not_before`` one that is to be looked at again then."""
    return {
        "_id": entry_id,
        "type": event.type,
        "subject": event.subject,
        "event": event.model_dump_json(),
        "due_at": not_before or now + GRACE,
        "deferred": not_before is not None,
    }


def entry_event(entry: Document) -> Event:
    """Read the event of an entry."""
    return EVENTS[entry["type"]].model_validate_json(entry["event"])
