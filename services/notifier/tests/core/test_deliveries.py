"""Who is told of what, in which words, and when it is tried again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from filemill_common.events import (
    Failure,
    Notify,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskView,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowView,
)
from filemill_notifier.core.deliveries import (
    SCHEDULE,
    Delivery,
    Outcome,
    Status,
    after_try,
    again,
    deliveries_for,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def task(**fields: Any) -> TaskView:
    given = {
        "id": "t1",
        "type": "video_convert",
        "status": "completed",
        "progress": 100,
        "input_file": "in/a.mp4",
        "output_file": "out/a.webm",
        "duration": 2.5,
        "created_at": NOON,
        "updated_at": NOON,
        "completed_at": NOON,
        **fields,
    }
    return TaskView.model_validate(given)


def run(*notify: Notify, **fields: Any) -> WorkflowView:
    given = {
        "id": "w1",
        "name": "video",
        "status": "completed",
        "notify": notify,
        "outputs": {"a": {"file": "out/a.webm"}},
        "duration": 3,
        "created_at": NOON,
        "updated_at": NOON,
        **fields,
    }
    return WorkflowView.model_validate(given)


class TestWhoIsTold:
    def test_of_a_task_are_those_that_its_fields_name(self) -> None:
        asked = task(
            notify_email="a@example.com",
            notify_webhook="https://example.com/hook",
            callback_url="https://example.com/call",
        )

        found = deliveries_for(TaskCompleted(task=asked, time=NOON), now=NOON)

        assert [(each.channel, each.target) for each in found] == [
            ("email", "a@example.com"),
            ("webhook", "https://example.com/hook"),
            ("callback", "https://example.com/call"),
        ]

    def test_of_a_cancelled_task_is_nobody(self) -> None:
        asked = task(notify_email="a@example.com", status="cancelled")

        assert deliveries_for(TaskCancelled(task=asked), now=NOON) == ()

    def test_of_a_workflow_are_those_that_asked_for_just_this(self) -> None:
        failed = Notify(events=("workflow.failed",), email="failed@example.com")
        cancelled = Notify(events=("workflow.cancelled",), webhook="https://example.com/hook")

        told = [
            [each.target for each in deliveries_for(event, now=NOON)]
            for event in (
                WorkflowCompleted(workflow=run(failed, cancelled)),
                WorkflowFailed(workflow=run(failed, cancelled, status="failed")),
                WorkflowCancelled(workflow=run(failed, cancelled, status="cancelled")),
            )
        ]

        assert told == [[], ["failed@example.com"], ["https://example.com/hook"]]

    def test_of_the_same_fact_told_twice_is_told_once(self) -> None:
        event = TaskCompleted(task=task(notify_email="a@example.com"), sequence=3)

        first, again = (deliveries_for(event, now=now)[0].id for now in (NOON, NOON + timedelta(hours=1)))

        assert first == again
        assert deliveries_for(event.model_copy(update={"sequence": 9}), now=NOON)[0].id != first


class TestWords:
    def test_of_a_webhook_are_the_originals_keys(self) -> None:
        event = TaskFailed(
            task=task(
                status="failed",
                error=Failure(code="x", message="it broke"),
                notify_webhook="https://example.com",
                progress=40,
            ),
            time=NOON,
        )

        assert deliveries_for(event, now=NOON)[0].payload == {
            "type": "task.failed",
            "timestamp": "2026-01-01T12:00:00.000Z",
            "data": {
                "task_id": "t1",
                "type": "video_convert",
                "status": "failed",
                "progress": 40,
                "input_file": "in/a.mp4",
                "output_file": "out/a.webm",
                "error": "it broke",
                "duration": 2.5,
                "created_at": "2026-01-01T12:00:00.000Z",
                "completed_at": "2026-01-01T12:00:00.000Z",
            },
        }

    def test_of_a_callback_are_flat(self) -> None:
        event = TaskCompleted(task=task(callback_url="https://example.com"), time=NOON)

        assert deliveries_for(event, now=NOON)[0].payload == {
            "task_id": "t1",
            "status": "completed",
            "output_file": "out/a.webm",
            "error": None,
        }

    def test_of_a_workflows_webhook_name_its_outputs(self) -> None:
        asked = Notify(events=("workflow.completed",), webhook="https://example.com")

        [delivery] = deliveries_for(WorkflowCompleted(workflow=run(asked), time=NOON), now=NOON)

        assert delivery.payload["data"] == {
            "workflow_id": "w1",
            "name": "video",
            "status": "completed",
            "error": None,
            "duration": 3,
            "outputs": {"a": {"file": "out/a.webm"}},
        }

    def test_of_an_email_are_the_originals(self) -> None:
        done = TaskCompleted(task=task(notify_email="a@example.com"), time=NOON)
        broken = TaskFailed(
            task=task(
                notify_email="a@example.com",
                status="failed",
                error=Failure(code="x", message="it broke"),
                retry_count=3,
                max_retries=2,
            )
        )

        assert [deliveries_for(event, now=NOON)[0].payload for event in (done, broken)] == [
            {
                "subject": "任务完成通知 - video_convert",
                "heading": "您的任务已完成",
                "lines": [
                    ["任务ID", "t1"],
                    ["任务类型", "video_convert"],
                    ["状态", "completed"],
                    ["耗时", "2.5 秒"],
                    ["输出文件", "out/a.webm"],
                ],
            },
            {
                "subject": "任务失败通知 - video_convert",
                "heading": "您的任务执行失败",
                "lines": [
                    ["任务ID", "t1"],
                    ["任务类型", "video_convert"],
                    ["错误信息", "it broke"],
                    ["重试次数", "2/2"],
                ],
            },
        ]

    def test_of_an_email_are_english_where_asked_for(self) -> None:
        asked = Notify(events=("workflow.completed",), email="a@example.com", locale="en")

        [delivery] = deliveries_for(WorkflowCompleted(workflow=run(asked)), now=NOON)

        assert delivery.payload["subject"] == "Task completed - video"


@pytest.fixture
def delivery() -> Delivery:
    event = TaskCompleted(task=task(notify_webhook="https://example.com"), time=NOON)
    return deliveries_for(event, now=NOON)[0]


class TestAHost:
    @pytest.mark.parametrize(
        "target", ["https://example.com/x", "https://Example.COM", "https://me:word@example.com"]
    )
    def test_is_one_however_its_address_is_written_and_holds_no_password(
        self, delivery: Delivery, target: str
    ) -> None:
        assert replace(delivery, target=target).host == "example.com"

    def test_of_all_emails_is_one(self, delivery: Delivery) -> None:
        email = replace(delivery, channel="email", target="me@example.com")

        assert email.host == "email"


class TestATry:
    def test_that_arrived_ends_the_delivery(self, delivery: Delivery) -> None:
        done = after_try(delivery, Outcome(ok=True, code="200", response="thanks"), began=NOON, now=NOON)

        assert (done.status, done.due_at, [each.code for each in done.tries]) == (
            Status.DELIVERED,
            None,
            ["200"],
        )

    def test_that_failed_is_repeated_with_growing_pauses_and_then_given_up(self, delivery: Delivery) -> None:
        pauses = []
        for _ in range(20):
            delivery = after_try(delivery, Outcome(ok=False, code="500"), began=NOON, now=NOON)
            if delivery.due_at is None:
                break
            pauses.append(delivery.due_at - NOON)

        assert delivery.status is Status.FAILED
        assert [pause // due for pause, due in zip(pauses, SCHEDULE, strict=True)] == [1] * 9
        assert all(pause <= due * 1.1 for pause, due in zip(pauses, SCHEDULE, strict=True))

    def test_that_no_other_would_help_is_the_last(self, delivery: Delivery) -> None:
        gone = after_try(delivery, Outcome(ok=False, code="410", final=True), began=NOON, now=NOON)

        assert (gone.status, gone.due_at) == (Status.FAILED, None)

    @pytest.mark.parametrize(("wish", "pause"), [(3600, 3600), (10**9, 24 * 3600)])
    def test_waits_as_long_as_it_is_asked_to_within_a_day(
        self, delivery: Delivery, wish: int, pause: int
    ) -> None:
        asked = Outcome(ok=False, code="503", retry_after=timedelta(seconds=wish))

        waiting = after_try(delivery, asked, began=NOON, now=NOON)

        assert waiting.due_at == NOON + timedelta(seconds=pause)

    def test_is_logged_with_a_bounded_answer(self, delivery: Delivery) -> None:
        for _ in range(30):
            delivery = replace(delivery, tried=0)
            delivery = after_try(
                delivery, Outcome(ok=False, code="500", response="x" * 5000), began=NOON, now=NOON
            )

        assert len(delivery.tries) == 20
        assert {len(each.response) for each in delivery.tries} == {1024}

    def test_may_be_asked_for_again_with_the_same_id(self, delivery: Delivery) -> None:
        gone = after_try(delivery, Outcome(ok=False, code="410", final=True), began=NOON, now=NOON)

        retried = again(gone, now=NOON)

        assert (retried.id, retried.status, retried.due_at) == (delivery.id, Status.PENDING, NOON)
