"""The functions on text that expressions have beside CEL's own, as in its string extension, but bounded.

An expression comes from outside: twenty calls of an unbounded ``replace`` in a row fill any memory.
"""

import json
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

MAX_TEXT: Final = 1024 * 1024
"""Characters in a result."""
MAX_WORK: Final = 16 * 1024 * 1024
"""Characters read and written by all calls of one evaluation."""

_left: ContextVar[list[int]] = ContextVar("_left")
_VERB = re.compile(r"%(?:\.(\d{1,3}))?(.?)", re.DOTALL)


def begin() -> None:
    """Give what is called from now on, in this thread or task, a budget of its own."""
    _left.set([MAX_WORK])


def _spend(characters: int) -> None:
    left = _left.get([MAX_WORK])
    left[0] -= characters
    if left[0] < 0:
        raise ValueError(f"more than {MAX_WORK} characters of text were worked on")


def _checked(size: int) -> None:
    if size > MAX_TEXT:
        raise ValueError(f"a text has at most {MAX_TEXT} characters here")
    _spend(size)


def _position(text: str, at: int, *, end: int | None = None) -> int:
    if not 0 <= at <= (len(text) if end is None else end):
        raise ValueError(f"no position {at} in a text of {len(text)} characters")
    return at


def _char_at(text: str, at: int) -> str:
    return text[_position(text, at) :][:1] if at < len(text) else text[_position(text, at) :]


def _index_of(text: str, part: str, start: int = 0) -> int:
    _spend(len(text))
    return text.find(part, _position(text, start))


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    _spend(len(text))
    return text.rfind(part) if start is None else text.rfind(part, 0, _position(text, start) + len(part))


def _join(parts: list[Any], between: str = "") -> str:
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("join needs a list of texts")
    _checked(sum(map(len, parts)) + len(between) * max(0, len(parts) - 1))
    return between.join(parts)


def _replace(text: str, old: str, new: str, most: int = -1) -> str:
    _spend(len(text))
    found = text.count(old)
    found = found if most < 0 else min(found, most)
    _checked(len(text) + found * (len(new) - len(old)))
    return text.replace(old, new, most)


def _split(text: str, between: str, most: int = -1) -> list[str]:
    _spend(len(text))
    if most == 0:
        return []
    if not between:
        head = len(text) if most < 0 else most - 1
        return [*text[:head], *([text[head:]] if text[head:] else [])]
    return text.split(between, most - 1 if most > 0 else -1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else _position(text, end)
    return text[_position(text, start, end=stop) : stop]


def _once(change: Callable[[str], str]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        _checked(len(text))
        result = change(text)
        _checked(len(result))
        return result

    return changed


def _case(text: str, first: str, last: str, by: int) -> str:
    return "".join(chr(ord(letter) + by) if first <= letter <= last else letter for letter in text)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _format(text: str, values: list[Any]) -> str:
    rest = iter(values)

    def filled(found: re.Match[str]) -> str:
        precision, verb = found.groups()
        if verb == "%":
            return "%"
        value = next(rest, _MISSING)
        if value is _MISSING:
            raise ValueError("format has more places than values")
        written = _written(value, verb, precision)
        _spend(len(written))
        return written

    _checked(len(text))
    result = _VERB.sub(filled, text)
    _checked(len(result))
    return result


_MISSING: Final = object()


def _written(value: Any, verb: str, precision: str | None) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match verb:
        case "s":
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        case "d" | "x" | "X" | "o" | "b" if is_number and isinstance(value, int):
            return format(value, verb)
        case "f" | "e" if is_number:
            return format(float(value), f".{precision or 6}{verb}")
        case _:
            raise ValueError(f"format cannot write a {type(value).__name__} as %{verb}")


FUNCTIONS: Final[tuple[tuple[str, str, str, Callable[..., Any]], ...]] = (
    ("charAt", "si", "s", _char_at),
    ("format", "sl", "s", _format),
    ("indexOf", "ss", "i", _index_of),
    ("indexOf", "ssi", "i", _index_of),
    ("join", "l", "s", _join),
    ("join", "ls", "s", _join),
    ("lastIndexOf", "ss", "i", _last_index_of),
    ("lastIndexOf", "ssi", "i", _last_index_of),
    ("lowerAscii", "s", "s", _once(lambda text: _case(text, "A", "Z", 32))),
    ("upperAscii", "s", "s", _once(lambda text: _case(text, "a", "z", -32))),
    ("strings.quote", "s", "s", _once(_quote)),
    ("replace", "sss", "s", _replace),
    ("replace", "sssi", "s", _replace),
    ("reverse", "s", "s", _once(lambda text: text[::-1])),
    ("split", "ss", "l", _split),
    ("split", "ssi", "l", _split),
    ("substring", "si", "s", _substring),
    ("substring", "sii", "s", _substring),
    ("trim", "s", "s", _once(str.strip)),
)
"""Name, what it takes, what it gives (s text, i whole number, l list), and the function itself."""
