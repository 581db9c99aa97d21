"""What the rules know of runs: their definitions, their steps' documents, and what they were told."""

import json
from collections.abc import Sequence
from typing import Any

from tests.simulation.documents import Document, new_commands, state
from tests.simulation.rules_plan import Place, lay_out
from tests.simulation.store import Change
from tests.simulation.world import World


class Book:
    """Finds documents by run and step.

    Attributes:
        starts: How often each run was started, reruns included.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.starts: dict[str, int] = {}
        self._tasks: dict[str, dict[str, str]] = {}
        self._places: dict[str, dict[str, Place]] = {}

    def note(self, changes: Sequence[Change]) -> None:
        """Take note of what is new in a commit."""
        for each in changes:
            new = each.new or {}
            if each.collection == "tasks" and new.get("workflow_id"):
                self._tasks.setdefault(new["workflow_id"], {})[new["step_id"]] = each.id
            elif each.collection == "workflows" and is_started(each):
                self.starts[each.id] = self.starts.get(each.id, 0) + 1

    def run(self, run_id: str) -> Document | None:
        return self.world.database.collections["workflows"].get(run_id)

    def task(self, task_id: str) -> Document | None:
        return self.world.database.collections["tasks"].get(task_id)

    def steps(self, run_id: str) -> dict[str, Document]:
        """Give the documents of a run's steps and of its maps' items, by step id.

        Items are gone while their map, which is done all over, has not made them anew.
        """
        found = {name: self.task(task_id) or {} for name, task_id in self._tasks.get(run_id, {}).items()}
        return {name: document for name, document in found.items() if document.get("status") is not None}

    def places(self, run_id: str) -> dict[str, Place]:
        """Give the places of a run's steps, out of the story alone."""
        if run_id not in self._places:
            self._places[run_id] = lay_out(self.definition(run_id))
        return self._places[run_id]

    def said(self, run_id: str, step_id: str) -> Document:
        """Give what the definition says of a step, or of the step of a map for an item."""
        name, *items = step_id.split("[")
        said = self.places(run_id)[name].said
        for _ in items:
            said = said["step"]
        return said

    def around(self, run_id: str, step_id: str) -> str | None:
        """Name the parallel or map that a step or an item lies directly in."""
        if step_id.endswith("]"):
            return step_id[: step_id.rindex("[")]
        inside = self.places(run_id)[step_id].inside
        return inside[0] if inside else None

    def all_around(self, run_id: str, step_id: str) -> list[str]:
        """Name all that a step or an item lies in, the innermost first."""
        found: list[str] = []
        around = self.around(run_id, step_id)
        while around is not None:
            found.append(around)
            around = self.around(run_id, around)
        return found

    def definition(self, run_id: str) -> Document:
        """Give what a run does, out of the story."""
        story = self.world.story
        if run_id in story.definitions:
            return story.definitions[run_id]
        parent = self.task((self.run(run_id) or {})["parent_task_id"]) or {}
        said = self.said(parent["workflow_id"], parent["step_id"])
        return story.templates[said["workflow"]]


def is_started(change: Change) -> bool:
    """Tell whether a run was started in a commit, for the first time or again."""
    started = (change.new or {}).get("started_at")
    return started is not None and (change.old or {}).get("started_at") != started


def is_item(document: Document) -> bool:
    return str(document.get("step_id") or "").endswith("]")


def told(world: World, change: Change) -> list[tuple[str, Document, int]]:
    """Tell what a run was told in a commit, in order: command, arguments, sequence."""
    commands = [world.story.commands[each] for each in new_commands(change.old, change.new or {})]
    return [(each.command, getattr(each, "arguments", {}), each.sequence) for each in commands]


def output(document: Document) -> Any:
    return json.loads(document.get("output") or "{}")


def is_failing(document: Document, said: Document) -> bool:
    """Tell whether a step failed that may not."""
    return state(document) in {"failed", "cancelled"} and not said.get("allow_failure")
