"""Events travel as CloudEvents, and what is none says why."""

import json
from datetime import UTC, datetime

import pytest

from filemill_common.events import AttemptFailed, Event, TaskCommand, TaskCreated, TaskSpec
from filemill_common.messaging.codec import BATCH_CONTENT_TYPE, DecodeError, decode, encode, encode_batch

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
        body, content_type = encode_batch((event,), source="/filemill/test")

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
        body, content_type = encode_batch((FAILED, COMMAND), source="/x")

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

    def test_has_the_same_id_when_the_same_fact_is_told_again(self) -> None:
        again = FAILED.model_copy(update={"message": "other words", "deferrals": 0})

        assert again.id == FAILED.id
        assert FAILED.model_copy(update={"attempt": 3}).id != FAILED.id
        assert FAILED.model_copy(update={"execution": "other"}).id != FAILED.id


class TestWhatIsNoEvent:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"", "no JSON"),
            (b"\xff\xfe", "no JSON"),
            (b"[" * 100_000, "no JSON"),
            (b"[]", "at least one event"),
            (b"7", "JSON object"),
            (b'{"type":"io.filemill.nothing.v1"}', "is not known"),
            (b'{"type":"io.filemill.task.created.v1"}', "no data"),
            (b'{"type":"io.filemill.task.created.v1","data":{"task_id":"t"}}', "/data/task"),
            (
                b'{"type":"io.filemill.task.command.v1","data":{"task_id":"t","command":"cancel"}}',
                "command_id",
            ),
        ],
    )
    def test_is_refused_with_a_reason(self, body: bytes, said: str) -> None:
        with pytest.raises(DecodeError, match=said):
            decode(body, "application/cloudevents+json", {})

    def test_is_named_as_far_as_it_can_be_read(self) -> None:
        with pytest.raises(DecodeError) as caught:
            decode(b'{"id":"7","type":"io.filemill.task.created.v1","data":{}}', None, {})

        assert (caught.value.event_id, caught.value.event_type) == ("7", "io.filemill.task.created.v1")
        assert {problem["pointer"] for problem in caught.value.problems} == {"/data/task_id", "/data/task"}
