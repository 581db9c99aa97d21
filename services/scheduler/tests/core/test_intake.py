"""Other systems' events are let in as people's requests are, or refused with a reason."""

import pytest

from filemill_common.events import Check, Event, Saw, TaskCommand, TaskCreated, WorkflowCreated
from filemill_scheduler.core.intake import Refused, admit
from filemill_scheduler.testing import T0, Scene


class TestAnEventOfAnotherSystem:
    def test_is_let_in_with_the_partition_of_what_it_is_about(self, scene: Scene) -> None:
        event = scene.created("t").model_copy(update={"partition_key": "theirs", "tenant": "theirs"})

        admitted = admit(event)

        assert admitted == event.model_copy(update={"partition_key": "t", "tenant": "default"})

    def test_may_be_a_command(self) -> None:
        command = TaskCommand(command_id="c", task_id="t", command="cancel")

        assert admit(command) == command.model_copy(update={"partition_key": "t"})

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

        answer = admit(event)

        assert isinstance(answer, Refused)
        assert answer.code == code

    def test_with_a_broken_definition_is_refused_with_every_problem(self) -> None:
        steps = [{"id": "a", "type": "task", "task": "nope"}, {"id": "a", "type": "task", "task": "echo"}]

        answer = admit(WorkflowCreated(workflow_id="w", definition={"name": "x", "steps": steps}))

        assert isinstance(answer, Refused)
        assert {each["code"] for each in answer.problems} == {"unknown_task_type", "duplicate_step"}

    @pytest.mark.parametrize("event", [Check(task_id="t", attempt=1, saw=Saw.UNTAKEN, at=T0)])
    def test_that_is_not_theirs_to_send_is_refused(self, event: Event) -> None:
        assert isinstance(admit(event), Refused)
