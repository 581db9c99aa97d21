"""What counts as a JSON value here: only what JSON, MongoDB and a reader's patience can all hold.

Keys that begin with ``$`` or hold a dot are plain data: MongoDB stores them since 5.0, as long as
they are written as values (in an aggregation pipeline inside ``$literal``).
"""

import math
from collections.abc import Iterator

from filemill_common.language.problems import Problem, pointer

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 500_000
_INT64 = range(-(2**63), 2**63)


_Path = tuple["_Path | None", str | int]


def json_problems(value: object, *at: str | int) -> Iterator[Problem]:
    """Say what in ``value`` is no JSON that can be stored.

    Refused are types that JSON does not have, numbers that are not finite or that 64 bits do not
    hold, text that UTF-8 cannot write (a lone surrogate), a NUL in a key, more than 32 levels,
    500,000 values or 4 MiB.

    Args:
        value: Anything at all.
        at: Where it stands in the document, for the pointers.
    """
    size = seen = 0
    # A stack instead of recursion: depth is what is being checked. A path is a linked list of
    # (path of the parent, part), because most paths are never shown.
    stack: list[tuple[object, _Path | None, int]] = [(value, None, len(at))]
    while stack:
        item, path, depth = stack.pop()
        seen += 1
        size += len(item) if isinstance(item, str) else 4
        if isinstance(item, list | dict):
            if depth > MAX_DEPTH:
                found = "too_deep", f"values nest at most {MAX_DEPTH} levels deep"
                yield _problem(found, at, path)
            elif isinstance(item, list):
                stack += ((part, (path, index), depth + 1) for index, part in enumerate(item))
            else:
                for key, part in item.items():
                    if wrong := _key_problem(key):
                        yield _problem(wrong, at, path)
                    else:
                        size += len(key)
                        stack.append((part, (path, key), depth + 1))
        elif wrong := _scalar_problem(item):
            yield _problem(wrong, at, path)
        if size > MAX_BYTES or seen + len(stack) > MAX_VALUES:
            message = f"more than {MAX_BYTES} bytes or {MAX_VALUES} values"
            yield Problem(pointer=pointer(*at), code="too_large", message=message)
            return


def _problem(found: tuple[str, str], at: tuple[str | int, ...], path: _Path | None) -> Problem:
    parts: list[str | int] = []
    while path is not None:
        path, part = path
        parts.append(part)
    code, message = found
    return Problem(pointer=pointer(*at, *reversed(parts)), code=code, message=message)


def _scalar_problem(value: object) -> tuple[str, str] | None:
    match value:
        case str():
            return _text_problem(value)
        case None | bool():
            return None
        case int():
            if value not in _INT64:
                return "out_of_range", "a whole number must fit in 64 bits"
        case float():
            if not math.isfinite(value):
                return "out_of_range", f"{value} is not a number that JSON can hold"
        case _:
            return "wrong_type", f"{type(value).__name__} is not a JSON type"
    return None


def _text_problem(text: str) -> tuple[str, str] | None:
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "bad_unicode", "the text holds a lone surrogate, which UTF-8 cannot write"
    return None


def _key_problem(key: object) -> tuple[str, str] | None:
    if not isinstance(key, str):
        return "wrong_type", f"a key must be a string, not {type(key).__name__}"
    if "\0" in key:
        return "bad_unicode", "a key must not hold the character NUL"
    found = _text_problem(key)
    return found and (found[0], "a key holds a lone surrogate, which UTF-8 cannot write")
