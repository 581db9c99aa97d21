"""Expressions: ``${{ … }}`` in values, evaluated by CEL. The one module that knows which CEL it is.

A literal ``${{`` is written ``$${{``. cel-expr-python gives errors of evaluation back as values of
type ERROR, stops after 10,000 iterations by itself, and parses at most 32 levels deep.
"""

import functools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cel_expr_python import cel  # type: ignore[import-untyped]  # stubs, but no py.typed

from filemill_common.errors import FilemillError

MAX_EXPRESSION = 2_048
MAX_LIST = 1_000
MAX_RESULT = 1024 * 1024
NAMES = ("input", "steps", "run", "event")
STEP_FIELDS = ("status", "output", "error")

_OPEN = re.compile(r"\$?\$\{\{")
_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>[bB]?[rR]?(?:\"\"\"|'''|"|'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`\n]*`)
    |(?P<number>[0-9][A-Za-z0-9_]*)
    |(?P<close>\}\})
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_PATH = re.compile(
    r"(?:steps\.[A-Za-z_]\w*\.(?:status|output|error)|input|run|event)(?:\.[A-Za-z_]\w*){0,8}",
    re.ASCII,
)
_KEYWORDS = frozenset({"in", "true", "false", "null"})
_COMPLAINT = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNDECLARED = re.compile(r"undeclared reference to '([^'.]*)")

_ENVIRONMENT = cel.NewEnv(variables=dict.fromkeys(NAMES, cel.Type.DYN))


class ExpressionError(FilemillError):
    """An expression cannot be read, or came to nothing; doing it again gives the same."""

    code = "expression_error"

    def __init__(self, expression: str, reason: str) -> None:
        """Quote the expression, shortened, and say what is wrong with it."""
        shown = expression if len(expression) <= 80 else expression[:77] + "…"
        super().__init__(f"the expression {shown!r} failed: {reason}")
        self.reason = reason


class Flaw(NamedTuple):
    """Something wrong with an expression that shows before it is evaluated.

    Attributes:
        code: ``invalid_expression``, or ``undeclared_name``.
        message: A sentence.
        name: The name that is not declared.
        known: The names that are, where that one stands.
    """

    code: str
    message: str
    name: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """The text between ``${{`` and ``}}``, without the space around it."""

    text: str


def render(value: object, context: Mapping[str, object]) -> object:
    """Evaluate the expressions in a value.

    Args:
        value: A JSON value. Keys are left as they are.
        context: ``input``, ``steps``, ``run`` and ``event``, JSON values; one that is left out is
            null. ``steps`` needs only what `references` names.

    Returns:
        The value with each string that is one whole expression replaced by its result, of
        whatever type, and each expression inside a longer string by its text: a string as it
        is, anything else as JSON. Without expressions it is equal to ``value``.

    Raises:
        ExpressionError: An expression is not valid, fails, or gives what JSON does not have or
            more than 1,000 list items or 1 MiB.
    """
    known = {name: context.get(name) for name in NAMES}
    return _map_strings(value, lambda text: _render_text(text, known))


def references(value: object) -> frozenset[str]:
    """Name the steps whose results the expressions of a value use.

    Raises:
        ExpressionError: ``${{`` without ``}}``, or ``steps`` without the id of a step.
    """
    named: set[str] = set()

    def look(text: str) -> object:
        for part in parse(text):
            if isinstance(part, Expression):
                names, flaws = _steps_named(part.text)
                if flaws:
                    raise ExpressionError(part.text, flaws[0].message)
                named.update(names)
        return text

    _map_strings(value, look)
    return frozenset(named)


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


def parse(text: str) -> tuple[str | Expression, ...]:
    """Split a string into literal parts, unescaped, and expressions.

    Raises:
        ExpressionError: ``${{`` has no ``}}``.
    """
    parts: list[str | Expression] = []
    at = 0
    while found := _OPEN.search(text, at):
        literal = text[at : found.start()]
        if found.group() == "$${{":
            parts.append(literal + "${{")
            at = found.end()
            continue
        end = _closing(text, found.end())
        if literal:
            parts.append(literal)
        parts.append(Expression(text[found.end() : end].strip()))
        at = end + 2
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def inspect(expression: str) -> tuple[frozenset[str], tuple[Flaw, ...]]:
    """Check an expression without evaluating it.

    Returns:
        The ids of the steps that it names, and what is wrong with it.
    """
    named, flaws = _steps_named(expression)
    if not _is_plain_path(expression):
        flaws = (*_compiled(expression).flaws, *flaws)
    return named, flaws


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
def _compiled(expression: str) -> _Compiled:
    try:
        size = len(expression.encode())
    except UnicodeEncodeError:
        message = "the expression holds a lone surrogate, which UTF-8 cannot write"
        return _Compiled(None, (Flaw("invalid_expression", message),))
    if size > MAX_EXPRESSION:
        message = f"an expression has at most {MAX_EXPRESSION} bytes"
        return _Compiled(None, (Flaw("invalid_expression", message),))
    try:
        return _Compiled(_ENVIRONMENT.compile(expression), ())
    except RuntimeError as error:
        return _Compiled(None, tuple(_flaws(str(error))))


def _flaws(complaint: str) -> Iterator[Flaw]:
    """Turn the compiler's report into sentences; it lists an undeclared name once per use."""
    found = dict.fromkeys(_COMPLAINT.findall(complaint))
    for line, column, said in found:
        text = said.removesuffix(" (in container '')").split(", expecting")[0]
        place = f" (line {line}, column {column} of the expression)" if int(line) > 0 else ""
        if undeclared := _UNDECLARED.match(said):
            name = undeclared.group(1)
            yield Flaw("undeclared_name", f"no name or function {name!r} here{place}", name, NAMES)
        else:
            yield Flaw("invalid_expression", text.split(" expecting {")[0] + place)
    if not found:
        yield Flaw("invalid_expression", _STATUS.sub("", complaint.splitlines()[0]))


def _is_plain_path(expression: str) -> bool:
    """Whether it is only names and dots, as nearly all are: these need no compiler to be checked."""
    found = _PLAIN_PATH.fullmatch(expression)
    return found is not None and _KEYWORDS.isdisjoint(expression.split("."))


def _evaluate(expression: str, context: Mapping[str, object]) -> object:
    program, flaws = _compiled(expression)
    if program is None:
        raise ExpressionError(expression, flaws[0].message)
    try:
        result = program.eval(data=context)
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(expression, _STATUS.sub("", str(result.value())))
        return _Plain(expression).value(result)
    except RuntimeError as error:
        raise ExpressionError(expression, _STATUS.sub("", str(error))) from error


class _Plain:
    """Turns a result of CEL into plain JSON, piece by piece, so that a huge one is never whole."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._left = MAX_RESULT

    def value(self, result: cel.Value) -> object:
        plain = result.value()
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


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def _tokens(text: str, at: int = 0) -> Iterator[_Token]:
    """Read CEL's tokens from ``at`` on, as far as what follows needs to tell them apart."""
    while found := _TOKEN.match(text, at):
        kind, start, at = found.lastgroup or "", found.start(), found.end()
        if kind == "string":
            at = _string_end(text, at, opened=found.group())
        if kind != "space":
            yield _Token(kind, text[start:at], start)


def _string_end(text: str, at: int, *, opened: str) -> int:
    quote = opened.lstrip("bBrR")
    is_raw = "r" in opened.lower()
    while at < len(text) and not text.startswith(quote, at):
        at += 1 if is_raw or text[at] != "\\" else 2
    return min(len(text), at + len(quote))


def _closing(text: str, at: int) -> int:
    """Find the ``}}`` that ends the expression at ``at``; a map's own braces do not."""
    depth = 0
    for token in _tokens(text, at):
        if token.start - at > MAX_EXPRESSION:
            break
        if token.text == "{":
            depth += 1
        elif token.text == "}":
            depth -= 1
        elif token.kind == "close" and depth == 0:
            return token.start
        elif token.kind == "close" and depth == 1 and text.startswith("}}}", token.start):
            return token.start + 1
        elif token.kind == "close":
            depth -= 2
    raise ExpressionError(text[at:], f"'${{{{' has no closing '}}}}' within {MAX_EXPRESSION} characters")


def _steps_named(expression: str) -> tuple[frozenset[str], tuple[Flaw, ...]]:
    """Find ``steps.<id>`` and ``steps["<id>"]``; any other use of ``steps`` is a flaw.

    What an expression may use must be known before anything runs, so the id is never computed.
    """
    if "steps" not in expression:
        return frozenset(), ()
    tokens = [*_tokens(expression)]
    named: set[str] = set()
    flaws: list[Flaw] = []
    for index, token in enumerate(tokens):
        if token.text != "steps" or _is_member(tokens, index):
            continue
        step, after = _selected(tokens, index + 1)
        if step is None:
            message = 'after steps comes the id of a step, as in steps.a or steps["a"]'
            flaws.append(Flaw("invalid_expression", message))
            continue
        named.add(step)
        field, _ = _selected(tokens, after)
        if field is not None and field not in STEP_FIELDS:
            known = ", ".join(STEP_FIELDS)
            message = f"a step has no {field!r}, only {known}"
            flaws.append(Flaw("undeclared_name", message, field, STEP_FIELDS))
    return frozenset(named), tuple(flaws)


def _is_member(tokens: Sequence[_Token], index: int) -> bool:
    """Whether the name at ``index`` is a field of something, as in ``input.steps``."""
    if index < 2 or tokens[index - 1].text != ".":
        return False
    before = tokens[index - 2]
    return before.kind in ("name", "string") or before.text in (")", "]", "}")


def _selected(tokens: Sequence[_Token], at: int) -> tuple[str | None, int]:
    """Read ``.name`` or ``["name"]`` at ``at``; None if there is neither. With it: what follows."""
    match [(token.kind, token.text) for token in tokens[at : at + 3]]:
        case [(_, "."), ("name", name), *_]:
            return name.strip("`"), at + 2
        case [(_, "["), ("string", text), (_, "]")] if text[0] in "\"'" and "\\" not in text:
            return text.strip(text[0]), at + 3
        case _:
            return None, at
