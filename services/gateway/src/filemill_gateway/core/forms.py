"""Forms for what a JSON Schema describes: simple fields as fields, all else as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "file", "number", "integer", "boolean", "choice", "json"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form.

    Attributes:
        name: Of the property.
        kind: What is put in; ``file`` is the path of an upload, ``json`` any value, as JSON.
        value: What stands there at first, as text.
        choices: Of a ``choice``, what there is, as JSON.
        hint: What the schema says of it.
    """

    name: str
    kind: Kind
    is_required: bool = False
    value: str = ""
    choices: tuple[str, ...] = ()
    hint: str = ""
    minimum: float | None = None
    maximum: float | None = None


def fields_of(schema: object, given: Mapping[str, Any] | None = None) -> tuple[Field, ...] | None:
    """Say which fields a form has for an object that fits a schema, those first that must be there.

    What a schema says beyond types is not in the form: the door checks it when the form is sent.

    Args:
        schema: JSON Schema (2020-12), as somebody wrote it.
        given: What stands there at first, by name.

    Returns:
        None if the schema does not name its properties; then the whole is written as JSON.
    """
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, dict) or not properties:
        return None
    required = schema.get("required")
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    given = given or {}
    fields = [
        _field(str(name), each if isinstance(each, dict) else {}, name in needed, given.get(name))
        for name, each in properties.items()
    ]
    return tuple(sorted(fields, key=lambda field: not field.is_required))


def _field(name: str, schema: Mapping[str, Any], is_required: bool, given: object) -> Field:
    kind = _kind(name, schema)
    value = schema.get("default") if given is None else given
    enum = schema.get("enum")
    return Field(
        name=name,
        kind=kind,
        is_required=is_required,
        value=_text(value, kind),
        choices=tuple(map(_json, enum)) if kind == "choice" and isinstance(enum, list) else (),
        hint=str(schema.get("description") or ""),
        minimum=_number(schema.get("minimum")),
        maximum=_number(schema.get("maximum")),
    )


def _kind(name: str, schema: Mapping[str, Any]) -> Kind:
    if isinstance(schema.get("enum"), list):
        return "choice"
    match schema.get("type"):
        case "string":
            return "file" if name == "file" or name.endswith("_file") else "text"
        case "number":
            return "number"
        case "integer":
            return "integer"
        case "boolean":
            return "boolean"
        case _:
            return "json"


def _text(value: object, kind: Kind) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) and kind in {"text", "file"} else _json(value)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
