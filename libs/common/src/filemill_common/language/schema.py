"""The JSON Schema of a workflow's input: which schemas are accepted, and whether an input fits.

A schema comes from whoever writes a definition, so it must not be able to hold up the process that
checks it: patterns run on RE2, references stay inside the schema, and the work is counted.
"""

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from filemill_common.errors import FilemillError
from filemill_common.language.expressions import matches
from filemill_common.language.model import Definition
from filemill_common.language.problems import Problem, Speller, pointer
from filemill_common.language.syntax import ExpressionError
from filemill_common.language.values import json_problems

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_VALUES = 2_000
MAX_CHECKS = 100_000
MAX_PROBLEMS = 100

# They change what a reference means, or bring work that is neither counted nor done by RE2.
_REFUSED = frozenset(
    {"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "patternProperties"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_NAMES_INSIDE = frozenset({"properties", "$defs", "dependentSchemas"})
_DATA_INSIDE = frozenset({"const", "enum", "default", "examples", "required", "dependentRequired"})
_REFERENCE = re.compile(r"#(?:/\$defs/([A-Za-z0-9._-]+))?")
_CODES = {"required": "missing_field", "additionalProperties": "unknown_field", "type": "wrong_type"}

_Keyword = Callable[[Any, Any, Any, Mapping[str, Any]], Iterator[ValidationError] | None]


class _TooMuchWorkError(FilemillError):
    code = "too_complex"


def schema_problems(schema: Mapping[str, Any], *place: str | int) -> Iterator[Problem]:
    """Say why a value is no schema for inputs and signals.

    Accepted is JSON Schema 2020-12 of at most 2,000 values, without ``patternProperties``,
    ``unevaluated…``, ``$id`` and anchors, where a ``$ref`` is ``#`` or ``#/$defs/<name>``.

    Args:
        schema: What says it is a schema. Nothing is said of one that is no clean JSON: `json_problems` does.
        place: Where it stands in the document, for the pointers.
    """
    if any(True for _ in json_problems(schema)):
        return
    places = list(itertools.islice(_places(schema), MAX_VALUES + 1))
    if len(places) > MAX_VALUES:
        message = f"the schema has more than {MAX_VALUES} values"
        yield Problem(pointer=pointer(*place), code="too_large", message=message)
        return
    if schema.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#"):
        message = f"only the dialect {DIALECT} is known"
        yield Problem(pointer=pointer(*place, "$schema"), code="unsupported_schema", message=message)
    for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema):
        yield Problem(
            pointer=pointer(*place, *error.absolute_path),
            code="invalid_schema",
            message=_short(error.message),
            suggestion=_type_meant([*error.absolute_path], error.instance),
        )
    defined = schema.get("$defs")
    names = defined.keys() if isinstance(defined, dict) else ()
    for path, key, value in places:
        if found := _keyword_flaw(key, value, names):
            code, message = found
            yield Problem(pointer=pointer(*place, *path, key), code=code, message=message)


def _type_meant(path: list[str | int], given: object) -> str | None:
    is_type = path[-1:] == ["type"] and isinstance(given, str)
    return Speller().suggestion(str(given), _TYPES) if is_type else None


def _keyword_flaw(key: str, value: object, defined: Collection[str]) -> tuple[str, str] | None:
    """Say what is wrong with one keyword of a schema: code and sentence."""
    if key in _REFUSED:
        return "unsupported_schema", f"{key!r} is not supported in a schema"
    if key == "$ref" and isinstance(value, str):
        found = _REFERENCE.fullmatch(value)
        if not found or (found[1] and found[1] not in defined):
            message = f"{_short(value)!r} is neither '#' nor '#/$defs/<name>' of this schema"
            return "unsupported_schema", message
    if key == "pattern" and isinstance(value, str):
        try:
            matches(value, "")
        except ExpressionError as error:
            return "invalid_schema", error.reason
    return None


def check_input(definition: Definition, value: object) -> tuple[Problem, ...]:
    """Check the input of a run against the schema in its definition.

    Returns:
        What is wrong, at most 100 problems; pointers begin with ``/input``. Empty if all is well.
    """
    return check_value(definition.input, value, "input")


def check_value(schema: Mapping[str, Any] | None, value: object, *place: str | int) -> tuple[Problem, ...]:
    """Check what came from outside, such as what came with a signal, against a schema of a definition.

    Args:
        schema: One that `load` accepted, or None if any JSON will do.
        value: Anything at all.
        place: Where the value stands in what was sent; pointers begin with it.

    Returns:
        What is wrong, at most 100 problems. Empty if all is well.
    """
    unclean = tuple(itertools.islice(json_problems(value, *place), MAX_PROBLEMS))
    if unclean or schema is None:
        return unclean
    spent = itertools.count()
    validator = extend(  # type: ignore[no-untyped-call]  # its stub has no types
        Draft202012Validator,
        {
            name: _counted(_OWN.get(name, keyword), spent)
            for name, keyword in Draft202012Validator.VALIDATORS.items()
        },
    )(schema)
    try:
        errors = list(itertools.islice(validator.iter_errors(value), MAX_PROBLEMS))
    except (_TooMuchWorkError, RecursionError):
        message = f"checking it against its schema takes more than {MAX_CHECKS} steps"
        return (Problem(pointer=pointer(*place), code="too_complex", message=message),)
    return tuple(
        Problem(
            pointer=pointer(*place, *error.absolute_path),
            code=_CODES.get(str(error.validator), "invalid_value"),
            message=_short(error.message),
        )
        for error in errors
    )


def _counted(keyword: _Keyword, spent: Iterator[int]) -> _Keyword:
    def check(
        validator: Any, rule: Any, value: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError] | None:
        if next(spent) > MAX_CHECKS:
            raise _TooMuchWorkError
        return keyword(validator, rule, value, schema)

    return check


def _pattern(_validator: Any, rule: str, value: Any, _schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matches(rule, value):
        yield ValidationError(f"{value!r} does not match {rule!r}")


def _unique_items(
    _validator: Any, rule: bool, value: Any, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if rule and isinstance(value, list) and len(set(map(_frozen, value))) < len(value):
        yield ValidationError("the items are not all different")


# The library's own pattern backtracks, and its uniqueItems compares each with each.
_OWN: Mapping[str, _Keyword] = {"pattern": _pattern, "uniqueItems": _unique_items}


def _frozen(value: object) -> object:
    """Make a JSON value hashable so that equal means equal as JSON Schema sees it (1 is not true)."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return (type(value), value) if isinstance(value, bool) else value


def _places(
    schema: object, path: tuple[str | int, ...] = (), *, holds_names: bool = False
) -> Iterator[tuple[tuple[str | int, ...], str, object]]:
    """Give each keyword of a schema: where, which, its value; "" for what is no keyword."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield path, "" if holds_names else key, value
            if holds_names or key not in _DATA_INSIDE:
                is_names = not holds_names and key in _NAMES_INSIDE
                yield from _places(value, (*path, key), holds_names=is_names)
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield path, "", value
            yield from _places(value, (*path, index))


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"
