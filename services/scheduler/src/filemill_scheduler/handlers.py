"""What the scheduler does with a batch of events: fold, store, send what is owed."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from filemill_common.clock import utc_now
from filemill_common.events import Event
from filemill_common.messaging import Batch, BrokerUnavailableError
from filemill_common.telemetry import span
from filemill_scheduler import logs
from filemill_scheduler.core import Decision, Loaded, Needs, facts, fold
from filemill_scheduler.core.intake import Refused, admit
from filemill_scheduler.core.policy import LEASE
from filemill_scheduler.metrics import Metrics
from filemill_scheduler.repository import Fold, Updated

_LEASE_SECONDS: Final = LEASE / timedelta(seconds=1)


class Tasks(Protocol):
    """Where tasks and runs are kept."""

    async def update(self, events: Sequence[Event], fold: Fold) -> Updated:
        """Fold events into what they are about, and store the answer with the events owed."""
        ...

    def confirmed(self, entries: Sequence[str]) -> None:
        """Note which of the events owed the broker has."""
        ...


class Publisher(Protocol):
    """Who sends events."""

    async def publish(self, events: Sequence[Event]) -> tuple[bool, ...]:
        """Send events; tell of each whether the broker has it."""
        ...

    async def tell(self, events: Sequence[Event]) -> None:
        """Tell requests again to whoever listens, now that they are stored."""
        ...

    async def park(self, event: Event, code: str, message: str, *, queue: str) -> None:
        """Put an event of a queue that nobody can use where people look; returns when the broker has it."""
        ...


class SchedulerHandler:
    """Folds the events of one partition."""

    def __init__(self, tasks: Tasks, publisher: Publisher, metrics: Metrics) -> None:
        self._tasks = tasks
        self._publisher = publisher
        self._metrics = metrics

    async def on_batch(self, batch: Batch) -> int:
        """Fold a batch into what it is about, and send what that makes due; tell how much was taken.

        A crash between the awaits loses nothing: what is owed was stored with the state, the batch comes
        back and folds to nothing, and the sweep sends what is left.
        """
        began = time.perf_counter()
        updated = await self._tasks.update(batch.events, _fold(may_lapse=batch.settled_for > _LEASE_SECONDS))
        decision = updated.decision
        seconds = time.perf_counter() - began
        self._metrics.count(decision, facts(updated.before, decision), seconds=seconds)
        logs.tell(decision.owed)
        for parked in decision.parked:
            await self._publisher.park(parked.event, parked.code, parked.message, queue=batch.queue)
        transient = tuple(event for event in decision.owed if event.transient)
        sent = await self._publisher.publish((*decision.durable, *transient))
        self._tasks.confirmed([entry for entry, ok in zip(updated.entries, sent, strict=False) if ok])
        await self._publisher.tell(decision.retold)
        return decision.taken


class IntakeHandler:
    """The door for other systems' events: checks them, and sends them on to their partition."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def on_batch(self, batch: Batch) -> int:
        """Send on what may come in, and park what may not; tell how much was taken.

        What the broker did not take is not taken here either, so it comes again; the ids stay, so a
        repetition changes nothing.
        """
        admitted: list[Event] = []
        for event in batch.events:
            match admit(event, now=utc_now()):
                case Refused() as refused:
                    await self._publisher.park(event, refused.code, refused.message, queue=batch.queue)
                case Event() as let_in:
                    admitted.append(let_in)
        sent = await self._publisher.publish(admitted)
        if not all(sent):
            raise BrokerUnavailableError("what came in could not be sent on")
        return len(batch.events)


def _fold(*, may_lapse: bool) -> Fold:
    def decide(loaded: Loaded, events: Sequence[Event], now: datetime, may_ask: bool) -> Decision | Needs:
        with span("decide", {"filemill.events": len(events)}):
            return fold(loaded, events, now=now, may_lapse=may_lapse, may_ask=may_ask)

    return decide
