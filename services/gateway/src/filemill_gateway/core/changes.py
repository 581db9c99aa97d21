"""What a live stream tells: which events are changes to its client, and where its client stands."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from filemill_common.clock import EPOCH, rfc3339
from filemill_common.events import Event, TaskCreated, TaskEvent, WorkflowCreated, WorkflowEvent
from filemill_gateway.core.tasks import pending_task
from filemill_gateway.core.workflows import pending_view

EVERYTHING: Final = "*"
"""The topic of all that is listed; others are ids of tasks and runs."""


def change(event: Event) -> str | None:
    """Write an event as the data of a ``change``; None if it is none."""
    match event:
        case TaskEvent():
            what, value = "task", event.task.model_dump(mode="json")
        case TaskCreated():
            what, value = "task", pending_task(event).model_dump(mode="json")
        case WorkflowEvent():
            what, value = "workflow", event.workflow.model_dump(mode="json")
        case WorkflowCreated():
            what, value = "workflow", pending_view(event).model_dump(mode="json")
        case _:
            return None
    told = {"type": event.type, "time": rfc3339(event.time), what: value}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def topics(event: Event) -> frozenset[str]:
    """Name what an event is a change to: ids of tasks and runs, and `EVERYTHING`.

    It goes by what GET shows: an item of a map is no step of its run, and a step that only decides or
    waits is not listed among all tasks.
    """
    match event:
        case TaskEvent(task=task):
            run = task.workflow_id if task.item is None else None
            everything = EVERYTHING if task.kind == "task" else None
            return frozenset(topic for topic in (task.id, run, everything) if topic is not None)
        case _:
            return frozenset((event.subject, EVERYTHING))


def ends(event: Event, topic: str) -> bool:
    """Whether an event says that the task or run with the id ``topic`` has ended."""
    match event:
        case TaskEvent():
            return event.task.id == topic and event.task.status.is_final
        case WorkflowEvent():
            return event.workflow.id == topic and event.workflow.status.is_final
        case _:
            return False


class Position(Protocol):
    """Where the client of a stream stands."""

    value: int
    """The id of what is sent; it never falls, so a client that comes back can say how far it was."""

    def advance(self, event: Event) -> bool:
        """Take note of a change; False if it tells of what the client has seen already."""
        ...

    def restart(self, versions: Mapping[str, int]) -> None:
        """Take note of a snapshot."""
        ...


class Versions:
    """A position by the versions of the task, or of the run and its steps, that the client has seen.

    Their sum is the id: it grows with each change and is the same whoever computes it.
    """

    def __init__(self, versions: Mapping[str, int]) -> None:
        """Begin with a snapshot, by the ids of what it shows."""
        self.value = 0
        self.restart(versions)

    def restart(self, versions: Mapping[str, int]) -> None:
        """Take note of a snapshot."""
        self._versions = dict(versions)
        self._sum = sum(versions.values())
        # A snapshot holds all that came of its versions; of events several may have the same one.
        self._least = {each: version + 1 for each, version in versions.items()}
        self.value = max(self.value, self._sum)

    def advance(self, event: Event) -> bool:
        """Take note of a change; one that is no newer than the snapshot is none."""
        if not isinstance(event, TaskEvent | WorkflowEvent):
            return False  # its creation, which the snapshot shows
        of, sequence = event.subject, event.sequence
        if sequence < self._least.get(of, 0):
            return False
        self._sum += sequence - self._versions.get(of, 0)
        self._versions[of] = self._least[of] = sequence
        self.value = max(self.value, self._sum)
        return True


class Latest:
    """A position in all that happens, by the time (ms since 1970) of the newest event."""

    def __init__(self, now: datetime) -> None:
        """Begin now."""
        self.value = _milliseconds(now)

    def restart(self, _: Mapping[str, int]) -> None:
        """A snapshot of lists shows what is newest, and moves nothing."""

    def advance(self, event: Event) -> bool:
        """Take note of a change; each is one."""
        self.value = max(self.value, _milliseconds(event.time))
        return True


def read_position(last_event_id: str | None) -> int:
    """Read the position that a client came back with; 0 if it brings none of ours."""
    is_ours = last_event_id is not None and last_event_id.isdecimal() and len(last_event_id) < 18
    return int(last_event_id or 0) if is_ours else 0


def _milliseconds(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1000)
