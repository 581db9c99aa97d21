"""What is asked for is stored once, whatever it looks like."""

from filemill_common.events import EventRejected, WorkflowCreated
from filemill_scheduler.testing import Scene


class TestARunWhoseDefinitionIsNone:
    def test_is_refused_and_nothing_is_stored(self, scene: Scene) -> None:
        for steps in (None, 7, ["no step"], [{"id": 7}]):
            asked = WorkflowCreated(workflow_id="run", partition_key="run", definition={"steps": steps})

            refused = scene.play(asked).owed

            assert [type(event) for event in refused] == [EventRejected]
            assert scene.state.runs == {}
