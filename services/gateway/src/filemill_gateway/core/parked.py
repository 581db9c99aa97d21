"""How what a stranger sent is shown: as JSON, which nothing in it can break."""

import base64
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from filemill_common.clock import rfc3339
from filemill_common.events import JsonObject

SHOWN: Final = 1 << 20
"""Bytes of a body that are shown."""

_DEEPEST: Final = 20


def text_of(body: bytes) -> str | None:
    """Give the beginning of a body as text; None if it is no UTF-8.

    What is cut off may begin within a character, which is left out.
    """
    begun = body[:SHOWN]
    for end in range(len(begun), max(len(begun) - 4, -1), -1):
        try:
            return begun[:end].decode()
        except UnicodeDecodeError:
            if len(body) <= SHOWN:
                break
    return None


def base64_of(body: bytes) -> str:
    """Give the beginning of a body in base64."""
    return base64.b64encode(body[:SHOWN]).decode()


def json_of(headers: Mapping[str, Any]) -> JsonObject:
    """Give headers as JSON; what it has no type for becomes text."""
    return {name: _json(value, 0) for name, value in headers.items()}


def _json(value: Any, depth: int) -> Any:
    match value:
        case dict() if depth < _DEEPEST:
            return {str(name): _json(each, depth + 1) for name, each in value.items()}
        case list() if depth < _DEEPEST:
            return [_json(each, depth + 1) for each in value]
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            return _text(value)


def _text(value: Any) -> str:
    match value:
        case datetime():
            return rfc3339(value)
        case bytes() | bytearray():
            return value.decode(errors="backslashreplace")
        case dict() | list():
            return "..."
        case _:
            return str(value)
