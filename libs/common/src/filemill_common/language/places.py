"""Every step of a document as it was given, however broken, with its place in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]

MAX_NESTING = 8
"""Levels of steps: one at the top, one more inside each ``parallel`` and ``map``."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A step as somebody wrote it, and where.

    Attributes:
        path: From the top of the document.
        step: As given; any of it may be of a wrong type.
        kind: Its ``type``, ``task`` if it has none, "" if that is no text.
        inside: What it lies in; None at the top.
        beside: The path of the list in which it stands.
        in_finally: Whether it lies, at whatever depth, under ``finally``.
        aliases: What the items of the maps around it are called.
        is_item: Whether it is the ``step`` of a map, and so has no id.
        level: 1 at the top. What lies deeper than `MAX_NESTING` is given, but nothing inside it.
    """

    path: Path
    step: Mapping[str, Any]
    kind: str
    inside: "Place | None"
    beside: Path
    in_finally: bool
    aliases: tuple[str, ...]
    is_item: bool
    level: int

    @property
    def id(self) -> str | None:
        """What others call it; None if it has no id, or none that is text."""
        name = None if self.is_item else self.step.get("id")
        return name if isinstance(name, str) else None

    @property
    def owner(self) -> "Place":
        """The step that waits for what this one uses: itself, or the map whose item it is."""
        return self.inside.owner if self.is_item and self.inside else self

    @property
    def around(self) -> Iterator["Place"]:
        """What it lies in, from the inside out."""
        at = self.inside
        while at is not None:
            yield at
            at = at.inside


def places(document: Mapping[str, Any]) -> Iterator[Place]:
    """Give all steps in the order of the document, what lies in one after it."""
    for name in ("steps", "finally"):
        listed = document.get(name)
        for at, step in enumerate(listed if isinstance(listed, list) else []):
            yield from _places(step, (name,), at, inside=None, in_finally=name == "finally")


def alias_of(step: Mapping[str, Any]) -> str:
    """Name what a map calls its item; "" if what it says is no name."""
    alias = step.get("as", "item")
    return alias if isinstance(alias, str) and alias.isidentifier() and alias.isascii() else ""


def _places(
    step: object,
    beside: Path,
    at: str | int,
    *,
    inside: Place | None,
    in_finally: bool,
    is_item: bool = False,
) -> Iterator[Place]:
    if not isinstance(step, dict):
        return
    kind = step.get("type", "task")
    place = Place(
        path=(*beside, at),
        step=step,
        kind=kind if isinstance(kind, str) else "",
        inside=inside,
        beside=beside,
        in_finally=in_finally,
        aliases=(*inside.aliases, alias_of(inside.step))
        if is_item and inside
        else inside.aliases
        if inside
        else (),
        is_item=is_item,
        level=inside.level + 1 if inside else 1,
    )
    yield place
    if place.level > MAX_NESTING:
        return
    # Whatever it says it is: were its steps not looked at, all that names them would seem wrong too.
    branches = step.get("branches")
    for name, branch in branches.items() if isinstance(branches, dict) else ():
        for index, each in enumerate(branch if isinstance(branch, list) else []):
            list_at = (*place.path, "branches", name)
            yield from _places(each, list_at, index, inside=place, in_finally=in_finally)
    yield from _places(
        step.get("step"), place.path, "step", inside=place, in_finally=in_finally, is_item=True
    )
