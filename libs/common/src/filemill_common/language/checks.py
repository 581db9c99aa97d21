"""What can be wrong between steps and inside their values: types of tasks, dependencies, expressions.

It works on the document as it was given, however broken, so that no problem hides another.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from filemill_common.language import graph
from filemill_common.language.expressions import has_expression, inspect
from filemill_common.language.model import FILES, field_names
from filemill_common.language.problems import Problem, Speller, pointer
from filemill_common.language.syntax import Expression, ExpressionError, Flaw, parse
from filemill_common.language.values import MAX_DEPTH

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


def task_problems(
    at: int, step: Mapping[str, Any], task_types: TaskTypes | None, speller: Speller
) -> Iterator[Problem]:
    """Say what is wrong with the type of a step's task, its files and its options."""
    given = step.get("with", {})
    if not isinstance(given, dict):
        return
    for name in FILES:
        if not isinstance(given.get(name, ""), str):
            place = pointer("steps", at, "with", name)
            yield Problem(pointer=place, code="wrong_type", message=f"{name!r} is a path, a string")
    task = step.get("task")
    if task_types is None or not isinstance(task, str):
        return
    if task not in task_types:
        yield Problem(
            pointer=pointer("steps", at, "task"),
            code="unknown_task_type",
            message=f"no task type {task[:80]!r}",
            suggestion=speller.suggestion(task, task_types.keys()),
        )
        return
    options = {key: value for key, value in given.items() if key not in FILES}
    for problem in _option_problems(task, options, task_types[task], speller):
        place = pointer("steps", at, "with") + problem.pointer
        yield problem.model_copy(update={"pointer": place})


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


def notify_problems(notify: object) -> Iterator[Problem]:
    """Refuse expressions in who is told: nothing evaluates them there."""
    for at, item in enumerate(notify if isinstance(notify, list) else []):
        for place, text in _templates(item, ("notify", at)):
            if text is not None:
                message = "expressions stand in the 'with' of a step only"
                yield Problem(pointer=place, code="invalid_expression", message=message)


def _templates(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[str, str | None]]:
    """Give each string with ``${{``, and its place; None for a key, where it cannot stand."""
    if isinstance(value, str):
        if "${{" in value:
            yield pointer(*path), value
    elif len(path) > MAX_DEPTH + 1:
        return  # Reported already; what comes in is not always clean.
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                if "${{" in key:
                    yield pointer(*path, key), None
                yield from _templates(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _templates(item, (*path, index))


class Steps:
    """The steps of a document, of which each may be broken, and how they hang together."""

    def __init__(self, steps: list[Any]) -> None:
        """Follow what can be followed: an id or a dependency that is no string is left out."""
        self.readable = [(at, step) for at, step in enumerate(steps) if isinstance(step, dict)]
        self._places: dict[str, list[int]] = {}
        for at, step in self.readable:
            if isinstance(step.get("id"), str):
                self._places.setdefault(step["id"], []).append(at)
        self._needs: dict[str, list[str]] = {name: [] for name in self._places}
        for _, step in self.readable:
            if isinstance(step.get("id"), str):
                known = (name for _, name in _dependencies(step) if name in self._places)
                self._needs[step["id"]].extend(name for name in known if name != step["id"])
        self._groups = graph.components(self._needs)
        self._upstream = graph.Upstream(self._needs, self._groups)

    def graph_problems(self, speller: Speller) -> Iterator[Problem]:
        """Say which ids are there twice, which dependencies are not there, and who waits in a circle."""
        for name, places in self._places.items():
            for at in places[1:]:
                yield Problem(
                    pointer=pointer("steps", at, "id"),
                    code="duplicate_step",
                    message=f"step {name[:80]!r} is there already, at /steps/{places[0]}",
                )
        for at, step in self.readable:
            seen: set[str] = set()
            for index, name in _dependencies(step):
                place = pointer("steps", at, "depends_on", index)
                if name not in self._places:
                    yield self._no_step(place, name, speller)
                elif name == step.get("id"):
                    message = f"the step waits for itself: {name[:80]} → {name[:80]}"
                    yield Problem(pointer=place, code="cyclic_dependency", message=message)
                elif name in seen:
                    message = f"{name[:80]!r} is listed twice"
                    yield Problem(pointer=place, code="duplicate_dependency", message=message)
                seen.add(name)
        for group in self._groups:
            found = graph.cycle(self._needs, group)
            if found:
                shown = found if len(found) <= 12 else [*found[:6], "…", *found[-5:]]
                yield Problem(
                    pointer=pointer("steps", self._places[found[0]][0], "depends_on"),
                    code="cyclic_dependency",
                    message=f"these wait for each other: {' → '.join(shown)}"[:1_000],
                )

    def expression_problems(self, at: int, step: Mapping[str, Any], speller: Speller) -> Iterator[Problem]:
        """Say which expressions of a step are not valid, or use what does not come before it."""
        for place, text in _templates(step.get("with"), ("steps", at, "with")):
            if text is None:
                message = "a key holds no expression, only values do"
                yield Problem(pointer=place, code="invalid_expression", message=message)
                continue
            try:
                parts = parse(text)
            except ExpressionError as error:
                yield Problem(pointer=place, code="invalid_expression", message=error.reason)
                continue
            for part in parts:
                if isinstance(part, Expression):
                    yield from self._flaws_of(part, step.get("id"), place, speller)

    def _flaws_of(self, part: Expression, step: object, place: str, speller: Speller) -> Iterator[Problem]:
        named, flaws = inspect(part.text)
        yield from (_flaw_problem(flaw, place, speller) for flaw in flaws)
        for name in sorted(named):
            if name not in self._places:
                yield self._no_step(place, name, speller)
            elif isinstance(step, str) and not self._upstream.is_before(name, step):
                yield Problem(
                    pointer=place,
                    code="dependency_missing",
                    message=f"step {step[:80]!r} uses {name!r} but does not come after it",
                    suggestion=None if name == step else f"add {name!r} to its depends_on",
                )

    def _no_step(self, place: str, name: str, speller: Speller) -> Problem:
        return Problem(
            pointer=place,
            code="unknown_dependency",
            message=f"no step {name[:80]!r}",
            suggestion=speller.suggestion(name, self._places.keys()),
        )


def _flaw_problem(flaw: Flaw, place: str, speller: Speller) -> Problem:
    suggestion = speller.suggestion(flaw.name, flaw.known) if flaw.known else None
    return Problem(pointer=place, code=flaw.code, message=flaw.message, suggestion=suggestion)


def _dependencies(step: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    listed = step.get("depends_on")
    for index, name in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(name, str):
            yield index, name
