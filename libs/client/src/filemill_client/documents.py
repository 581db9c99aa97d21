"""Definitions and values as people write them: YAML, JSON, and ``name=value`` on a command line."""

import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import yaml

from filemill_client.errors import InvalidArgumentError
from filemill_client.shapes import Json, MediaType

_DEEPEST: Final = 32
_MOST_VALUES: Final = 500_000
_INT: Final = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Place = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(frozen=True, slots=True)
class Document:
    """An object that was read from a file.

    Attributes:
        name: Of the file.
        places: Where what a JSON pointer (RFC 6901) points at stands; empty for a file of JSON.
    """

    name: str
    value: Json
    places: Mapping[str, Place] = field(default_factory=dict)

    def place(self, pointer: str) -> Place | None:
        """Say where something stands, or what is around it if it is not there; None if that is not known."""
        while pointer and pointer not in self.places:
            pointer = pointer.rpartition("/")[0]
        return self.places.get(pointer)


class InvalidDocumentError(InvalidArgumentError):
    """A file cannot be read as an object."""

    code = "invalid_document"

    def __init__(self, name: str, message: str, place: Place | None = None) -> None:
        """Say where."""
        at = f":{place[0]}:{place[1]}" if place else ""
        super().__init__(f"{name}{at}: {message}")


@dataclass(frozen=True, slots=True)
class Text:
    """A file as it is, to be read by others.

    Attributes:
        name: What users know it by.
        media_type: JSON if its name says so, else YAML.
    """

    name: str
    text: str
    media_type: MediaType

    @property
    def encoded(self) -> bytes:
        """The text as it is sent."""
        return self.text.encode()


def read_text(path: str) -> Text:
    """Read a file of text; ``-`` is standard input.

    Raises:
        InvalidDocumentError: It cannot be read.
    """
    name = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidDocumentError(name, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidDocumentError(name, f"it is no UTF-8 at byte {error.start}") from error
    return Text(name, text, "application/json" if path.endswith(".json") else "application/yaml")


def read_document(path: str) -> Document:
    """Read one object: JSON if the name ends in ``.json``, else YAML; ``-`` is standard input.

    Raises:
        InvalidDocumentError: It cannot be read, or holds something else; with line and column.
    """
    file = read_text(path)
    name, is_json = file.name, file.media_type == "application/json"
    document = parse_json(name, file.text) if is_json else parse_yaml(name, file.text)
    if not isinstance(document.value, dict):
        raise InvalidDocumentError(name, f"it holds no object but a {type(document.value).__name__}")
    return document


def parse_json(name: str, text: str) -> Document:
    """Read JSON, of which a key may not be there twice.

    Raises:
        InvalidDocumentError: It is none.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidDocumentError(name, error.msg, (error.lineno, error.colno)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidDocumentError(name, str(error)) from error
    return Document(name, value)


def parse_yaml(name: str, text: str) -> Document:
    """Read one YAML document by the core schema of YAML 1.2, as the gateway does.

    ``no`` and ``2026-11-05`` are text, which the library's own loader takes for something else; tags are
    refused; a key may not be there twice. What came through an alias stands where the alias does.

    Raises:
        InvalidDocumentError: It is none.
    """
    reader = _Reader(name, yaml.parse(text, Loader=yaml.CSafeLoader))
    try:
        return Document(name, cast("Json", reader.document()), reader.places)
    except yaml.MarkedYAMLError as error:
        raise InvalidDocumentError(name, error.problem or str(error), _place(error)) from error
    except yaml.YAMLError as error:
        raise InvalidDocumentError(name, " ".join(str(error).split())) from error


def yaml_of(value: object) -> str:
    """Write a value as YAML, as people would: in its own order, texts of several lines as such."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def parse_values(given: Iterable[str], *, option: str) -> Json:
    """Read ``name=value`` pairs; a value is JSON where it is some, else text, and the last of a name counts.

    ``@file`` stands for all pairs of an object in a file.

    Raises:
        InvalidArgumentError: One is neither.
    """
    values: Json = {}
    for each in given:
        name, equals, value = each.partition("=")
        if each.startswith("@"):
            values |= read_document(each[1:]).value
        elif name and equals:
            values[name] = _value(value)
        else:
            raise InvalidArgumentError(f"{option} takes name=value or @file, not {each!r}")
    return values


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and blocks for texts of several lines."""

    def ignore_aliases(self, _: object) -> bool:
        return True

    def represent_str(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


class _Reader:
    """Puts values together from the events of a parser, and remembers where each stands."""

    def __init__(self, name: str, events: Iterator[yaml.Event]) -> None:
        self._name = name
        self._events = events
        self._anchors: dict[str, tuple[object, int]] = {}  # the value, and how many values it is made of
        self._count = 0
        self.places: dict[str, Place] = {}

    def document(self) -> object:
        value: object = None
        starts = (event for event in self._events if isinstance(event, yaml.DocumentStartEvent))
        for count, start in enumerate(starts):
            if count:
                raise self._error("there is more than one document", start)
            value = self._value(next(self._events), "")
        return value

    def _value(self, event: yaml.Event, at: str) -> Any:
        self.places.setdefault(at, _place(event))
        before, anchor = self._count, getattr(event, "anchor", None)
        value, more = self._named(event) if isinstance(event, yaml.AliasEvent) else (self._read(event, at), 1)
        self._count += more
        if self._count > _MOST_VALUES:
            raise self._error(f"there are more than {_MOST_VALUES} values, aliases written out", event)
        if anchor and not isinstance(event, yaml.AliasEvent):
            self._anchors[anchor] = value, self._count - before
        return value

    def _named(self, alias: yaml.AliasEvent) -> tuple[object, int]:
        if (alias.anchor or "") not in self._anchors:
            raise self._error(f"no anchor {alias.anchor!r} ends before this", alias)
        return self._anchors[alias.anchor or ""]

    def _read(self, event: yaml.Event, at: str) -> Any:
        if getattr(event, "tag", None):
            raise self._error("tags are not supported", event)
        if at.count("/") > _DEEPEST:
            raise self._error(f"values nest at most {_DEEPEST} levels deep", event)
        match event:
            case yaml.SequenceStartEvent():
                items = enumerate(self._until(yaml.SequenceEndEvent))
                return [self._value(item, f"{at}/{index}") for index, item in items]
            case yaml.MappingStartEvent():
                return self._object(at)
            case yaml.ScalarEvent():
                return _plain(event.value) if event.implicit[0] else event.value
            case _:
                raise self._error("this is no value", event)

    def _object(self, at: str) -> Json:
        found: Json = {}
        for key in self._until(yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise self._error("a key must be a string", key)
            if key.value in found:
                raise self._error(f"the key {key.value[:80]!r} is there twice", key)
            child = f"{at}/{key.value.replace('~', '~0').replace('/', '~1')}"
            self.places[child] = _place(key)
            found[key.value] = self._value(next(self._events), child)
        return found

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        return itertools.takewhile(lambda event: not isinstance(event, end), self._events)

    def _error(self, message: str, event: yaml.Event) -> InvalidDocumentError:
        return InvalidDocumentError(self._name, message, _place(event))


def _place(event: yaml.Event | yaml.MarkedYAMLError) -> Place:
    mark = event.problem_mark if isinstance(event, yaml.MarkedYAMLError) else event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _plain(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _value(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found: Json = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:80]!r} is there twice")
        found[key] = value
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number that JSON can hold")
