"""From a document to a definition and back: `load` reports every problem at once."""

from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from filemill_common.language.checks import Steps, TaskTypes, notify_problems, readable, task_problems
from filemill_common.language.flat import from_flat, is_flat, to_flat_pointer
from filemill_common.language.model import Definition, Item, Step, field_names
from filemill_common.language.problems import InvalidDefinitionError, Problem, Speller, pointer
from filemill_common.language.schema import schema_problems
from filemill_common.language.values import json_problems

STEP_TYPES = ("task",)
_CODES = {"missing": "missing_field", "extra_forbidden": "unknown_field", "too_long": "too_large"}
_PATTERNS = {
    "id": "an id is a letter or _, then up to 63 letters, digits, _ and -",
    "depends_on": "an id is a letter or _, then up to 63 letters, digits, _ and -",
    "to": "an address of email has a name, one @ and a domain",
    "url": "an address begins with http:// or https:// and a host",
}


def load(document: object, *, task_types: TaskTypes | None) -> Definition:
    """Check a document whole and make a definition of it.

    Args:
        document: What JSON or YAML gave, in our shape or, if a step has the key ``config``, in the
            original's flat one. It is not changed, and shared with the definition.
        task_types: The model of the options of each task type there is; None if any type and
            any options will do.

    Raises:
        InvalidDefinitionError: It has problems; all are named. Pointers are those of the document
            as it was given.
    """
    if not isinstance(document, dict):
        message = f"a definition is an object, not {type(document).__name__}"
        raise InvalidDefinitionError([Problem(pointer="", code="wrong_type", message=message)])
    if not is_flat(document):
        definition, problems = _checked(document, task_types)
    else:
        ours, found = from_flat(document)
        definition, problems = _checked(ours, task_types)
        moved = (p.model_copy(update={"pointer": to_flat_pointer(p.pointer)}) for p in problems)
        # What could not be turned has been said, and leads to more that is not worth saying.
        said = tuple(problem.pointer + "/" for problem in found)
        problems = [*found, *(p for p in moved if not (p.pointer + "/").startswith(said))]
    if definition is None or problems:
        raise InvalidDefinitionError(problems)
    return definition


def dump(definition: Definition) -> dict[str, Any]:
    """Give a definition as JSON in our shape, defaults spelled out; `load` reads it back.

    Durations are seconds. What is None is left out.
    """
    return cast("dict[str, Any]", _document(definition))


def dump_step(step: Step | Item) -> dict[str, Any]:
    """Give a step as JSON in our shape, as `dump` does for all of them."""
    return cast("dict[str, Any]", _document(step))


def read(document: object) -> Definition:
    """Make a definition of what `dump` gave, without checking it once more.

    Raises:
        InvalidDefinitionError: It is none.
    """
    try:
        return Definition.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidDefinitionError(
            [Problem(pointer="", code="invalid_value", message=str(error))]
        ) from error


def read_item(document: object) -> Item:
    """Make the step of a map's item of what `dump_step` gave."""
    return _ITEM.validate_python(document, by_alias=True, by_name=False)


_ITEM: TypeAdapter[Item] = TypeAdapter(Item)
_USERS = frozenset({"input", "with_", "schema_", "items"})
"""Fields whose values are the user's and not the model's: a null among them stays."""


def _document(value: object) -> object:
    match value:
        case BaseModel():
            plain = value.model_dump(by_alias=False, exclude=set(_USERS), exclude_none=True)
            fields = type(value).model_fields
            return {
                fields[name].alias or name: _lists(given) if name in _USERS else _inner(given, plain[name])
                for name, given in value
                if given is not None
            }
        case _:
            raise TypeError(f"{type(value).__name__} is no part of a definition")


def _inner(value: object, plain: object) -> object:
    """Write a field: what holds parts of a definition part by part, anything else as the model does."""
    if isinstance(value, BaseModel):
        return _document(value)
    if isinstance(value, tuple) and isinstance(plain, list | tuple):
        return [_inner(item, inside) for item, inside in zip(value, plain, strict=True)]
    if isinstance(value, dict) and isinstance(plain, dict):
        return {key: _inner(item, plain[key]) for key, item in value.items()}
    return plain


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


def _checked(
    document: dict[str, Any], task_types: TaskTypes | None
) -> tuple[Definition | None, list[Problem]]:
    unclean = list(json_problems(document))
    if any(problem.code == "too_large" for problem in unclean):
        return None, unclean
    speller = Speller()
    raw = document.get("steps")
    steps = raw if isinstance(raw, list) else []
    foreign = {
        at
        for at, step in enumerate(steps)
        if isinstance(step, dict) and _is_foreign(step.get("type", "task"))
    }
    definition: Definition | None = None
    structure: list[Problem] = []
    try:
        definition = Definition.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        structure = [
            _structure_problem(detail, speller)
            for detail in error.errors(include_url=False, include_context=False, include_input=False)
            if detail["loc"][:1] != ("steps",) or not foreign.intersection(detail["loc"][1:2])
        ]
    places = {problem.pointer for problem in unclean}
    problems = [*unclean, *(problem for problem in structure if problem.pointer not in places)]
    problems += (_foreign_problem(at, steps[at]["type"], speller) for at in sorted(foreign))
    found = Steps(steps)
    problems += found.graph_problems(speller)
    for at, step in found.readable:
        if at not in foreign:
            problems += task_problems(at, step, task_types, speller)
        problems += found.expression_problems(at, step, speller)
    problems += notify_problems(document.get("notify"))
    schema = document.get("input")
    if isinstance(schema, dict) and not any(place.startswith("/input") for place in places):
        problems += schema_problems(schema)
    return definition, problems


def _is_foreign(kind: object) -> bool:
    return isinstance(kind, str) and kind not in STEP_TYPES


def _foreign_problem(at: int, kind: str, speller: Speller) -> Problem:
    return Problem(
        pointer=pointer("steps", at, "type"),
        code="unsupported_step_type",
        message=f"no step type {kind[:80]!r}; there is {', '.join(STEP_TYPES)}",
        suggestion=speller.suggestion(kind, STEP_TYPES),
    )


def _structure_problem(detail: ErrorDetails, speller: Speller) -> Problem:
    path, kind = detail["loc"], detail["type"]
    message, suggestion = readable(detail), None
    if kind == "string_pattern_mismatch":
        message = _PATTERNS[next(part for part in reversed(path) if isinstance(part, str))]
    elif kind == "extra_forbidden":
        name = str(path[-1])
        message = f"no field {name[:80]!r} here"
        suggestion = speller.suggestion(name, field_names(Definition, path[:-1]))
    wrong = "wrong_type" if kind.endswith("_type") else "invalid_value"
    code = _CODES.get(kind, wrong)
    return Problem(pointer=pointer(*path), code=code, message=message, suggestion=suggestion)
