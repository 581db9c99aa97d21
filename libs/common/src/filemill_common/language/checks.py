"""What can be wrong inside one step: its task and options, its alias, its signal, its expressions.

It works on the document as it was given, however broken, so that no problem hides another.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from filemill_common.language.expressions import Wanted, has_expression, inspect, whole
from filemill_common.language.model import FILES, MAX_ITEMS, field_names
from filemill_common.language.places import Path, Place, alias_of
from filemill_common.language.problems import Problem, Speller, pointer
from filemill_common.language.relations import Relations
from filemill_common.language.schema import schema_problems
from filemill_common.language.syntax import RESERVED, Expression, ExpressionError, Flaw, parse
from filemill_common.language.values import MAX_DEPTH


class _Found(NamedTuple):
    """A text with expressions: where, None for a key, and what it must give if it is one as a whole."""

    path: Path
    text: str | None
    wanted: Wanted | None = None


TaskTypes = Mapping[str, type[BaseModel]]

_JSON_WORDS = {"tuple": "list", "dictionary": "object"}
_PYTHON_WORDS = re.compile("|".join(_JSON_WORDS), re.IGNORECASE)


def check_options(task: str, options: Mapping[str, Any], model: type[BaseModel]) -> tuple[Problem, ...]:
    """Check a task's options, without ``input_file`` and ``output_file``, against their model.

    Options that hold expressions are left unchecked: they are checked again once rendered.

    Returns:
        What is wrong; a pointer begins at the options.
    """
    return tuple(_option_problems(task, options, model, Speller()))


def step_problems(
    place: Place, relations: Relations, task_types: TaskTypes | None, speller: Speller
) -> Iterator[Problem]:
    """Say what is wrong with the values of one step, as far as its model does not say it."""
    match place.kind:
        case "task":
            yield from _task_problems(place, task_types, speller)
        case "map":
            yield from _map_problems(place)
        case "wait":
            signal = place.step.get("signal")
            schema = signal.get("schema") if isinstance(signal, dict) else None
            if isinstance(schema, dict):
                yield from schema_problems(schema, *place.path, "signal", "schema")
        case _:
            pass
    for found in _expressions(place):
        yield from _expression_problems(place, found, relations, speller)


def notify_problems(notify: object) -> Iterator[Problem]:
    """Refuse expressions in who is told: nothing evaluates them there."""
    for at, item in enumerate(notify if isinstance(notify, list) else []):
        for path, text in _templates(item, ("notify", at)):
            if text is not None:
                message = "expressions stand in steps only"
                yield Problem(pointer=pointer(*path), code="invalid_expression", message=message)


def _task_problems(place: Place, task_types: TaskTypes | None, speller: Speller) -> Iterator[Problem]:
    given = place.step.get("with", {})
    if not isinstance(given, dict):
        return
    for name in FILES:
        if not isinstance(given.get(name, ""), str):
            at = pointer(*place.path, "with", name)
            yield Problem(pointer=at, code="wrong_type", message=f"{name!r} is a path, a string")
    task = place.step.get("task")
    if task_types is None or not isinstance(task, str):
        return
    if task not in task_types:
        yield Problem(
            pointer=pointer(*place.path, "task"),
            code="unknown_task_type",
            message=f"no task type {task[:80]!r}",
            suggestion=speller.suggestion(task, task_types.keys()),
        )
        return
    options = {key: value for key, value in given.items() if key not in FILES}
    for problem in _option_problems(task, options, task_types[task], speller):
        at = pointer(*place.path, "with") + problem.pointer
        yield problem.model_copy(update={"pointer": at})


def _option_problems(
    task: str, options: Mapping[str, Any], model: type[BaseModel], speller: Speller
) -> Iterator[Problem]:
    rendered_later = {key for key, value in options.items() if has_expression(value)}
    try:
        model.model_validate(dict(options))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            path = detail["loc"]
            # Without a path it is about several options together.
            if path[0] in rendered_later if path else rendered_later:
                continue
            message, suggestion = readable(detail), None
            if detail["type"] == "extra_forbidden":
                name = str(path[-1])
                message = f"{task!r} has no option {name[:80]!r}"
                suggestion = speller.suggestion(name, field_names(model, path[:-1]))
            yield Problem(
                pointer=pointer(*path),
                code="invalid_options",
                message=message,
                suggestion=suggestion,
            )


def readable(detail: ErrorDetails) -> str:
    """Say what pydantic found in the words of JSON."""
    if detail["type"] == "missing":
        return f"{detail['loc'][-1]!r} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    return _PYTHON_WORDS.sub(lambda found: _JSON_WORDS[found[0].lower()], message)


def _map_problems(place: Place) -> Iterator[Problem]:
    alias, items = alias_of(place.step), place.step.get("items")
    if alias in RESERVED:
        yield Problem(
            pointer=pointer(*place.path, "as"),
            code="reserved_name",
            message=f"{alias!r} means something else in expressions",
            suggestion=f"call it {alias + '_item'!r}",
        )
    if isinstance(items, list) and len(items) > MAX_ITEMS:
        message = f"a map has at most {MAX_ITEMS} items, not {len(items)}"
        yield Problem(pointer=pointer(*place.path, "items"), code="too_large", message=message)


_TEMPLATES = {
    "task": ("with",),
    "subworkflow": ("with",),
    "wait": ("duration", "until"),
    "map": ("items",),
}
"""The fields of each kind of step in whose values expressions stand."""


def _expressions(place: Place) -> Iterator[_Found]:
    """Give each text of a step that is an expression as a whole, or holds some."""
    for at, text, wanted in _wholes(place):
        if isinstance(text, str) and text:
            yield _Found((*place.path, *at), text, wanted)
    for field in _TEMPLATES.get(place.kind, ()):
        if not (field == "items" and isinstance(place.step.get(field), str)):
            for path, template in _templates(place.step.get(field), (*place.path, field)):
                yield _Found(path, template)


def _wholes(place: Place) -> Iterator[tuple[Path, object, Wanted]]:
    yield ("if",), place.step.get("if"), "bool"
    if place.kind == "map":
        yield ("items",), place.step.get("items"), "list"
    if place.kind == "condition":
        cases = place.step.get("cases")
        for at, case in enumerate(cases if isinstance(cases, list) else []):
            if isinstance(case, dict):
                yield ("cases", at, "when"), case.get("when"), "bool"


def _templates(value: object, path: Path, level: int = 0) -> Iterator[tuple[Path, str | None]]:
    """Give each string with ``${{``, and its place; None for a key, where it cannot stand."""
    if isinstance(value, str):
        if "${{" in value:
            yield path, value
    elif level > MAX_DEPTH:
        return  # Reported already; what comes in is not always clean.
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                if "${{" in key:
                    yield (*path, key), None
                yield from _templates(item, (*path, key), level + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _templates(item, (*path, index), level + 1)


def _expression_problems(
    place: Place, found: _Found, relations: Relations, speller: Speller
) -> Iterator[Problem]:
    at = pointer(*found.path)
    if found.text is None:
        message = "a key holds no expression, only values do"
        yield Problem(pointer=at, code="invalid_expression", message=message)
        return
    try:
        parts = parse(found.text) if found.wanted is None else (Expression(whole(found.text)),)
    except ExpressionError as error:
        yield Problem(pointer=at, code="invalid_expression", message=error.reason)
        return
    for part in parts:
        if isinstance(part, Expression):
            named, flaws = inspect(part.text, place.aliases, found.wanted)
            yield from (_flaw_problem(flaw, found.path, speller) for flaw in flaws)
            for name in sorted(named):
                yield from _use_problems(place, found.path, name, relations, speller)


def _use_problems(
    place: Place, path: Path, name: str, relations: Relations, speller: Speller
) -> Iterator[Problem]:
    if name not in relations.by_id:
        yield relations.no_step(path, name, speller)
    elif not relations.is_before(name, place):
        yield Problem(
            pointer=pointer(*path),
            code="dependency_missing",
            message=f"step {(place.owner.id or '')[:80]!r} uses {name!r} but does not come after it",
            suggestion=f"add {name!r} to its depends_on" if relations.could_wait(place, name) else None,
        )


def _flaw_problem(flaw: Flaw, path: Path, speller: Speller) -> Problem:
    suggestion = speller.suggestion(flaw.name, flaw.known) if flaw.known else flaw.hint
    return Problem(pointer=pointer(*path), code=flaw.code, message=flaw.message, suggestion=suggestion)
