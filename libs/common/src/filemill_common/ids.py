"""Ids: new ones in order of time, and derived ones that say the same fact twice the same way."""

from datetime import UTC, datetime
from typing import Final

from uuid_utils import UUID, uuid5, uuid7

_FACTS: Final = UUID("6f1c1e62-6f0b-4c0e-9d0d-0f7f3a1f5a11")


def new_id() -> str:
    """Make a UUIDv7: unique, and sorted by the time it was made."""
    return str(uuid7())


def made_at(new: str) -> datetime:
    """Tell when an id of `new_id` was made, by the clock of whoever made it, to the millisecond."""
    return datetime.fromtimestamp(UUID(new).timestamp / 1000, UTC)


def derived_id(*parts: str | int | None) -> str:
    """Derive a UUIDv5 from what a thing is about; equal parts give an equal id."""
    return str(uuid5(_FACTS, "\x1f".join("" if part is None else str(part) for part in parts)))


def step_task_id(workflow_id: str, step_id: str, index: int | None = None) -> str:
    """Name the task of a workflow's step (``index`` counts a map's items)."""
    return derived_id("step", workflow_id, step_id, index)


def keyed_id(tenant: str, route: str, key: str) -> str:
    """Name what an ``Idempotency-Key`` made: the same key on the same route is the same thing."""
    return derived_id("key", tenant, route, key)
