"""Each line names what it is about, in words that are the same everywhere."""

from datetime import UTC, datetime

from filemill_common.clock import EPOCH
from filemill_common.events import Check, Saw, TaskFailed, TaskReady, TaskStatus, TaskView
from filemill_common.logs import names

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class TestNames:
    def test_of_work_say_which_attempt_of_which_run(self) -> None:
        event = TaskReady(task_id="t", workflow_id="w", attempt=2, task_type="echo", options={})

        assert names(event) == {"event_id": event.id, "workflow_id": "w", "task_id": "t", "attempt": 2}

    def test_of_an_outcome_are_those_of_its_task(self) -> None:
        task = TaskView(
            id="t", type="echo", status=TaskStatus.FAILED, attempt=1, created_at=NOW, updated_at=NOW
        )
        event = TaskFailed(task=task)

        assert names(event) == {"event_id": event.id, "task_id": "t", "attempt": 1}

    def test_leave_out_what_an_event_does_not_have(self) -> None:
        event = Check(task_id="t", attempt=1, saw=Saw.UNTAKEN, at=EPOCH)

        assert names(event) == {"event_id": event.id, "task_id": "t", "attempt": 1}
