"""Seeded bugs in the adapters: each is a change from outside, and each must be found by the checker."""

from collections.abc import Callable
from typing import Final

BUGS: Final[dict[str, Callable[[], None]]] = {}


def seed(bug: str, service: str) -> None:
    """Put a bug into this process."""
    BUGS[bug]()
