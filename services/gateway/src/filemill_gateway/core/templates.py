"""Templates at the door: their names, what refers to them, and what they look like to a client."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from filemill_common.events import JsonObject, Moment, Value
from filemill_common.language import Definition, Problem
from filemill_common.language.model import SubworkflowItem
from filemill_common.language.problems import Speller
from filemill_gateway.core.definitions import placed
from filemill_gateway.core.invalid import InvalidRequestError, problem

MAX_NESTING: Final = 8
"""How deep templates may use templates: a run has at most so many levels of runs under it."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_NAMES: Final = "a letter, digit or _, then up to 99 letters, digits, _, . and -"


class TemplateItem(Value):
    """A template as lists show it, by its newest version."""

    name: str
    version: int
    description: str = ""
    created_at: Moment


class TemplateShape(TemplateItem):
    """A version of a template as a client sees it.

    Attributes:
        definition: As it was checked, in our shape.
        uses: The templates that its ``subworkflow`` steps name, as ``name@version``.
        versions: All that there are, the newest first.
    """

    definition: JsonObject
    uses: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A version of a template; it never changes.

    Attributes:
        definition: As JSON text.
        digest: Of what the definition says, however it is laid out.
        uses: The templates that it names, as ``name@version``; all were there before it.
        depth: Levels of templates under it; 0 if it uses none.
    """

    name: str
    version: int
    description: str
    created_at: datetime
    definition: str
    digest: str
    uses: tuple[str, ...]
    depth: int

    @property
    def reference(self) -> str:
        """What others call it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A template that somebody names: a certain version, or the newest."""

    name: str
    version: int | None


def read_reference(text: str) -> Reference | None:
    """Read ``name`` or ``name@version``; None if it is neither."""
    name, at, version = text.partition("@")
    if not _NAME.fullmatch(name) or (at and not _VERSION.fullmatch(version)):
        return None
    return Reference(name, int(version) if at else None)


def check_name(text: str) -> str:
    """Give a name that a template may have.

    Raises:
        InvalidRequestError: It is none.
    """
    if not _NAME.fullmatch(text):
        hint = None
        if "@" in text:
            hint = f"leave the version out: it is counted, and {text.partition('@')[0][:80]!r} gets the next"
        message = f"{text[:120]!r} is no name of a template: {_NAMES}"
        raise InvalidRequestError([problem("invalid_name", message, suggestion=hint)])
    return text


def uses(definition: Definition) -> Mapping[str, list[str]]:
    """Say which templates a definition names, as ``name@version``, and by which pointers."""
    found: dict[str, list[str]] = {}
    for place, step in placed(definition):
        if isinstance(step, SubworkflowItem):
            found.setdefault(step.workflow, []).append(f"{place}/workflow")
    return found


def unknown(text: str, newest: Mapping[str, int], at: str) -> Problem:
    """Say that there is no such template, and what was probably meant.

    Args:
        text: ``name`` or ``name@version``.
        newest: Every template there is, with its newest version.
        at: Pointer to where it is named.
    """
    name = text.partition("@")[0]
    if name in newest:
        suggestion: str | None = f"the newest is '{name}@{newest[name]}'"
    else:
        suggestion = Speller().suggestion(text, [f"{each}@{version}" for each, version in newest.items()])
    message = f"there is no template {text[:120]!r}"
    return Problem(pointer=at, code="unknown_template", message=message, suggestion=suggestion)


def too_deep(template: Template, at: str) -> Problem:
    """Say that a template cannot be used, since it uses others at the greatest depth itself."""
    message = (
        f"with {template.reference} there would be {template.depth + 1} levels of workflows in workflows; "
        f"at most {MAX_NESTING} are allowed"
    )
    return Problem(pointer=at, code="too_deep", message=message)
