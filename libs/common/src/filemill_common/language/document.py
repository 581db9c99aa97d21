"""From a document to a definition and back: `load` reports every problem at once."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from filemill_common.language.checks import TaskTypes, notify_problems, step_problems
from filemill_common.language.flat import Turned, is_flat
from filemill_common.language.model import MAX_STEPS, Definition, Item, Step
from filemill_common.language.places import places
from filemill_common.language.problems import InvalidDefinitionError, Problem, Speller
from filemill_common.language.relations import Relations
from filemill_common.language.schema import schema_problems
from filemill_common.language.structure import structure_problems
from filemill_common.language.values import json_problems
from filemill_common.language.yaml_text import Places, read_yaml


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
        turned = Turned(document)
        definition, problems = _checked(turned.document, task_types)
        moved = (p.model_copy(update={"pointer": turned.pointer(p.pointer)}) for p in problems)
        # What could not be turned has been said, and leads to more that is not worth saying.
        said = tuple(problem.pointer + "/" for problem in turned.problems)
        problems = [*turned.problems, *(p for p in moved if not (p.pointer + "/").startswith(said))]
    if definition is None or problems:
        raise InvalidDefinitionError(problems)
    return definition


def check_text(text: str, *, task_types: TaskTypes | None) -> tuple[Definition | None, tuple[Problem, ...]]:
    """Check a definition as somebody wrote it, in YAML or JSON.

    Args:
        text: The whole file.
        task_types: As for `load`.

    Returns:
        The definition, or None and its problems, each with the line and column of its place, or of the
        nearest one around it where something is missing.
    """
    try:
        document, places_of = read_yaml(text)
    except InvalidDefinitionError as error:
        return None, error.problems
    try:
        return load(document, task_types=task_types), ()
    except InvalidDefinitionError as error:
        return None, tuple(_located(problem, places_of) for problem in error.problems)


def _located(problem: Problem, places_of: Places) -> Problem:
    line, column = places_of.of(problem.pointer)
    return problem.model_copy(update={"line": line, "column": column})


def pointers_of(document: Mapping[str, Any]) -> Callable[[str], str]:
    """Give what turns a pointer into our shape into one into a document as it was given.

    For those who check more of a definition than `load` does, with the pointers of `task_places`.
    """
    return Turned(document).pointer if is_flat(document) else str


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
_FIRST = ("id", "name", "type")
_USERS = frozenset({"input", "with_", "schema_", "items"})
"""Fields whose values are the user's and not the model's: a null among them stays."""


def _document(value: object) -> object:
    match value:
        case BaseModel():
            plain = value.model_dump(by_alias=False, exclude=set(_USERS), exclude_none=True)
            fields = type(value).model_fields
            given = {name: item for name, item in value if item is not None}
            # People look for what it is called first.
            order = [
                *(name for name in _FIRST if name in given),
                *(name for name in given if name not in _FIRST),
            ]
            return {
                fields[name].alias or name: _lists(given[name])
                if name in _USERS
                else _inner(given[name], plain[name])
                for name in order
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
    definition: Definition | None = None
    structure: list[Problem] = []
    try:
        definition = Definition.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        said = {problem.pointer for problem in unclean}
        structure = [p for p in structure_problems(error, document, speller) if p.pointer not in said]
    problems = [*unclean, *structure]
    found = [*places(document)]
    relations = Relations(found)
    problems += relations.problems(speller)
    for place in found:
        problems += step_problems(place, relations, task_types, speller)
    problems += notify_problems(document.get("notify"))
    schema = document.get("input")
    if isinstance(schema, dict):
        problems += schema_problems(schema, "input")
    count = sum(not place.is_item for place in found)
    if count > MAX_STEPS and not any(problem.code == "too_large" for problem in structure):
        message = f"there are {count} steps in all; at most {MAX_STEPS} are allowed"
        problems.append(Problem(pointer="/steps", code="too_large", message=message))
    return definition, problems
