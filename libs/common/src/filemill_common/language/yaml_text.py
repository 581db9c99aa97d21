"""YAML, as far as JSON goes: maps, lists, strings, numbers, true, false and null.

Read event by event, because the library's own loader recurses, lets the last of two equal keys
win, and reads ``no`` and ``2026-11-05`` as something else than the text they are.
"""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from filemill_common.language.problems import InvalidDefinitionError, Problem
from filemill_common.language.values import MAX_BYTES, MAX_DEPTH

_INT = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def parse_yaml(text: str) -> object:
    """Read one YAML document, or JSON, as the core schema of YAML 1.2 reads it.

    Raises:
        InvalidDefinitionError: It is no YAML, larger than 4 MiB, deeper than 32 levels, several
            documents, or has an alias, an anchor, a tag, or a key that is no string or there twice.
            The message says line and column.
    """
    if len(text) > MAX_BYTES:
        message = f"the text has {len(text)} characters; at most {MAX_BYTES} are read"
        raise InvalidDefinitionError([Problem(pointer="", code="too_large", message=message)])
    try:
        return _built(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        raise _error("invalid_yaml", error.problem or str(error), error.problem_mark) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise _error("invalid_yaml", " ".join(str(error).split()), None) from error


def _built(events: Iterable[yaml.Event]) -> object:
    build = _Builder()
    for event in events:
        _refuse_extras(event)
        match event:
            case yaml.DocumentStartEvent():
                if build.documents:
                    raise _error("invalid_yaml", "there is more than one document", event.start_mark)
            case yaml.ScalarEvent():
                is_plain = event.implicit[0] and not build.is_at_key
                build.add(_plain(event.value) if is_plain else event.value, event)
            case yaml.SequenceStartEvent():
                build.open([], event)
            case yaml.MappingStartEvent():
                build.open({}, event)
            case yaml.CollectionEndEvent():
                build.close()
            case _:
                pass
    return build.documents[0] if build.documents else None


def _refuse_extras(event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        message = "aliases and anchors are not supported"
        raise _error("unsupported_yaml", message, event.start_mark)
    if getattr(event, "tag", None):
        raise _error("unsupported_yaml", "tags are not supported", event.start_mark)


class _Builder:
    """Puts values together as they come; a stack instead of recursion, so depth is ours to bound."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        # Each open list or map, with the key whose value comes next.
        self._stack: list[tuple[list[Any] | dict[str, Any], str | None]] = [(self.documents, None)]

    @property
    def is_at_key(self) -> bool:
        """Whether the next value is a key: its text counts, whatever it looks like."""
        into, key = self._stack[-1]
        return isinstance(into, dict) and key is None

    def add(self, value: Any, event: yaml.Event) -> None:
        into, key = self._stack[-1]
        if isinstance(into, list):
            into.append(value)
        elif key is not None:
            into[key] = value
            self._stack[-1] = (into, None)
        elif not isinstance(value, str):
            raise _error("invalid_yaml", "a key must be a string", event.start_mark)
        elif value in into:
            message = f"the key {value[:80]!r} is there twice"
            raise _error("duplicate_key", message, event.start_mark)
        else:
            self._stack[-1] = (into, value)

    def open(self, opened: list[Any] | dict[str, Any], event: yaml.Event) -> None:
        if len(self._stack) > MAX_DEPTH:
            message = f"values nest at most {MAX_DEPTH} levels deep"
            raise _error("too_deep", message, event.start_mark)
        self.add(opened, event)
        self._stack.append((opened, None))

    def close(self) -> None:
        self._stack.pop()


def _plain(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _error(code: str, message: str, mark: Any) -> InvalidDefinitionError:
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return InvalidDefinitionError([Problem(pointer="", code=code, message=message + place)])
