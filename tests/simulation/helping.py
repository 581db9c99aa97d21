"""People who, once all has been asked, resume what is still paused and say what is still waited for."""

import json
from collections.abc import Sequence

from filemill_common.events import WorkflowCommand
from tests.simulation.story_shapes import FITTING
from tests.simulation.world import World


class Helping:
    """Looks at what lies in the store, as people look at lists."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = 0

    def events(self) -> Sequence[WorkflowCommand]:
        """Give the commands that let everything go on."""
        collections = self._world.database.collections
        found: list[WorkflowCommand] = []
        for run_id, run in collections["workflows"].items():
            if run.get("status") == "paused" and run.get("parent_task_id") is None:
                found.append(self._command(run_id, run["partition_key"], "resume"))
        for task in collections["tasks"].values():
            if task.get("kind") == "wait" and task.get("status") == "running" and not task.get("due_at"):
                signal = json.loads(task["spec"])["signal"]["name"]
                said = {"name": signal, "payload": FITTING}
                found.append(self._command(task["workflow_id"], task["partition_key"], "signal", **said))
        return found

    def _command(self, run_id: str, root: str, command: str, **arguments: object) -> WorkflowCommand:
        self._number += 1
        told = {"command": command, "arguments": arguments, "command_id": f"help-{self._number}"}
        event = WorkflowCommand.model_validate({"workflow_id": run_id, "partition_key": root, **told})
        stamped = self._world.story.command(event, self._world.loop.time())
        assert isinstance(stamped, WorkflowCommand)
        return stamped
