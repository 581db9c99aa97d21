"""What a run's history must be: whole, in order, and enough to come to the same when it is played again."""

import json
from collections.abc import Iterator

from filemill_common.events import HISTORY_FORMAT
from filemill_common.store.documents import history_entries
from filemill_scheduler.core.replaying import UnreadableHistoryError, read, replay
from tests.simulation.documents import Document, state
from tests.simulation.world import World


class HistoryRules:
    """Plays every run again, once all has come to rest."""

    def __init__(self, world: World) -> None:
        self._world = world

    def at_the_end(self) -> None:
        """Look at each run that is part of no other."""
        for run_id, run in self._world.database.collections["workflows"].items():
            if run["partition_key"] == run_id and state(run) != "deleted":
                self._look(run_id)

    def _look(self, run_id: str) -> None:
        world = self._world
        try:
            played = replay(read(self._export(run_id)))
        except UnreadableHistoryError as error:
            world.violate("every run keeps its history", f"{run_id}: {error}")
            return
        said = played.difference
        world.hold("a run that is played again comes to the same", f"{run_id}: {said}", if_=said is None)
        documents = world.database.collections
        for each in played.runs():
            there, here = state(documents["workflows"].get(each.id)), str(each.status)
            world.hold("its run is as it is stored", f"{each.id}: {here}, not {there}", if_=here == there)
        for task in played.tasks():
            there, here = state(documents["tasks"].get(task.id)), str(task.status)
            world.hold(
                "its tasks are as they are stored", f"{task.id}: {here}, not {there}", if_=here == there
            )

    def _export(self, run_id: str) -> Iterator[str]:
        """Give it as the gateway would, without how all stands."""
        documents = self._world.database.collections.get("history", {})
        kept = [each for each in documents.values() if each["workflow_id"] == run_id]
        lines = [line for each in sorted(kept, key=lambda each: str(each["_id"])) for line in _lines(each)]
        yield json.dumps({"format": HISTORY_FORMAT, "workflow_id": run_id})
        yield from lines
        yield json.dumps({"events": len(lines)})


def _lines(document: Document) -> Iterator[str]:
    for entry in history_entries(document):
        yield json.dumps({**entry, "at": document["at"].isoformat()})
