"""What one upload leaves behind: a trace through every service, and lines that name it and hold no secret."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from filemill_common.telemetry import exporter
from filemill_local.plan import SERVICES
from filemill_local.stack import Stack
from filemill_local.user import User
from tests.integration.collector import Collector, Span
from tests.integration.recipient import Recipient

EXAMPLE = Path(__file__).parents[2] / "examples/video-processing.yaml"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
CANARY = "canary1d9f"
"""Stands in whatever is secret."""
SIGNING = base64.b64encode(f"{CANARY} signs webhooks".encode()).decode()

EXPECTED = {
    ("gateway", "POST /v1/workflows"),
    ("gateway", "send filemill.scheduler"),
    ("scheduler", "process scheduler.0"),
    ("scheduler", "decide"),
    ("scheduler", "commit"),
    ("scheduler", "send filemill.events,filemill.work"),
    ("worker", "process worker.video"),
    ("worker", "run video_convert"),
    ("worker", "run video_thumbnail"),
    ("worker", "run video_preview"),
    ("worker", "ffprobe"),
    ("worker", "ffmpeg"),
    ("worker", "send filemill.scheduler"),
    ("notifier", "process notifier.events"),
    ("notifier", "deliver webhook"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was left when all services had stopped."""

    run: str
    spans: list[Span]
    logs: dict[str, str]

    def lines(self, service: str) -> list[dict[str, Any]]:
        """Read the log of a service."""
        return [json.loads(line) for line in self.logs[service].splitlines()]


@pytest.fixture(scope="module")
def seen(clip: Path) -> Iterator[Seen]:
    """One run of the example with all that is secret, through a killed broker, seen from outside."""
    with (
        Collector() as collector,
        Recipient() as recipient,
        Stack.temporary(
            FILEMILL_OTLP_ENDPOINT=collector.http,
            FILEMILL_LOG_LEVEL="debug",
            FILEMILL_WEBHOOK_SECRET=f"whsec_{SIGNING}",
            FILEMILL_SMTP_PASSWORD=CANARY,
            FILEMILL_SMTP_USERNAME="somebody",
        ) as stack,
        User(stack) as user,
    ):
        run = run_the_example(user, clip, recipient)
        fail_in_every_way(user)
        stack.kill("rabbitmq")
        user.ended_task(user.eventually(lambda: accepted(user), within=60))
        for name in SERVICES:
            stack.stop(name)  # a service that stops sends what it still has
        yield Seen(run, collector.of(TRACE), {name: stack.log(name) for name in SERVICES})


def run_the_example(user: User, clip: Path, recipient: Recipient) -> str:
    secret = recipient.url.replace("//", f"//user:{CANARY}@")
    definition = yaml.safe_load(EXAMPLE.read_text())
    definition["notify"] = [
        {"events": ["workflow.completed"], "webhook": {"url": f"{secret}/{CANARY}?token={CANARY}"}}
    ]
    user.upload("videos/clip.mp4", clip.read_bytes())
    answer = user.http.post(
        "/v1/workflows",
        params={"token": CANARY},
        json={"definition": definition, "input": {"input_file": "videos/clip.mp4"}},
        headers={
            "traceparent": f"00-{TRACE}-{CALLER}-01",
            "idempotency-key": CANARY,
            "authorization": CANARY,
        },
    )
    assert answer.status_code == 202, answer.text
    run = str(answer.json()["id"])
    assert user.ended_workflow(run)["status"] == "completed"
    user.eventually(lambda: len(recipient.got) == 2, within=30)  # the first is answered by 500
    return run


def fail_in_every_way(user: User) -> None:
    """Bring secrets to where errors are told: a refused body, a target that is not there, an odd path."""
    assert user.http.post("/v1/tasks", json={"type": "echo", "callback_url": CANARY}).status_code == 422
    assert user.http.get("/v1/tasks/nobody%0A%1b[31m", params={"token": CANARY}).status_code == 404
    task = user.task(
        "fail", max_retries=0, notify_webhook=f"http://user:{CANARY}@127.0.0.1:9/{CANARY}?token={CANARY}"
    )
    assert user.ended_task(task)["status"] == "failed"


def accepted(user: User) -> str | None:
    """Submit a task; give its id, or None while the broker is away."""
    answer = user.http.post("/v1/tasks", json={"type": "echo"})
    return str(answer.json()["id"]) if answer.status_code == 202 else None


class TestATrace:
    def test_of_the_video_example_goes_from_the_request_to_the_webhook(self, seen: Seen) -> None:
        assert EXPECTED - {(span.service, span.name) for span in seen.spans} == set()

    def test_hangs_together(self, seen: Seen) -> None:
        known = {CALLER, *(span.id for span in seen.spans)}

        assert [span for span in seen.spans if span.trace == TRACE and span.parent not in known] == []

    def test_shows_no_secret(self, seen: Seen) -> None:
        assert [span for span in seen.spans if CANARY in repr(span)] == []

    def test_arrives_by_grpc_too(self) -> None:
        with Collector() as collector:
            provider = TracerProvider()
            provider.add_span_processor(BatchSpanProcessor(exporter(collector.grpc, "grpc")))
            provider.get_tracer("test").start_span("one").end()
            provider.shutdown()

        assert [span.name for span in collector.got] == ["one"]

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_is_given_up_soon_at_the_end_if_nobody_takes_it(self, protocol: str) -> None:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(exporter("http://127.0.0.1:9", protocol)))
        provider.get_tracer("test").start_span("one").end()

        began = time.monotonic()
        provider.shutdown()

        assert time.monotonic() - began < 8


class TestLogs:
    def test_have_one_event_a_line(self, seen: Seen) -> None:
        for service in SERVICES:
            assert {"event", "level", "timestamp", "logger"} <= set.intersection(
                *map(set, seen.lines(service))
            )

    def test_name_what_they_are_about(self, seen: Seen) -> None:
        [ended] = [line for line in seen.lines("scheduler") if line["event"] == "workflow completed"]
        assert (ended["workflow_id"], ended["trace_id"], ended["level"]) == (seen.run, TRACE, "info")
        ran = [line for line in seen.lines("worker") if line.get("workflow_id") == seen.run]
        assert [line["event"] for line in ran] == ["attempt ended"] * 3
        assert all({"task_id", "attempt", "event_id", "trace_id"} <= set(line) for line in ran)
        tried = [line for line in seen.lines("notifier") if line.get("workflow_id") == seen.run]
        assert [(line["event"], line["code"]) for line in tried] == [("tried", "500"), ("tried", "200")]
        [posted] = [line for line in seen.lines("gateway") if line.get("path") == "/v1/workflows"]
        assert (posted["method"], posted["status"], posted["trace_id"]) == ("POST", 202, TRACE)

    def test_show_no_secret(self, seen: Seen) -> None:
        said = [line for log in seen.logs.values() for line in log.splitlines()]
        assert [line for line in said if CANARY in line or SIGNING in line] == []

    def test_cannot_be_broken_by_what_somebody_asks_for(self, seen: Seen) -> None:
        assert [line["path"] for line in seen.lines("gateway") if "nobody" in line.get("path", "")] == [
            "/v1/tasks/nobody%0A%1b[31m"
        ]
        assert "\x1b" not in "".join(seen.logs.values())
