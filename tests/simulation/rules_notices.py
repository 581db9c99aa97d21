"""Rules about events owed, and about those who are told."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from filemill_common.events import EVENTS as KINDS
from filemill_common.ids import derived_id
from filemill_common.messaging.topology import EVENTS, WORK
from tests.simulation.documents import FINAL, Document, state
from tests.simulation.queues import Letter
from tests.simulation.store import Change
from tests.simulation.world import World

_ID = re.compile(rb'"specversion":"1.0","id":"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task or run ended once, and who asked to be told.

    Attributes:
        event: The one id that the fact has, whoever tells it how often.
        targets: Channel and address.
    """

    subject: str
    status: str
    event: str
    targets: tuple[tuple[str, str], ...]


class NoticeRules:
    """What must hold of what is owed and told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.outcomes: list[Outcome] = []
        self._told: set[str] = set()
        self._told_to_all: set[str] = set()
        self._read = 0
        self._owed: set[str] = set()
        world.broker.watchers.append(self._published)

    def look(self, changes: Sequence[Change]) -> None:
        """Look at what one commit changed."""
        for each in changes:
            if each.collection == "outbox" and each.old is None and each.new is not None:
                self._owed.add(_event_id(each.new))
            elif each.collection == "outbox" and each.old is not None and each.new is None:
                self._forgotten(_event_id(each.old))
            elif each.collection in {"tasks", "workflows"}:
                self.outcomes += _outcome(each)
            elif each.collection == "deliveries" and each.new is not None:
                self._delivery(each, each.new)

    def _published(self, letter: Letter) -> None:
        """Demand that what a scheduler tells others for good was stored before."""
        if letter.mandatory and letter.exchange in {EVENTS, WORK}:
            early = {each.decode() for each in _ID.findall(letter.body)} - self._owed
            self._world.hold("nothing is told before it is stored", str(letter), if_=not early)

    def _forgotten(self, event: str) -> None:
        """Demand that an event is owed until the broker has it."""
        self._world.hold("what is owed is kept until it is sent", event, if_=event in self.told())

    def _delivery(self, change: Change, new: Document) -> None:
        if new["status"] == "delivered" and (change.old or {}).get("status") != "delivered":
            is_true = self._world.got[change.id] > 0
            self._world.hold("what is delivered was brought", change.id, if_=is_true)

    def told(self) -> set[str]:
        """Give the ids of all events that the broker ever had."""
        published = self._world.broker.published
        for letter in published[self._read :]:
            found = {each.decode() for each in _ID.findall(letter.body)}
            self._told |= found
            if letter.exchange == EVENTS:
                self._told_to_all |= found
        self._read = len(published)
        return self._told

    def missing(self) -> Iterator[str]:
        """Tell what is asked for and was not brought."""
        for outcome in self.outcomes:
            for channel, target in outcome.targets:
                tried = self._world.tried[(outcome.event, channel, target)]
                if not any(self._world.got[each] for each in tried):
                    yield f"{outcome.subject} {outcome.status} by {channel}"

    def at_the_end(self) -> None:
        """Look at everything once more, now that all is quiet."""
        world = self._world
        self.told()
        for outcome in self.outcomes:
            if outcome.status != "skipped":
                told = outcome.event in self._told_to_all
                world.hold(
                    "each end is told under its one id", f"{outcome.subject} {outcome.status}", if_=told
                )
        for about, ids in world.tried.items():
            world.hold("a notification has one id", f"{about}: {sorted(ids)}", if_=len(ids) == 1)
        for each in self.missing():
            world.violate("who asked is told", each)
        if world.is_fault_free:
            twice = [each for each, times in world.got.items() if times > 1]
            world.hold("without faults nobody is told twice", ", ".join(twice), if_=not twice)


def _event_id(entry: Document) -> str:
    """Read the id of the event in an entry of the outbox."""
    return KINDS[entry["type"]].model_validate_json(entry["event"]).id


def _outcome(change: Change) -> Iterator[Outcome]:
    new = change.new
    status = state(new)
    if new is None or status not in FINAL:
        return
    if status == state(change.old) and new.get("completed_at") == (change.old or {}).get("completed_at"):
        return
    if change.collection == "tasks":
        event = derived_id(f"io.filemill.task.{status}.v1", change.id, new.get("ran", 0), new["version"])
        asked = (("webhook", new.get("notify_webhook")), ("callback", new.get("callback_url")))
        targets = tuple((channel, target) for channel, target in asked if target)
        yield Outcome(change.id, status, event, targets if status in {"completed", "failed"} else ())
    elif new.get("completed_at") is not None:
        event = derived_id(f"io.filemill.workflow.{status}.v1", change.id, new["version"])
        hooks = [each for each in new.get("notify") or () if f"workflow.{status}" in each["events"]]
        yield Outcome(change.id, status, event, tuple(("webhook", each["webhook"]) for each in hooks))
