"""Events travel as CloudEvents, and what is none says why."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from filemill_common.events import AttemptFailed, Event, EventRejected, TaskCommand, TaskCreated, TaskSpec
from filemill_common.messaging.codec import BATCH_CONTENT_TYPE, DecodeError, decode, encode, join

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FAILED = AttemptFailed(
    task_id="t",
    attempt=2,
    execution="e",
    worker="w",
    code="boom",
    message="日本 it broke",
    retryable=True,
    started_at=NOON,
    completed_at=NOON,
    time=NOON,
    partition_key="run",
    deferrals=3,
    traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
)
COMMAND = TaskCommand(
    command_id="c1", task_id="t", command="cancel", sequence=7, partition_key="t", time=NOON
)
CREATED = TaskCreated(
    task_id="t", task=TaskSpec(type="echo", options={"$x.y": [1]}), partition_key="t", time=NOON
)


class TestAnEvent:
    @pytest.mark.parametrize("event", [FAILED, COMMAND, CREATED])
    def test_comes_back_as_it_was(self, event: Event) -> None:
        body, content_type = join([encode(event, source="/filemill/test")])

        assert decode(body, content_type, {}) == (event,)

    def test_is_a_cloud_event(self) -> None:
        document = json.loads(encode(FAILED, source="/filemill/worker"))

        assert {name: value for name, value in document.items() if name != "data"} == {
            "specversion": "1.0",
            "id": FAILED.id,
            "type": "io.filemill.attempt.failed.v1",
            "source": "/filemill/worker",
            "subject": "t",
            "time": "2026-01-01T12:00:00.000Z",
            "partitionkey": "run",
            "datacontenttype": "application/json",
            "traceparent": FAILED.traceparent,
            "deferrals": 3,
        }
        assert document["data"]["started_at"] == "2026-01-01T12:00:00.000Z"

    def test_may_share_a_message_with_others(self) -> None:
        body, content_type = join([encode(FAILED, source="/x"), encode(COMMAND, source="/x")])

        assert content_type == BATCH_CONTENT_TYPE
        assert decode(body, content_type, {}) == (FAILED, COMMAND)

    @pytest.mark.parametrize("prefix", ["ce-", "cloudEvents:", "cloudEvents_"])
    def test_may_come_in_binary_mode(self, prefix: str) -> None:
        headers = {
            f"{prefix}{name}": value
            for name, value in {
                "specversion": "1.0",
                "type": COMMAND.type,
                "id": "c1",
                "source": "/theirs",
                "subject": "t",
                "time": "2026-01-01T12:00:00Z",
            }.items()
        }
        body = json.dumps({"task_id": "t", "command": "cancel", "sequence": 7}).encode()

        assert decode(body, "application/json", headers) == (COMMAND,)

    def test_without_a_subject_or_partition_names_none(self) -> None:
        nameless = EventRejected(code="undecodable", message="it is no JSON", time=NOON)

        assert not {"subject", "partitionkey"} & json.loads(encode(nameless, source="/x")).keys()

    def test_may_say_more_than_we_know(self) -> None:
        document = json.loads(encode(COMMAND, source="/x"))
        document |= {"newer": 1, "data": {**document["data"], "newer": 2}}

        assert decode(json.dumps(document).encode(), None, {}) == (COMMAND,)


def envelope(**changed: Any) -> bytes:
    """A valid command, with attributes changed, or left out if None."""
    document = {
        "specversion": "1.0",
        "id": "7",
        "source": "/theirs",
        "type": "io.filemill.task.command.v1",
        "data": {"task_id": "t", "command": "cancel"},
        **changed,
    }
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def refused(body: bytes, content_type: str | None = None) -> DecodeError:
    [error] = decode(body, content_type, {})
    assert isinstance(error, DecodeError)
    return error


class TestWhatIsNoEvent:
    @pytest.mark.parametrize(
        ("body", "code", "said"),
        [
            (b"", "undecodable", "the body is no JSON"),
            (b"\xff\xfe", "undecodable", "the body is no JSON"),
            (b"[" * 100_000, "undecodable", "the body is no JSON: recursion limit exceeded"),
            (b'{"a": NaN}', "undecodable", "the body is no JSON"),
            (b'{"a": "\\ud800"}', "undecodable", "the body is no JSON"),
            (b" " * ((16 << 20) + 1), "undecodable", "the message has 16777217 bytes; 16777216 are allowed"),
            (b"[]", "undecodable", "a batch is a list of at least one event"),
            (b"7", "undecodable", "an event is a JSON object"),
            (envelope(type="io.filemill.nothing.v1"), "unknown_event_type", "is not known"),
            (envelope(type=None), "unknown_event_type", "the type 'None' is not known"),
            (envelope(data=None), "invalid_event", "/data: the data is a JSON object"),
            (envelope(data={"task_id": "t"}), "invalid_event", "/data/command: Field required"),
            (envelope(id=None), "invalid_event", "/id: a string that is not empty is required"),
            (envelope(source=""), "invalid_event", "/source: a string that is not empty is required"),
            (envelope(specversion="0.3"), "invalid_event", "/specversion: it is 1.0"),
            (envelope(time="yesterday"), "invalid_event", "/time: Input should be a valid datetime"),
            (envelope(partitionkey=[1]), "invalid_event", "/partitionkey: Input should be a valid string"),
        ],
        ids=range(17),
    )
    def test_is_refused_with_a_code_and_a_reason(self, body: bytes, code: str, said: str) -> None:
        error = refused(body)

        assert error.code == code
        assert said in str(error)

    def test_is_named_as_far_as_it_can_be_read(self) -> None:
        error = refused(envelope(data={}))

        assert (error.event_id, error.event_type) == ("7", "io.filemill.task.command.v1")
        assert error.problems == (
            {"pointer": "/data/task_id", "message": "Field required"},
            {"pointer": "/data/command", "message": "Field required"},
        )

    def test_in_a_batch_does_not_concern_the_others(self) -> None:
        bad = envelope(data={})
        read = decode(b"[%b,%b]" % (bad, envelope()), BATCH_CONTENT_TYPE, {})

        error, event = read
        assert isinstance(error, DecodeError)
        assert json.loads(error.part or b"") == json.loads(bad)
        assert isinstance(event, TaskCommand)
