"""The id of an event says which fact it tells: told twice it is the same, and another fact has another."""

from typing import Any

import pytest

from filemill_common.clock import EPOCH
from filemill_common.events import (
    EVENTS,
    AttemptFailed,
    AttemptProgressed,
    AttemptRevoked,
    Check,
    Command,
    Event,
    EventRejected,
    Saw,
    TaskCommand,
    TaskCreated,
    TaskFailed,
    TaskReady,
    TaskSpec,
    TaskStatus,
    TaskView,
    WorkflowCompleted,
    WorkflowStatus,
    WorkflowView,
)

TASK = TaskView(id="t", type="echo", status=TaskStatus.FAILED, attempt=1, created_at=EPOCH, updated_at=EPOCH)
RUN = WorkflowView(id="w", name="w", status=WorkflowStatus.COMPLETED, created_at=EPOCH, updated_at=EPOCH)
REPORT: dict[str, Any] = {"task_id": "t", "attempt": 1, "execution": "x", "worker": "w"}
FACTS: list[tuple[Event, dict[str, Any]]] = [
    (TaskCreated(task_id="t", task=TaskSpec(type="echo")), {"task_id": "u"}),
    (TaskReady(task_id="t", attempt=1, task_type="echo", options={}), {"attempt": 2}),
    (
        AttemptFailed(**REPORT, code="c", message="m", retryable=True, started_at=EPOCH, completed_at=EPOCH),
        {"execution": "y"},
    ),
    (AttemptProgressed(**REPORT, sequence=1, progress=5), {"sequence": 2}),
    (AttemptRevoked(task_id="t", attempt=1, execution="x"), {"execution": None}),
    (Check(task_id="t", attempt=1, saw=Saw.UNTAKEN, at=EPOCH), {"saw": Saw.OVERDUE}),
    (TaskFailed(task=TASK), {"task": TASK.model_copy(update={"attempt": 2})}),
    (WorkflowCompleted(workflow=RUN, sequence=3), {"sequence": 4}),
    (EventRejected(event_id="e", code="a", message="m"), {"code": "b"}),
]


class TestAnId:
    @pytest.mark.parametrize(("fact", "other"), FACTS, ids=lambda part: type(part).__name__)
    def test_is_the_same_when_the_fact_is_told_again(self, fact: Event, other: dict[str, Any]) -> None:
        told_later = fact.model_copy(update={"time": EPOCH.replace(year=2030), "deferrals": 3})

        assert told_later.id == fact.id

    @pytest.mark.parametrize(("fact", "other"), FACTS, ids=lambda part: type(part).__name__)
    def test_is_another_when_the_fact_is(self, fact: Event, other: dict[str, Any]) -> None:
        assert fact.model_copy(update=other).id != fact.id

    def test_differs_between_types_about_the_same_thing(self) -> None:
        known = [kind for kind in EVENTS.values() if not issubclass(kind, Command)]
        events = [
            kind.model_construct(
                task_id="t", workflow_id="t", event_id="t", attempt=1, execution="x", worker="w", sequence=1,
                task=TASK, workflow=RUN, saw=Saw.UNTAKEN, at=EPOCH, code="c",
            )
            for kind in known
        ]  # fmt: skip

        assert len({event.id for event in events}) == len(known)

    def test_of_a_command_is_its_own(self) -> None:
        first = TaskCommand(task_id="t", command="cancel", command_id="one")
        second = TaskCommand(task_id="t", command="cancel", command_id="two")

        assert (first.id, second.id) == ("one", "two")

    def test_stays_what_it_is_for_all_time(self) -> None:
        """Others keep these ids, to know a fact when it is told again."""
        assert FACTS[0][0].id == "b83c6257-a373-5a93-95fa-c9c3bbeb25ef"
