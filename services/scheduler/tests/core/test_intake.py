"""Other systems' events are let in as people's requests are, or refused with a reason."""

from datetime import timedelta

import pytest

from filemill_common.events import (
    Check,
    Event,
    Saw,
    TaskCommand,
    TaskCreated,
    WorkflowCommand,
    WorkflowCreated,
)
from filemill_scheduler.core.intake import Refused, admit
from filemill_scheduler.testing import T0, Scene


class TestAnEventOfAnotherSystem:
    def test_is_let_in_with_the_partition_of_what_it_is_about(self, scene: Scene) -> None:
        event = scene.created("t").model_copy(update={"partition_key": "theirs", "tenant": "theirs"})

        admitted = admit(event, now=T0)

        assert admitted == event.model_copy(update={"partition_key": "t", "tenant": "default"})

    def test_may_be_a_command(self) -> None:
        command = TaskCommand(command_id="c", task_id="t", command="cancel", sequence=7)

        assert admit(command, now=T0) == command.model_copy(update={"partition_key": "t"})

    def test_may_be_a_command_that_was_given_when_it_came_if_it_does_not_say_when(self) -> None:
        admitted = admit(WorkflowCommand(command_id="c", workflow_id="w", command="pause"), now=T0)

        assert isinstance(admitted, WorkflowCommand)
        assert admitted.sequence == T0.timestamp() * 1000

    @pytest.mark.parametrize(
        ("seconds", "given"), [(-60, -60), (3600, 0)], ids=["a copy that comes late", "one of the future"]
    )
    def test_may_be_a_command_that_was_given_at_its_time_but_not_later_than_now(
        self, seconds: int, given: int
    ) -> None:
        time = T0 + timedelta(seconds=seconds)

        admitted = admit(WorkflowCommand(command_id="c", workflow_id="w", command="pause", time=time), now=T0)

        assert isinstance(admitted, WorkflowCommand)
        assert admitted.sequence == (T0.timestamp() + given) * 1000

    @pytest.mark.parametrize(
        ("spec", "code"),
        [
            ({"type": "no_such"}, "unknown_task_type"),
            ({"type": "sleep", "options": {"seconds": -1}}, "invalid_options"),
            ({"type": "probe"}, "missing_field"),
            ({"type": "probe", "input_file": "../x"}, "invalid_path"),
        ],
    )
    def test_that_asks_for_nonsense_is_refused(self, spec: dict[str, object], code: str) -> None:
        event = TaskCreated.model_validate({"task_id": "t", "task": spec})

        answer = admit(event, now=T0)

        assert isinstance(answer, Refused)
        assert answer.code == code

    def test_with_a_broken_definition_is_refused_with_every_problem(self) -> None:
        steps = [{"id": "a", "type": "task", "task": "nope"}, {"id": "a", "type": "task", "task": "echo"}]

        answer = admit(WorkflowCreated(workflow_id="w", definition={"name": "x", "steps": steps}), now=T0)

        assert isinstance(answer, Refused)
        assert {each["code"] for each in answer.problems} == {"unknown_task_type", "duplicate_step"}

    def test_with_a_broken_subworkflow_is_refused(self) -> None:
        definition = {"name": "x", "steps": [{"id": "a", "type": "subworkflow", "workflow": "b@1"}]}
        event = WorkflowCreated(workflow_id="w", definition=definition, subworkflows={"b@1": {"name": "b"}})

        answer = admit(event, now=T0)

        assert isinstance(answer, Refused)
        assert [each["code"] for each in answer.problems] == ["missing_field"]

    @pytest.mark.parametrize("event", [Check(task_id="t", attempt=1, saw=Saw.UNTAKEN, at=T0)])
    def test_that_is_not_theirs_to_send_is_refused(self, event: Event) -> None:
        assert isinstance(admit(event, now=T0), Refused)
