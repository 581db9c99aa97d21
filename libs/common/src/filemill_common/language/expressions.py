"""Expressions: ``${{ … }}`` in values, evaluated by CEL. The one module that knows which CEL it is.

cel-expr-python gives errors of evaluation back as values of type ERROR, stops after 10,000
iterations by itself, and parses at most 32 levels deep. It cannot give an optional to Python: asked for
its value it raises TypeError.
"""

import functools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from cel_expr_python import cel  # type: ignore[import-untyped]  # stubs, but no py.typed
from cel_expr_python.ext import ext_optional  # type: ignore[import-untyped]

from filemill_common.language import text_functions
from filemill_common.language.syntax import (
    MAX_EXPRESSION,
    NAMES,
    Expression,
    ExpressionError,
    Flaw,
    is_plain_path,
    parse,
    steps_named,
)

MAX_LIST = 1_000
MAX_RESULT = 1024 * 1024
Wanted = Literal["bool", "list"]
"""What an expression must come to where it decides or gives items."""

_COMPLAINT = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_OPTIONAL = "the result is optional, which JSON does not have"
_MENDED = "end it with .orValue(…), or ask it .hasValue()"
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNDECLARED = re.compile(r"undeclared reference to '([^'.]*)")


@functools.lru_cache(maxsize=256)
def _environment(names: tuple[str, ...]) -> cel.Env:
    extensions = [ext_optional.ExtOptional(), _strings()]
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN), extensions=extensions)


@functools.cache
def _strings() -> cel.CelExtension:
    """Give CEL's functions on text, but ours: nine short calls of its own ``replace`` make 4 MB."""
    kinds = {"s": cel.Type.STRING, "i": cel.Type.INT, "l": cel.Type.List(cel.Type.DYN)}
    overloads: dict[str, list[cel.Overload]] = {}
    for at, (name, takes, gives, function) in enumerate(text_functions.FUNCTIONS):
        is_member = "." not in name
        parameters = [kinds[letter] for letter in takes]
        overload = cel.Overload(f"filemill_{at}", kinds[gives], parameters, is_member, function)
        overloads.setdefault(name, []).append(overload)
    return cel.CelExtension("filemill", [cel.FunctionDecl(*each) for each in overloads.items()])


def render(value: object, context: Mapping[str, object]) -> object:
    """Evaluate the expressions in a value.

    Args:
        value: A JSON value. Keys are left as they are.
        context: ``input``, ``steps``, ``run`` and ``event``, JSON values; one that is left out is
            null. ``steps`` needs only what `references` names. Further names are a map's aliases.

    Returns:
        The value with each string that is one whole expression replaced by its result, of
        whatever type, and each expression inside a longer string by its text: a string as it
        is, anything else as JSON. Without expressions it is equal to ``value``.

    Raises:
        ExpressionError: An expression is not valid, fails, or gives what JSON does not have or
            more than 1,000 list items or 1 MiB.
    """
    known = _known(context)
    return _map_strings(value, lambda text: _render_text(text, known))


def evaluate(text: str, context: Mapping[str, object]) -> object:
    """Evaluate a text that is one whole expression, with or without ``${{ }}`` around it.

    Args:
        text: As in ``if``, ``when`` and ``items``.
        context: As for `render`.

    Raises:
        ExpressionError: As for `render`.
    """
    return _evaluate(whole(text), _known(context))


def whole(text: str) -> str:
    """Take ``${{ }}`` off a text that is one whole expression.

    Raises:
        ExpressionError: ``${{`` without ``}}``, or there is more around it.
    """
    if "${{" not in text:
        return text.strip()
    match parse(text.strip()):
        case (Expression(inside),):
            return inside
        case _:
            raise ExpressionError(text, "here stands one whole expression, and nothing around it")


def _known(context: Mapping[str, object]) -> Mapping[str, object]:
    return {**dict.fromkeys(NAMES), **context}


def references(value: object) -> frozenset[str]:
    """Name the steps whose results the expressions of a value use.

    Raises:
        ExpressionError: ``${{`` without ``}}``, or ``steps`` without the id of a step.
    """
    named: set[str] = set()

    def look(text: str) -> object:
        for part in parse(text):
            if isinstance(part, Expression):
                named.update(_named(part.text))
        return text

    _map_strings(value, look)
    return frozenset(named)


def references_of(text: str) -> frozenset[str]:
    """Name the steps that one whole expression uses, with or without ``${{ }}`` around it.

    Raises:
        ExpressionError: As for `references`, or there is more around it.
    """
    return _named(whole(text))


def _named(expression: str) -> frozenset[str]:
    names, flaws = steps_named(expression)
    if flaws:
        raise ExpressionError(expression, flaws[0].message)
    return names


def has_expression(value: object) -> bool:
    """Whether a string somewhere in a value has something to evaluate or to unescape."""
    rest = [value]
    while rest:
        match rest.pop():
            case str(text) if "${{" in text:
                return True
            case dict(items):
                rest.extend(items.values())
            case list(items):
                rest.extend(items)
            case _:
                continue
    return False


def inspect(
    expression: str, aliases: tuple[str, ...] = (), wanted: Wanted | None = None
) -> tuple[frozenset[str], tuple[Flaw, ...]]:
    """Check an expression without evaluating it.

    Args:
        expression: Without ``${{ }}`` around it.
        aliases: Names beside the usual ones that are known where it stands.
        wanted: What it must come to, as far as that shows beforehand; None for any JSON.

    Returns:
        The ids of the steps that it names, and what is wrong with it.
    """
    named, flaws = steps_named(expression)
    if not is_plain_path(expression, aliases):
        compiled = _compiled(expression, tuple(dict.fromkeys((*NAMES, *aliases))))
        flaws = (*compiled.flaws, *flaws)
        if compiled.program is not None and (flaw := _type_flaw(compiled.program, wanted)):
            flaws = (*flaws, flaw)
    return named, flaws


def _type_flaw(program: cel.Expression, wanted: Wanted | None) -> Flaw | None:
    gives = program.return_type().name().partition("<")[0].lower()
    if gives == "optional_type":
        return Flaw("invalid_expression", _OPTIONAL, hint=_MENDED)
    if wanted is None or gives in ("dyn", wanted):
        return None
    is_needed = "true or false" if wanted == "bool" else "a list"
    return Flaw("invalid_expression", f"it gives {gives}, and here stands what gives {is_needed}")


def matches(pattern: str, text: str) -> bool:
    """Whether a regular expression (RE2, so in linear time) matches anywhere in a text.

    Raises:
        ExpressionError: RE2 cannot read the pattern.
    """
    value = _evaluate("input.text.matches(input.pattern)", {"input": {"pattern": pattern, "text": text}})
    return value is True


def _map_strings(value: object, change: Callable[[str], object]) -> object:
    match value:
        case str():
            return change(value) if "${{" in value else value
        case dict():
            return {key: _map_strings(item, change) for key, item in value.items()}
        case list():
            return [_map_strings(item, change) for item in value]
        case _:
            return value


def _render_text(text: str, context: Mapping[str, object]) -> object:
    parts = parse(text)
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return _evaluate(parts[0].text, context)
    return "".join(
        part if isinstance(part, str) else _as_text(_evaluate(part.text, context)) for part in parts
    )


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _Compiled(NamedTuple):
    program: cel.Expression | None
    flaws: tuple[Flaw, ...]


@functools.lru_cache(maxsize=4_096)
def _compiled(expression: str, names: tuple[str, ...]) -> _Compiled:
    try:
        size = len(expression.encode())
    except UnicodeEncodeError:
        message = "the expression holds a lone surrogate, which UTF-8 cannot write"
        return _Compiled(None, (Flaw("invalid_expression", message),))
    if size > MAX_EXPRESSION:
        message = f"an expression has at most {MAX_EXPRESSION} bytes"
        return _Compiled(None, (Flaw("invalid_expression", message),))
    try:
        return _Compiled(_environment(names).compile(expression), ())
    except RuntimeError as error:
        return _Compiled(None, tuple(_flaws(str(error), names)))


def _flaws(complaint: str, names: tuple[str, ...]) -> Iterator[Flaw]:
    """Turn the compiler's report into sentences; it lists an undeclared name once per use."""
    found = dict.fromkeys(_COMPLAINT.findall(complaint))
    for line, column, said in found:
        text = said.removesuffix(" (in container '')").split(", expecting")[0]
        place = f" (line {line}, column {column} of the expression)" if int(line) > 0 else ""
        if undeclared := _UNDECLARED.match(said):
            name = undeclared.group(1)
            yield Flaw("undeclared_name", f"no name or function {name!r} here{place}", name, names)
        else:
            yield Flaw("invalid_expression", text.split(" expecting {")[0] + place)
    if not found:
        yield Flaw("invalid_expression", _STATUS.sub("", complaint.splitlines()[0]))


def _evaluate(expression: str, context: Mapping[str, object]) -> object:
    program, flaws = _compiled(expression, tuple(context))
    if program is None:
        raise ExpressionError(expression, flaws[0].message)
    try:
        text_functions.begin()
        result = program.eval(data=context)
        if result.type() == cel.Type.ERROR and isinstance(said := _value(expression, result), str):
            raise ExpressionError(expression, _STATUS.sub("", said))
        return _Plain(expression).value(result)
    except RuntimeError as error:
        raise ExpressionError(expression, _STATUS.sub("", str(error))) from error


def _value(expression: str, result: cel.Value) -> object:
    try:
        return result.value()
    except TypeError as error:
        raise ExpressionError(expression, f"{_OPTIONAL}; {_MENDED}") from error


class _Plain:
    """Turns a result of CEL into plain JSON, piece by piece, so that a huge one is never whole."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._left = MAX_RESULT

    def value(self, result: cel.Value) -> object:
        plain = _value(self._expression, result)
        self._left -= 8 + (len(plain) if isinstance(plain, str) else 0)
        if self._left < 0:
            raise self._error(f"the result is larger than {MAX_RESULT} bytes")
        if plain is None or isinstance(plain, bool | str):
            return plain
        if isinstance(plain, int):
            if plain >= 2**63:
                raise self._error(f"{plain} does not fit in 64 bits")
            return plain
        if isinstance(plain, float):
            if not math.isfinite(plain):
                raise self._error(f"the result {plain} is not a number that JSON can hold")
            return plain
        if isinstance(plain, dict):
            return {self._key(key): self.value(item) for key, item in plain.items()}
        if isinstance(plain, Sequence) and not isinstance(plain, bytes | bytearray):
            if len(plain) > MAX_LIST:
                raise self._error(f"a list of {len(plain)} items; at most {MAX_LIST} are allowed")
            return [self.value(item) for item in plain]
        kind = result.type().name().lower()
        raise self._error(f"the result is of type {kind}, which JSON does not have; wrap it in string(…)")

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise self._error(f"the result has the key {key!r}; keys must be strings")
        self._left -= len(key)
        return key

    def _error(self, reason: str) -> ExpressionError:
        return ExpressionError(self._expression, reason)
