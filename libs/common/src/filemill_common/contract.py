"""JSON Schemas of events and workflow files, a page and an AsyncAPI document, made from the classes.

``python -m filemill_common.contract`` writes them; a test refuses a schema that an old reader cannot read.
"""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from filemill_common.events import ENVELOPE, EVENTS, Event
from filemill_common.language import workflow_schema
from filemill_common.messaging.topology import EVENTS as EVENTS_EXCHANGE
from filemill_common.messaging.topology import INTAKE, SCHEDULER, WORK
from filemill_common.task_types import option_models

SCHEMAS: Final = Path(__file__).parent / "events" / "schemas"
DOCS: Final = Path(__file__).parents[4] / "docs"

Json = dict[str, Any]

_KEYS: Final = {
    "task.created": "task.created.<task type>",
    "workflow.created": "workflow.created",
    "task.command": "task.command",
    "workflow.command": "workflow.command",
}


def schema_of(kind: type[Event]) -> Json:
    """Give the JSON Schema of an event's ``data``."""
    whole = kind.model_json_schema(mode="validation")
    whole["properties"] = {
        name: field for name, field in whole.get("properties", {}).items() if name not in ENVELOPE
    }
    whole["required"] = [name for name in whole.get("required", []) if name not in ENVELOPE]
    whole["$id"] = f"urn:filemill:event:{kind.type}"
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found: Json = _without_prose(whole)
    return found


def _without_prose(schema: Any) -> Any:
    """Leave out titles and descriptions, which are no part of the contract."""
    match schema:
        case dict():
            return {
                name: _without_prose(value)
                for name, value in schema.items()
                if not (name in {"title", "description"} and isinstance(value, str))
            }
        case list():
            return [_without_prose(value) for value in schema]
        case _:
            return schema


def breaking_changes(old: Json, new: Json) -> tuple[str, ...]:
    """Say what an old reader could not read any more, or what an old sender could not send.

    Adding a field with a default, or a value that is only read, is no breaking change; a field that is
    gone, newly required, of another type, or more narrowly bounded is one.

    Args:
        old: The committed schema.
        new: The schema as the classes give it now.
    """
    return tuple(_Comparison(old.get("$defs", {}), new.get("$defs", {})).of(old, new, at=""))


_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class _Comparison:
    """Compares two schemas, following their references."""

    def __init__(self, old_defs: Json, new_defs: Json) -> None:
        self._old = old_defs
        self._new = new_defs

    def of(self, old: Any, new: Any, *, at: str) -> Iterator[str]:
        """Compare what stands at one place."""
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if old == new or at.count("/") > 12:  # a schema may contain itself
            return
        yield from _bounds(old, new, at)
        for name, field in old.get("properties", {}).items():
            if name not in new.get("properties", {}):
                yield f"{at}/{name} is gone"
            else:
                yield from self.of(field, new["properties"][name], at=f"{at}/{name}")
        for name in set(new.get("required", ())) - set(old.get("required", ())):
            yield f"{at}/{name} is required now"
        if "items" in old and "items" in new:
            yield from self.of(old["items"], new["items"], at=f"{at}/*")


def _resolved(schema: Any, defs: Json) -> Json:
    """Follow a reference, and take the one alternative that is not null."""
    while "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    others = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(others) == 1:
        return {**_resolved(others[0], defs), "nullable": len(others) < len(schema["anyOf"])}
    found: Json = schema
    return found


def _bounds(old: Json, new: Json, at: str) -> Iterator[str]:
    if old.get("type") != new.get("type"):
        yield f"{at} is of type {new.get('type')} and was {old.get('type')}"
    if old.get("nullable") and not new.get("nullable"):
        yield f"{at} may not be null any more"
    for name in ("const", "format", "pattern"):
        if new.get(name) is not None and old.get(name) != new.get(name):
            yield f"{at} has another {name}"
    if "enum" in new and not set(old.get("enum", ["any"])) <= set(new["enum"]):
        yield f"{at} allows fewer values"
    for name in _LOWER:
        if name in new and new[name] > old.get(name, float("-inf")):
            yield f"{at} has a higher {name}"
    for name in _UPPER:
        if name in new and new[name] < old.get(name, float("inf")):
            yield f"{at} has a lower {name}"


def where(kind: type[Event]) -> tuple[str, str]:
    """Tell the exchange and routing key by which others meet an event."""
    name = kind.type.removeprefix("io.filemill.").rpartition(".")[0]
    entity = name.partition(".")[0]
    if name in _KEYS:
        return INTAKE, _KEYS[name]
    if name == "task.ready":
        return WORK, "<pool>.<task type>"
    if name == "attempt.revoked":
        return WORK, "control.<worker> or control.all"
    if entity in {"attempt", "check"}:
        return SCHEDULER, "<partition>"
    return EVENTS_EXCHANGE, f"{name}.<task type>" if entity == "task" else name


def page() -> str:
    """Write the page about all events."""
    lines = [
        "# Events",
        "",
        "Made by `make schemas` from the classes in `filemill_common.events`; do not edit.",
        "",
        "Each is a [CloudEvent](https://cloudevents.io) 1.0 as structured JSON. The JSON Schemas of",
        "their `data` are in `libs/common/src/filemill_common/events/schemas/`. Other systems publish to",
        "`filemill.intake` and bind queues of their own to `filemill.events`; what is refused comes back",
        "as `EventRejected`.",
        "",
        "| event | type | exchange | routing key | must arrive |",
        "|---|---|---|---|---|",
    ]
    for kind in EVENTS.values():
        exchange, key = where(kind)
        arrives = "no" if kind.transient else "yes"
        lines.append(f"| `{kind.__name__}` | `{kind.type}` | `{exchange}` | `{key}` | {arrives} |")
    for kind in EVENTS.values():
        lines += [
            "",
            f"## {kind.__name__}",
            "",
            inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttr")[0],
            "",
        ]
        required = set(schema_of(kind)["required"])
        for name, field in kind.model_fields.items():
            if name not in ENVELOPE:
                lines.append(
                    f"- `{name}`{'' if name in required else ' (optional)'}: {_named(field.annotation)}"
                )
    return "\n".join(lines) + "\n"


def _named(annotation: Any) -> str:
    return f"`{getattr(annotation, '__name__', None) or str(annotation).replace('typing.', '')}`".replace(
        "filemill_common.events.values.", ""
    )


def asyncapi() -> Json:
    """Write the AsyncAPI 3.0 document of what other systems send and receive."""
    channels: Json = {}
    operations: Json = {}
    messages: Json = {}
    for kind in EVENTS.values():
        exchange, key = where(kind)
        if exchange not in {INTAKE, EVENTS_EXCHANGE}:
            continue
        name = kind.__name__
        messages[name] = {
            "name": name,
            "contentType": "application/cloudevents+json",
            "payload": {
                "type": "object",
                "required": ["specversion", "id", "type", "source", "data"],
                "properties": {
                    "specversion": {"const": "1.0"},
                    "id": {"type": "string"},
                    "type": {"const": kind.type},
                    "source": {"type": "string"},
                    "subject": {"type": "string"},
                    "time": {"type": "string", "format": "date-time"},
                    "partitionkey": {"type": "string"},
                    "data": {"$ref": f"../libs/common/src/filemill_common/events/schemas/{kind.type}.json"},
                },
            },
        }
        channels[name] = {
            "address": key,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "bindings": {
                "amqp": {
                    "is": "routingKey",
                    "exchange": {"name": exchange, "type": "topic", "durable": True},
                    "bindingVersion": "0.3.0",
                }
            },
        }
        operations[f"{'receive' if exchange == INTAKE else 'send'}{name}"] = {
            "action": "receive" if exchange == INTAKE else "send",
            "channel": {"$ref": f"#/channels/{name}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Filemill",
            "version": "1",
            "description": "What other systems may send to Filemill, and what it tells.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def generated() -> dict[Path, str]:
    """Give all that is made from the classes, by path."""
    schemas = {
        SCHEMAS / f"{kind.type}.json": json.dumps(schema_of(kind), indent=2, sort_keys=True) + "\n"
        for kind in EVENTS.values()
    }
    document = yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=110)
    workflow = json.dumps(workflow_schema(option_models()), indent=2, ensure_ascii=False) + "\n"
    return {
        **schemas,
        DOCS / "events.md": page(),
        DOCS / "asyncapi.yaml": document,
        DOCS / "workflow.schema.json": workflow,
    }


def main() -> None:
    """Write all of it."""
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
