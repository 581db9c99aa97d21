"""What the model says about a document, in the words and places of the document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from filemill_common.language.checks import readable
from filemill_common.language.model import ITEM_MODELS, STEP_MODELS, Definition, field_names
from filemill_common.language.places import Path
from filemill_common.language.problems import Problem, Speller, pointer

_CODES = {"missing": "missing_field", "extra_forbidden": "unknown_field", "too_long": "too_large"}
_ID = "an id is a letter or _, then up to 63 letters, digits, _ and -"
_PATTERNS = {
    "id": _ID,
    "depends_on": _ID,
    "then": _ID,
    "default": _ID,
    "signal": "the name of a signal is a letter or _, then up to 63 letters, digits, _ and -",
    "as": "a name in expressions is a letter or _, then up to 63 letters, digits and _",
    "workflow": "a template is called name@version, as in publish@3",
    "to": "an address of email has a name, one @ and a domain",
    "url": "an address begins with http:// or https:// and a host",
}
_EITHER = {
    "duration": (
        "a duration is a number of seconds, text, or an expression",
        "write 90, 90s, 1h30m or PT90S",
    ),
    "items": ("'items' is a list, or an expression that gives one", 'write [1, 2] or "${{ input.items }}"'),
}
"""Fields that may be one thing or another: what the model says of each is said in one sentence."""
_SUGGESTIONS = {"one_thing": "leave all but one out"}
_STEPS_OWN = ("id", "order", "depends_on", "trigger_rule")


def structure_problems(
    error: ValidationError, document: Mapping[str, Any], speller: Speller
) -> Iterator[Problem]:
    """Turn what pydantic found into problems; each place gets one.

    Args:
        error: From validating ``document`` as a `Definition`.
        document: As it was validated.
        speller: Finds what was probably meant.
    """
    seen: set[Path] = set()
    for detail in error.errors(include_url=False, include_input=False):
        place = _Found(detail, document)
        if place.path not in seen:
            seen.add(place.path)
            yield place.problem(speller)


class _Found:
    """One finding; its place is without the tags that pydantic puts between a step and its fields."""

    def __init__(self, detail: ErrorDetails, document: Mapping[str, Any]) -> None:
        self.detail = detail
        self.model: type[BaseModel] = Definition
        self.is_item = False
        path, rest = self._follow([*detail["loc"]])
        if rest[:1] and rest[0] in _EITHER and self.model is not Definition:
            rest = rest[:1]
        if rest[-1:] == ["[key]"]:
            rest.pop()
        self.inside = rest  # from the step, or from the top, to the field
        if rest[:2] == ["signal", "name"] and isinstance(_at(document, (*path, "signal")), str):
            rest = rest[:1]
        self.path: Path = (*path, *rest)
        self.given = _at(document, self.path)
        self.parent = _at(document, self.path[:-1])

    def _follow(self, rest: list[str | int]) -> tuple[list[str | int], list[str | int]]:
        """Walk into the step that it is about. What is left leads from there to the field."""
        path: list[str | int] = []
        size = 2 if rest[:1] and rest[0] in ("steps", "finally") else 0
        while size and len(rest) >= size and (size == 1 or isinstance(rest[size - 1], int)):
            path += rest[:size]
            tag = rest[size : size + 1]
            rest = rest[size + 1 :]
            if not tag:
                break
            self.is_item = size == 1
            self.model = (ITEM_MODELS if self.is_item else STEP_MODELS)[str(tag[0])]
            is_parallel, is_map = rest[:1] == ["branches"], rest[:1] == ["step"]
            size = 3 if is_parallel else 1 if is_map and "step" in self.model.model_fields else 0
        return path, rest

    def problem(self, speller: Speller) -> Problem:
        kind, path = self.detail["type"], self.path
        if kind.startswith("union_tag_"):
            return self._no_kind(speller)
        if kind in ("model_type", "model_attributes_type"):
            message = f"here stands an object, not {type(self.given).__name__}"
            return Problem(pointer=pointer(*path), code="wrong_type", message=message)
        message, suggestion = readable(self.detail), _SUGGESTIONS.get(kind)
        if self.inside and self.inside[0] in _EITHER and self.model is not Definition:
            message, suggestion = _EITHER[str(self.inside[0])]
        elif kind == "string_pattern_mismatch":
            field = next(part for part in reversed(path) if part in _PATTERNS)
            message = _PATTERNS[str(field)]
            if field == "workflow" and isinstance(self.given, str) and "@" not in self.given:
                suggestion = f"say which version: '{self.given[:80]}@1'"
        elif kind == "extra_forbidden":
            message, suggestion = self._no_field(str(path[-1]), speller)
        elif kind == "literal_error" and isinstance(self.given, str):
            known = re.findall("'([^']*)'", self.detail["ctx"]["expected"])
            suggestion = speller.suggestion(self.given, known)
        elif kind == "missing" and path[-1] == "task" and isinstance(self.parent, dict):
            suggestion = _kind_meant(self.parent)
        if path[-1:] == ("duration",) and type(self.given) in (int, float):
            kind = "out_of_bounds"  # not what is said first: that it is no text
        wrong = "wrong_type" if kind.endswith("_type") else "invalid_value"
        code = _CODES.get(kind, wrong)
        return Problem(pointer=pointer(*path), code=code, message=message, suggestion=suggestion)

    def _no_kind(self, speller: Speller) -> Problem:
        known = ITEM_MODELS if self.path[-1:] == ("step",) else STEP_MODELS
        if not isinstance(self.given, dict):
            message = f"a step is an object, not {type(self.given).__name__}"
            return Problem(pointer=pointer(*self.path), code="wrong_type", message=message)
        kind, place = self.given.get("type"), pointer(*self.path, "type")
        if not isinstance(kind, str):
            return Problem(pointer=place, code="wrong_type", message="the type of a step is text")
        message = f"no step type {kind[:80]!r}; there is {', '.join(known)}"
        if kind in STEP_MODELS:
            message = f"the step of a map is no {kind!r}; it is {', '.join(known)}"
        suggestion = speller.suggestion(kind, known)
        return Problem(pointer=place, code="unsupported_step_type", message=message, suggestion=suggestion)

    def _no_field(self, name: str, speller: Speller) -> tuple[str, str | None]:
        if self.is_item and name in _STEPS_OWN and len(self.inside) == 1:
            return f"the step of a map has no {name!r}: it waits for nothing but its turn", "leave it out"
        known = field_names(self.model, tuple(self.inside[:-1]))
        suggestion = None
        if len(self.inside) == 1 and isinstance(self.parent, dict):
            suggestion = _kind_meant(self.parent) or _elsewhere(name)
        return f"no field {name[:80]!r} here", suggestion or speller.suggestion(name, known)


def _kind_meant(step: Mapping[str, Any]) -> str | None:
    """Say which type a step without one probably is, by what only that type has."""
    if "type" in step or "task" in step:
        return None
    fields = {kind: set(field_names(model, ())) for kind, model in STEP_MODELS.items()}
    for kind, names in fields.items():
        others = set().union(*(other for name, other in fields.items() if name != kind))
        if step.keys() & (names - others):
            return f"say 'type: {kind}'"
    return None


def _elsewhere(name: str) -> str | None:
    """Say which kinds of step have a field that this one has not."""
    kinds = [kind for kind, model in STEP_MODELS.items() if name in field_names(model, ())]
    return f"leave it out: only steps of type {' and '.join(kinds)} have it" if kinds else None


def _at(document: object, path: Path | list[str | int]) -> object:
    for part in path:
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and isinstance(part, int) and part < len(document):
            document = document[part]
        else:
            return None
    return document
