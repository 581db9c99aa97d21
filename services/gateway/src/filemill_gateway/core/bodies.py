"""Bodies of requests: JSON as RFC 8259 has it, of values that all parts of the system can hold."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any, Final

from filemill_common.language import Problem
from filemill_common.language.values import json_problems
from filemill_gateway.core.invalid import InvalidRequestError, problem

_MOST_PROBLEMS: Final = 100


class _NotJsonError(ValueError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_json(body: bytes) -> Any:
    """Read a body as JSON.

    Raises:
        InvalidRequestError: It is no JSON in UTF-8; a key is there twice; or it holds what cannot be
            stored: NaN and infinities, whole numbers over 64 bits, NUL, lone surrogates, more than 32
            levels.
    """
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_object)
    except _NotJsonError as error:
        raise InvalidRequestError([problem(error.code, str(error))]) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequestError([problem("invalid_json", f"{error.msg} at {where}")]) from error
    except UnicodeDecodeError as error:
        message = f"the body is no UTF-8 at byte {error.start}"
        raise InvalidRequestError([problem("invalid_json", message)]) from error
    except RecursionError as error:
        raise InvalidRequestError([problem("too_deep", "values nest too deeply")]) from error
    except ValueError as error:  # a number of thousands of digits
        raise InvalidRequestError([problem("out_of_range", "a number has too many digits")]) from error
    check_values(value)
    return value


def check_values(value: object) -> None:
    """Refuse what cannot be stored.

    Raises:
        InvalidRequestError: There is such a value; the first hundred places are named.
    """
    found = list(itertools.islice(itertools.chain(json_problems(value), _nuls(value)), _MOST_PROBLEMS))
    if found:
        raise InvalidRequestError(found)


def body_digest(*parts: object) -> str:
    """Tell one request from another by what it says, however it was laid out."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _refuse_constant(name: str) -> object:
    raise _NotJsonError("out_of_range", f"{name} is not a number that JSON can hold")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _NotJsonError("duplicate_key", f"the key {key[:80]!r} is there twice")
            seen.add(key)
    return found


def _nuls(value: object) -> Iterator[Problem]:
    """Name the texts that hold a NUL: no program that is handed one on its command line sees the rest.

    The depth is known to be bounded: `json_problems` comes first, and its findings suffice.
    """
    stack: list[tuple[object, tuple[str | int, ...]]] = [(value, ())]
    while stack:
        item, at = stack.pop()
        if len(at) > 32:
            return
        if isinstance(item, dict):
            stack += ((part, (*at, key)) for key, part in item.items())
        elif isinstance(item, list):
            stack += ((part, (*at, index)) for index, part in enumerate(item))
        elif isinstance(item, str) and "\0" in item:
            yield problem("bad_unicode", "the text holds the character NUL", *at)
