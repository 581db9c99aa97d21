"""Whether all that was begun has ended: the last look before judgement."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

_OPEN: Final = ("pending", "ready", "running", "retrying")
_NO_WORK: Final = ("condition", "parallel", "map", "wait", "subworkflow")
_STEADY: Final = 6.0
"""Seconds for which all must be quiet: so old the broker's counts may be."""


@dataclass(frozen=True, slots=True)
class Left:
    """What has not ended yet.

    Attributes:
        tasks: Tasks that are open, but for those of workflows that nobody has started, and for what waits in
            those that are paused for good.
        workflows: Workflows that are open, but for those.
        owed: Entries of the outbox.
        deliveries: Notifications under way.
        messages: In the queues of services and witnesses.
        sleeping: Workflows that nobody has started, or resumed.
    """

    tasks: int
    workflows: int
    owed: int
    deliveries: int
    messages: int
    sleeping: int

    @property
    def is_nothing(self) -> bool:
        """Whether all has ended."""
        return not (self.tasks or self.workflows or self.owed or self.deliveries or self.messages)

    def __str__(self) -> str:
        """Say it in a few words."""
        return (
            f"open: {self.workflows} workflows, {self.tasks} tasks, {self.owed} owed, "
            f"{self.deliveries} notifications, {self.messages} messages"
        )


def look(mongo_url: str, management: str, queues: tuple[str, ...]) -> Left | None:
    """Look at what is left; None while a server does not answer.

    Args:
        mongo_url: Where MongoDB is.
        management: Address of RabbitMQ's management plugin.
        queues: Beginnings of the names of the queues that count.
    """
    try:
        with MongoClient[dict[str, Any]](mongo_url, timeoutMS=5_000) as client:
            database = client["filemill"]
            still = _ids(database["workflows"], "pending")
            held = _ids(database["workflows"], "paused")
            others = {"status": {"$in": _OPEN}, "workflow_id": {"$nin": [*still, *held]}}
            at_work = {"status": {"$in": ["ready", "running"]}, "type": {"$nin": _NO_WORK}}
            return Left(
                tasks=database["tasks"].count_documents(
                    {"$or": [others, {**at_work, "workflow_id": {"$in": held}}]}
                ),
                workflows=database["workflows"].count_documents({"status": "running"}),
                owed=database["outbox"].count_documents({}),
                deliveries=database["deliveries"].count_documents({"status": "pending"}),
                messages=_messages(management, queues),
                sleeping=len(still) + len(held),
            )
    except (PyMongoError, httpx.HTTPError):
        return None


def _ids(workflows: Collection[dict[str, Any]], status: str) -> list[str]:
    return [each["_id"] for each in workflows.find({"status": status}, {"_id": 1})]


def _messages(management: str, queues: tuple[str, ...]) -> int:
    asked = {"disable_stats": "true", "enable_queue_totals": "true"}
    with httpx.Client(base_url=management, auth=("guest", "guest"), trust_env=False, timeout=5) as broker:
        found = broker.get("/api/queues", params=asked).raise_for_status().json()
    return sum(int(queue.get("messages", 0)) for queue in found if queue["name"].startswith(queues))


def wait_until_quiet(watch: Callable[[], Left | None], *, within: float, say: Callable[[str], None]) -> bool:
    """Look each second until all has been quiet for a while; tell whether it became so in time."""
    deadline = time.monotonic() + within
    quiet_since: float | None = None
    spoke = time.monotonic()
    while time.monotonic() < deadline:
        left = watch()
        if left is None or not left.is_nothing:
            quiet_since = None
        else:
            quiet_since = quiet_since or time.monotonic()
            if time.monotonic() - quiet_since > _STEADY:
                return True
        if time.monotonic() - spoke > 10:
            spoke = time.monotonic()
            say(f"waiting until all is quiet; {left or 'a server does not answer'}")
        time.sleep(1)
    return False
