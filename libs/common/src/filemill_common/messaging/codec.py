"""Events as CloudEvents 1.0: structured JSON, one or up to fifty in a message; binary mode is read too.

References:
    CloudEvents 1.0.2, JSON event format and AMQP protocol binding. The prefix of headers in binary mode is
    ``cloudEvents:`` or ``cloudEvents_`` in the AMQP 1.0 binding, and ``ce-`` in RabbitMQ's use of 0-9-1.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from filemill_common.clock import rfc3339
from filemill_common.errors import FilemillError
from filemill_common.events import ENVELOPE, EVENTS, Command, Event

CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"
BATCH: Final = 50
"""The most events in one message."""

_PREFIXES: Final = ("ce-", "cloudevents:", "cloudevents_")
_LARGEST: Final = 16 << 20
_DATA_EXCLUDED: Final = set(ENVELOPE)


class DecodeError(FilemillError):
    """A message is not an event that we know.

    Attributes:
        event_id: Its id, as far as it could be read.
        event_type: Its type, as far as it could be read.
        problems: Place and sentence of each fault.
    """

    code = "undecodable"

    def __init__(
        self, message: str, *, event_id: str = "", event_type: str = "", problems: Sequence[Any] = ()
    ):
        """Say what is wrong."""
        super().__init__(message)
        self.event_id = event_id
        self.event_type = event_type
        self.problems = tuple(problems)


def encode(event: Event, *, source: str) -> str:
    """Write an event as structured JSON.

    Args:
        event: What happened.
        source: Who says so, such as ``/filemill/scheduler``.
    """
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type,
        "source": source,
        "subject": event.subject,
        "time": rfc3339(event.time),
        "partitionkey": event.partition_key,
        "datacontenttype": "application/json",
    }
    if event.traceparent:
        envelope["traceparent"] = event.traceparent
    if event.deferrals:
        envelope["deferrals"] = event.deferrals
    head = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return f'{head[:-1]},"data":{event.model_dump_json(exclude=_DATA_EXCLUDED)}}}'


def encode_batch(events: Sequence[Event], *, source: str) -> tuple[bytes, str]:
    """Write the body of a message with one or more events, and name its content type."""
    if len(events) == 1:
        return encode(events[0], source=source).encode(), CONTENT_TYPE
    return f"[{','.join(encode(event, source=source) for event in events)}]".encode(), BATCH_CONTENT_TYPE


def decode(body: bytes, content_type: str | None, headers: Mapping[str, Any]) -> tuple[Event, ...]:
    """Read the events of a message.

    Raises:
        DecodeError: It is no CloudEvent, or of an unknown type, or a field is missing or wrong.
    """
    if len(body) > _LARGEST:
        raise DecodeError(f"the message has {len(body)} bytes; {_LARGEST} are allowed")
    binary = _binary_envelope(headers)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"the body is no JSON: {error}", **_named(binary)) from error
    if binary:
        return (_event({**binary, "data": document}),)
    if (content_type or "").startswith(BATCH_CONTENT_TYPE) or isinstance(document, list):
        if not isinstance(document, list) or not document:
            raise DecodeError("a batch is a list of at least one event")
        return tuple(_event(each) for each in document)
    return (_event(document),)


def _binary_envelope(headers: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in headers.items():
        for prefix in _PREFIXES:
            if name.lower().startswith(prefix):
                text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                found[name[len(prefix) :].lower()] = text
    return found


def _named(document: Mapping[str, Any]) -> dict[str, str]:
    """Take the id and type out of what may be anything."""
    return {
        "event_id": str(document.get("id", ""))[:500],
        "event_type": str(document.get("type", ""))[:500],
    }


def _event(document: Any) -> Event:
    if not isinstance(document, dict):
        raise DecodeError("an event is a JSON object")
    kind = EVENTS.get(str(document.get("type")))
    if kind is None:
        raise DecodeError(f"the type {str(document.get('type'))[:200]!r} is not known", **_named(document))
    data = document.get("data")
    if not isinstance(data, dict):
        raise DecodeError("the event has no data object", **_named(document))
    fields = {name: value for name, value in data.items() if name not in ENVELOPE}
    fields["partition_key"] = document.get("partitionkey") or document.get("subject") or ""
    for ours, theirs in (("time", "time"), ("traceparent", "traceparent"), ("deferrals", "deferrals")):
        if document.get(theirs) is not None:
            fields[ours] = document[theirs]
    if issubclass(kind, Command):
        fields["command_id"] = document.get("id")
    try:
        return kind.model_validate(fields)
    except (ValidationError, RecursionError) as error:
        raise _faulty(kind, document, error) from error


def _faulty(
    kind: type[Event], document: Mapping[str, Any], error: ValidationError | RecursionError
) -> DecodeError:
    if isinstance(error, RecursionError):
        return DecodeError("the event is nested too deep", **_named(document))
    problems = [
        {"pointer": "/data/" + "/".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    said = "; ".join(f"{problem['pointer']}: {problem['message']}" for problem in problems[:5])
    return DecodeError(f"{kind.__name__} is not valid: {said}", problems=problems, **_named(document))
