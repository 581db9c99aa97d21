"""How expressions stand in text: where they begin and end, and which steps they name.

A literal ``${{`` is written ``$${{``. Of CEL only the tokens are known here, as far as that needs.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from filemill_common.errors import FilemillError

MAX_EXPRESSION = 2_048
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
_HOLDS_NO_BRACE = re.compile(r"[^\"'`{/]*")  # and no text or comment that could
_PLAIN_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*){0,10}", re.ASCII)
_KEYWORDS = frozenset({"in", "true", "false", "null"})

NAMES = ("input", "steps", "run", "event")
_CEL_WORDS = """
    as break const continue else false for function if import in let loop namespace null package return
    true var void while bool bytes double dyn int list map null_type optional optional_type string strings
    type uint
"""
RESERVED = frozenset((*NAMES, *_CEL_WORDS.split()))
"""What an item of a map cannot be called: it has a meaning in CEL, or may get one."""


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
        hint: How to mend it, or None.
    """

    code: str
    message: str
    name: str = ""
    known: tuple[str, ...] = ()
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """The text between ``${{`` and ``}}``, without the space around it."""

    text: str


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


def is_plain_path(expression: str, aliases: Sequence[str] = ()) -> bool:
    """Whether it is only names and dots, as nearly all are: these need no compiler to be checked.

    Args:
        expression: Without ``${{ }}`` around it.
        aliases: Names beside the usual ones that are known where it stands.
    """
    if _PLAIN_PATH.fullmatch(expression) is None:
        return False
    first, *rest = expression.split(".")
    if first == "steps":
        return len(rest) >= 2 and rest[1] in STEP_FIELDS and _KEYWORDS.isdisjoint(rest)
    return (first in NAMES or first in aliases) and _KEYWORDS.isdisjoint(rest)


def steps_named(expression: str) -> tuple[frozenset[str], tuple[Flaw, ...]]:
    """Find ``steps.<id>`` and ``steps["<id>"]``, optional or not; any other use of ``steps`` is a flaw.

    What an expression may use must be known before anything runs, so the id is never computed.
    """
    if "steps" not in expression:
        return frozenset(), ()
    if is_plain_path(expression):
        first, step, *_ = expression.split(".")
        return frozenset({step} if first == "steps" else ()), ()
    tokens = [*_tokens(expression)]
    named: set[str] = set()
    flaws: list[Flaw] = []
    for index, token in enumerate(tokens):
        if token.text != "steps" or _is_member(tokens, index):
            continue
        name, after = _selected(tokens, index + 1)
        if name is None:
            message = 'after steps comes the id of a step, as in steps.a or steps["a"]'
            flaws.append(Flaw("invalid_expression", message))
            continue
        named.add(name)
        field, _ = _selected(tokens, after)
        if field is not None and field not in STEP_FIELDS:
            known = ", ".join(STEP_FIELDS)
            message = f"a step has no {field!r}, only {known}"
            flaws.append(Flaw("undeclared_name", message, field, STEP_FIELDS))
    return frozenset(named), tuple(flaws)


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
    end = text.find("}}", at, at + MAX_EXPRESSION)
    if end >= 0 and _HOLDS_NO_BRACE.fullmatch(text, at, end):
        return end
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


def _is_member(tokens: Sequence[_Token], index: int) -> bool:
    """Whether the name at ``index`` is a field of something, as in ``input.steps`` or ``input.?steps``."""
    dot = index - 2 if index and tokens[index - 1].text == "?" else index - 1
    if dot < 1 or tokens[dot].text != ".":
        return False
    before = tokens[dot - 1]
    return before.kind in ("name", "string") or before.text in (")", "]", "}")


def _selected(tokens: Sequence[_Token], at: int) -> tuple[str | None, int]:
    """Read ``.name`` or ``["name"]`` at ``at``, optional or not; None if neither. With it: what follows."""
    if at + 1 < len(tokens) and tokens[at + 1].text == "?":
        name, after = _selected([tokens[at], *tokens[at + 2 : at + 4]], 0)
        return name, at + 1 + after
    match [(token.kind, token.text) for token in tokens[at : at + 3]]:
        case [(_, "."), ("name", name), *_]:
            return name.strip("`"), at + 2
        case [(_, "["), ("string", text), (_, "]")] if text[0] in "\"'" and "\\" not in text:
            return text.strip(text[0]), at + 3
        case _:
            return None, at
