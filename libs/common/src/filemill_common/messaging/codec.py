"""Events as CloudEvents 1.0: structured JSON, one or up to fifty in a message; binary mode is read too.

References:
    CloudEvents 1.0.2, JSON event format and AMQP protocol binding. The prefix of headers in binary mode is
    ``cloudEvents:`` or ``cloudEvents_`` in the AMQP 1.0 binding, and ``ce-`` in RabbitMQ's use of 0-9-1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from filemill_common.clock import rfc3339
from filemill_common.errors import FilemillError
from filemill_common.events import ENVELOPE, EVENTS, Command, Event

CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"
BATCH: Final = 50
"""The most events in one message."""

_PREFIXES: Final = ("ce-", "cloudevents:", "cloudevents_")
_LARGEST: Final = 16 << 20
_LONGEST_SENTENCE: Final = 2_000
_NOT_DATA: Final = set(ENVELOPE)
_ATTRIBUTES: Final = {"partition_key": "partitionkey", "command_id": "id"}
"""Our names of envelope fields, where CloudEvents' differ."""


class DecodeError(FilemillError):
    """A message, or one event of it, is none that we know.

    Attributes:
        code: ``undecodable``, ``unknown_event_type`` or ``invalid_event``.
        event_id: Its id, as far as it could be read.
        event_type: Its type, as far as it could be read.
        problems: Place and sentence of each fault.
        part: The event, where others of its message are in order; None if it is the whole message.
    """

    code = "undecodable"

    def __init__(
        self,
        message: str,
        *,
        code: str = "undecodable",
        document: Any = None,
        problems: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Say what is wrong with what was read so far."""
        super().__init__(message[:_LONGEST_SENTENCE])
        named = document if isinstance(document, dict) else {}
        self.code = code
        self.event_id = str(named.get("id", ""))[:500]
        self.event_type = str(named.get("type", ""))[:500]
        self.problems = tuple(problems)
        self.part: bytes | None = None


def encode(event: Event, *, source: str) -> bytes:
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
        "time": rfc3339(event.time),
        "datacontenttype": "application/json",
    }
    if event.subject:
        envelope["subject"] = event.subject
    if event.partition_key:
        envelope["partitionkey"] = event.partition_key
    if event.traceparent:
        envelope["traceparent"] = event.traceparent
    if event.deferrals:
        envelope["deferrals"] = event.deferrals
    data = event.__pydantic_serializer__.to_json(event, exclude=_NOT_DATA)
    return b'%b,"data":%b}' % (to_json(envelope)[:-1], data)


def join(parts: Sequence[bytes]) -> tuple[bytes, str]:
    """Make the body of a message of encoded events, and name its content type."""
    if len(parts) == 1:
        return parts[0], CONTENT_TYPE
    return b"[%b]" % b",".join(parts), BATCH_CONTENT_TYPE


def decode(
    body: bytes, content_type: str | None, headers: Mapping[str, Any]
) -> tuple[Event | DecodeError, ...]:
    """Read the events of a message; what is wrong with one of a batch does not concern the others."""
    try:
        documents, is_batch = _documents(body, content_type or "", headers)
    except DecodeError as error:
        return (error,)
    read: list[Event | DecodeError] = []
    for document in documents:
        try:
            read.append(_event(document))
        except DecodeError as error:
            error.part = to_json(document) if is_batch else None
            read.append(error)
    return tuple(read)


def _documents(body: bytes, content_type: str, headers: Mapping[str, Any]) -> tuple[list[Any], bool]:
    """Give the events of a message as they were written, and whether it is a batch.

    Raises:
        DecodeError: It is no CloudEvents message.
    """
    if len(body) > _LARGEST:
        raise DecodeError(f"the message has {len(body)} bytes; {_LARGEST} are allowed")
    binary = _binary_attributes(headers)
    try:
        # Unlike the standard library's, this refuses NaN, half surrogates and nesting beyond 200.
        document = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise DecodeError(f"the body is no JSON: {error}", document=binary) from error
    if binary:
        return [{**binary, "data": document}], False
    if content_type.startswith(BATCH_CONTENT_TYPE) or isinstance(document, list):
        if not isinstance(document, list) or not document:
            raise DecodeError("a batch is a list of at least one event")
        return document, True
    return [document], False


def _binary_attributes(headers: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in headers.items():
        for prefix in _PREFIXES:
            if name.lower().startswith(prefix):
                text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                found[name[len(prefix) :].lower()] = text
    return found


def _event(document: Any) -> Event:
    """Read one event.

    Raises:
        DecodeError: It is none that we know.
    """
    if not isinstance(document, dict):
        raise DecodeError("an event is a JSON object")
    kind = EVENTS.get(str(document.get("type")))
    if kind is None:
        named = str(document.get("type"))[:200]
        raise DecodeError(f"the type {named!r} is not known", code="unknown_event_type", document=document)
    problems = _faulty_attributes(document)
    data = document.get("data")
    if isinstance(data, dict):
        try:
            event = kind.model_validate(_fields(kind, document, data))
        except ValidationError as error:
            problems += _faulty_fields(error)
        else:
            if not problems:
                return event
    else:
        problems.append({"pointer": "/data", "message": "the data is a JSON object"})
    said = "; ".join(f"{problem['pointer']}: {problem['message']}" for problem in problems[:5])
    raise DecodeError(
        f"{kind.__name__} is not valid: {said}", code="invalid_event", document=document, problems=problems
    )


def _fields(kind: type[Event], document: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Put together what the event's class wants; what belongs in the envelope counts only there."""
    fields = {name: value for name, value in data.items() if name not in ENVELOPE}
    fields["partition_key"] = document.get("partitionkey") or document.get("subject") or ""
    for name in ("time", "traceparent", "deferrals"):
        if document.get(name) is not None:
            fields[name] = document[name]
    if issubclass(kind, Command):
        fields["command_id"] = document.get("id")
    return fields


def _faulty_attributes(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Check what CloudEvents requires of every event."""
    problems = [
        {"pointer": f"/{name}", "message": "a string that is not empty is required"}
        for name in ("id", "source")
        if not (isinstance(document.get(name), str) and document[name])
    ]
    if document.get("specversion") != "1.0":
        problems.append({"pointer": "/specversion", "message": "it is 1.0"})
    return problems


def _faulty_fields(error: ValidationError) -> list[dict[str, Any]]:
    problems: list[dict[str, Any]] = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        place = [str(part) for part in fault["loc"]]
        inside = [] if place[:1] and place[0] in ENVELOPE else ["data"]
        place[:1] = [_ATTRIBUTES.get(part, part) for part in place[:1]]
        problems.append({"pointer": "/" + "/".join([*inside, *place]), "message": fault["msg"]})
    return problems
