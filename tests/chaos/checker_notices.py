"""The rules about notifications: whoever asked is told, and can tell a repetition from news."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.chaos.checker_facts import Facts, Findings, Json
from tests.chaos.journal import Line

Wish = tuple[str, str, str]
"""Event id, channel and target."""

_BY_TASKS: Final = {"notify_email": "email", "notify_webhook": "webhook", "callback_url": "callback"}
_CHANNELS: Final = ("email", "webhook", "callback")


def asked_notified(facts: Facts) -> Findings:
    """Whoever asked to be told of an outcome was told."""
    deliveries: dict[Wish, list[Json]] = defaultdict(list)
    for delivery in facts.dump["collections"]["deliveries"]:
        deliveries[delivery["event_id"], delivery["channel"], delivery["target"]].append(delivery)
    received = {line["webhook_id"] for line in facts.said("notified") if _took(line)}
    for event_id, line in facts.told.items():
        for wish in sorted(set(_wishes(event_id, line))):
            found = deliveries.pop(wish, [])
            about = f"{wish[1]} of {line['type']} {line['subject']} to {wish[2]}"
            if len(found) != 1:
                yield f"{about}: {len(found)} deliveries"
            elif found[0]["status"] != "delivered":
                yield f"{about} is {found[0]['status']} after {found[0].get('tried', 0)} tries"
            elif wish[1] != "email" and found[0]["_id"] not in received:
                yield f"{about} counts as delivered, and nobody received it"
            else:
                yield None
    for event_id, channel, target in deliveries:
        yield f"{channel} to {target} is about {event_id}, which nobody was told of or asked for"


def one_id(facts: Facts) -> Findings:
    """A notification has one id, whatever is repeated."""
    known = {each["_id"]: each for each in facts.dump["collections"]["deliveries"]}
    for line in facts.said("notified"):
        delivery = known.get(line["webhook_id"])
        if delivery is None:
            yield f"{line['type']} {line['id']} came with the id {line['webhook_id']}, which nobody keeps"
        elif line["id"] not in {delivery.get("task_id"), delivery.get("workflow_id")}:
            yield f"{line['webhook_id']} came about {line['id']}, and is about another"
        else:
            yield None


def _took(line: Line) -> bool:
    return 200 <= int(line["answered"]) < 300


def _wishes(event_id: str, line: Line) -> Iterator[Wish]:
    """Tell who asked for an event: a task in three fields, for its completion and its failure."""
    kind, _, outcome = line["type"].partition(".")
    if kind == "task":
        task = line["data"]["task"]
        for name, channel in _BY_TASKS.items():
            if task.get(name) and outcome in {"completed", "failed"}:
                yield event_id, channel, task[name]
        return
    for asked in line["data"]["workflow"].get("notify", []):
        if line["type"] in asked["events"]:
            yield from ((event_id, channel, asked[channel]) for channel in _CHANNELS if asked.get(channel))
