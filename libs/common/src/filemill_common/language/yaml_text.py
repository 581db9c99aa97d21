"""YAML, as far as JSON goes: maps, lists, strings, numbers, true, false and null.

Read event by event, because the library's own loader recurses, lets the last of two equal keys
win, and reads ``no`` and ``2026-11-05`` as something else than the text they are.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml

from filemill_common.language.problems import InvalidDefinitionError, Problem, parts_of
from filemill_common.language.values import MAX_BYTES, MAX_DEPTH, MAX_VALUES

MAX_ALIASES = 1_000

_INT = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

_Container = list[Any] | dict[str, Any]
_Mark = tuple[int, int]
"""Line and column, both from 0 on."""


def _mark(event: yaml.Event) -> _Mark:
    mark = event.start_mark
    return (mark.line, mark.column) if mark else (0, 0)


class Places:
    """Where in a text the values of a document stand.

    What came through an alias stands where its anchor does.
    """

    def __init__(self, document: object, start: _Mark, marks: dict[int, dict[str | int, _Mark]]) -> None:
        """Take the marks of each list and map by its identity, which ``document`` keeps alive."""
        self._document = document
        self._start = start
        self._marks = marks

    def of(self, pointer: str) -> tuple[int, int]:
        """Give line and column, from 1 on: of a key in a map, of an item in a list.

        Args:
            pointer: Where there is nothing, the nearest place around it counts.
        """
        at, (line, column) = self._document, self._start
        for part in parts_of(pointer):
            key = int(part) if isinstance(at, list) and part.isdecimal() and len(part) < 9 else part
            mark = self._marks.get(id(at), {}).get(key)
            if mark is None or not isinstance(at, list | dict):
                break
            line, column = mark
            at = at[key]  # type: ignore[index]  # what has a mark is there
        return line + 1, column + 1


def parse_yaml(text: str) -> object:
    """Read one YAML document, or JSON; `read_yaml` says what is read, and what is raised."""
    return read_yaml(text)[0]


def read_yaml(text: str) -> tuple[object, Places]:
    """Read one YAML document, or JSON, as the core schema of YAML 1.2 reads it.

    What an alias names is the same object in each place; its size counts there again.

    Returns:
        The document, and where its parts stand.

    Raises:
        InvalidDefinitionError: It is no YAML, larger than 4 MiB or 500,000 values, deeper than 32 levels,
            several documents, has more than 1,000 aliases or one inside what it names, a tag, a merge key,
            or a key that is no string or there twice. The problem has line and column.
    """
    if len(text) > MAX_BYTES:
        message = f"the text has {len(text)} characters; at most {MAX_BYTES} are read"
        raise InvalidDefinitionError([Problem(pointer="", code="too_large", message=message)])
    try:
        return _built(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        began = error.context_mark
        hint = f"look at line {began.line + 1} too, where this began" if began else None
        raise _error("invalid_yaml", error.problem or str(error), error.problem_mark, hint) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise _error("invalid_yaml", " ".join(str(error).split()), None) from error


def _built(events: Iterable[yaml.Event]) -> tuple[object, Places]:
    build = _Builder()
    for event in events:
        if getattr(event, "tag", None):
            raise _error("unsupported_yaml", "tags are not supported", event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                if build.documents:
                    raise _error("invalid_yaml", "there is more than one document", event.start_mark)
            case yaml.ScalarEvent():
                build.scalar(event)
            case yaml.SequenceStartEvent():
                build.open([], event)
            case yaml.MappingStartEvent():
                build.open({}, event)
            case yaml.CollectionEndEvent():
                build.close()
            case yaml.AliasEvent():
                build.repeat(event)
            case _:
                pass
    document = build.documents[0] if build.documents else None
    return document, Places(document, build.marks[id(build.documents)].get(0, (0, 0)), build.marks)


class _Size(NamedTuple):
    """How large a value is, written out without aliases: values, characters, levels inside it."""

    values: int
    characters: int
    levels: int


class _Open(NamedTuple):
    """A list or map that is being read, the event that began it, and what was read before it."""

    value: _Container
    event: yaml.Event | None
    before: _Size


class _Builder:
    """Puts values together as they come; a stack instead of recursion, so depth is ours to bound."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.marks: dict[int, dict[str | int, _Mark]] = {id(self.documents): {}}
        self._stack = [_Open(self.documents, None, _Size(0, 0, 0))]
        self._keys: list[tuple[str, _Mark] | None] = [None]  # of each, the one whose value comes next
        self._levels = [0]  # of each, those inside it so far
        self._values = self._characters = self._aliases = 0
        self._anchors: dict[str, tuple[object, _Size] | None] = {}  # None while it is being read

    @property
    def is_at_key(self) -> bool:
        """Whether the next value is a key: its text counts, whatever it looks like."""
        return isinstance(self._stack[-1].value, dict) and self._keys[-1] is None

    def scalar(self, event: yaml.ScalarEvent) -> None:
        is_plain = event.implicit[0]
        if is_plain and self.is_at_key and event.value == "<<":
            message = "merge keys (<<) are not supported"
            raise _error("unsupported_yaml", message, event.start_mark, "write the fields out")
        value = _plain(event.value) if is_plain and not self.is_at_key else event.value
        size = _Size(1, len(event.value) + 4, 0)
        self._add(value, event, size)
        self._keep(value, event, size)

    def _add(self, value: Any, event: yaml.Event, size: _Size) -> None:
        into, key = self._stack[-1].value, self._keys[-1]
        self._values += size.values
        self._characters += size.characters
        self._levels[-1] = max(self._levels[-1], size.levels)
        if self._values > MAX_VALUES or self._characters > MAX_BYTES:
            message = (
                f"with its aliases written out it has more than {MAX_VALUES} values or {MAX_BYTES} bytes"
            )
            raise _error("too_large", message, event.start_mark)
        if isinstance(into, list):
            self._mark(len(into), _mark(event))
            into.append(value)
        elif key is not None:
            self._mark(key[0], key[1])
            into[key[0]] = value
            self._keys[-1] = None
        elif not isinstance(value, str):
            raise _error("invalid_yaml", "a key must be a string", event.start_mark)
        elif value in into:
            message = f"the key {value[:80]!r} is there twice"
            raise _error("duplicate_key", message, event.start_mark)
        else:
            self._keys[-1] = value, _mark(event)

    def _mark(self, key: str | int, mark: _Mark) -> None:
        self.marks[id(self._stack[-1].value)][key] = mark

    def _keep(self, value: object, event: yaml.Event, size: _Size) -> None:
        """Keep a value that has an anchor for the aliases to come."""
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = value, size

    def open(self, opened: _Container, event: yaml.Event) -> None:
        self._bound(len(self._stack), event)
        before = _Size(self._values, self._characters, 0)
        self._add(opened, event, _Size(1, 4, 1))
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = None
        self.marks[id(opened)] = {}
        self._stack.append(_Open(opened, event, before))
        self._keys.append(None)
        self._levels.append(0)

    def close(self) -> None:
        value, event, before = self._stack.pop()
        self._keys.pop()
        levels = self._levels.pop() + 1
        self._levels[-1] = max(self._levels[-1], levels)
        if event is not None:
            size = _Size(self._values - before.values, self._characters - before.characters, levels)
            self._keep(value, event, size)

    def repeat(self, event: yaml.AliasEvent) -> None:
        """Put what an alias names where the alias stands."""
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _error("too_large", f"at most {MAX_ALIASES} aliases are read", event.start_mark)
        anchor = event.anchor or ""
        if anchor not in self._anchors:
            raise _error("invalid_yaml", f"no anchor {anchor[:80]!r} before this", event.start_mark)
        named = self._anchors[anchor]
        if named is None:
            message = f"the alias {anchor[:80]!r} stands inside what it names"
            raise _error("unsupported_yaml", message, event.start_mark)
        value, size = named
        self._bound(len(self._stack) + size.levels - 1, event)
        self._add(value, event, size)

    def _bound(self, levels: int, event: yaml.Event) -> None:
        if levels > MAX_DEPTH:
            message = f"values nest at most {MAX_DEPTH} levels deep"
            raise _error("too_deep", message, event.start_mark)


def _plain(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _error(code: str, message: str, mark: Any, hint: str | None = None) -> InvalidDefinitionError:
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    problem = Problem(pointer="", code=code, message=message, suggestion=hint, line=line, column=column)
    return InvalidDefinitionError([problem])
