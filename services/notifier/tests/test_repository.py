"""Several notifiers share one log: each delivery is tried by one of them at a time, and none is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from filemill_common.clock import utc_now
from filemill_common.store import Store, indexes
from filemill_notifier.core.deliveries import Delivery, Outcome, Status, after_try
from filemill_notifier.repository import INDEXES, Deliveries
from filemill_notifier.sender import Sender


@pytest.fixture
async def log(mongo_url: str, database: str) -> AsyncIterator[Deliveries]:
    address, _, options = mongo_url.partition("?")
    store = Store(f"{address.rstrip('/')}/{database}?{options}", app_name="test")
    await indexes.ensure(store, INDEXES)
    yield Deliveries(store)
    store.close()


def delivery(name: str) -> Delivery:
    now = utc_now()
    return Delivery(
        id=name,
        event_id="e",
        event_type="io.filemill.task.completed.v1",
        channel="webhook",
        target="https://example.com",
        payload={"$odd.key": {"名": 10**30}},
        created_at=now,
        updated_at=now,
    )


def due(one: Delivery) -> Delivery:
    """The delivery, due since a minute."""
    return replace(one, due_at=utc_now() - timedelta(minutes=1))


class Recipient:
    """A channel that notes what it is handed."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.got: list[str] = []

    async def send(self, delivery: Delivery) -> Outcome:
        self.got.append(delivery.id)
        await asyncio.sleep(0.01)
        return self.outcome


async def make(log: Deliveries, names: Sequence[str]) -> None:
    for name in names:
        await log.add([delivery(name)])
        await log.put(due(delivery(name)))


class TestTheLog:
    async def test_keeps_a_delivery_once_however_often_its_event_comes(self, log: Deliveries) -> None:
        first = await log.add([delivery("a"), delivery("b")])
        again = await log.add([delivery("b"), delivery("c")])

        assert [[each.id for each in added] for added in (first, again)] == [["a", "b"], ["c"]]

    async def test_gives_back_what_it_was_given(self, log: Deliveries) -> None:
        tried = after_try(
            delivery("a"), Outcome(ok=False, code="500", response="no"), began=utc_now(), now=utc_now()
        )
        await log.add([delivery("a")])
        await log.put(tried)

        assert await log.get("a") == tried

    async def test_holds_a_new_delivery_for_whoever_added_it(self, log: Deliveries) -> None:
        await log.add([delivery("a")])

        assert await log.claim() is None

    async def test_hands_each_due_delivery_to_one(self, log: Deliveries) -> None:
        names = [str(number) for number in range(20)]
        await make(log, names)

        claimed = await asyncio.gather(*(log.claim() for _ in range(30)))

        assert sorted(each.id for each in claimed if each is not None) == sorted(names)

    async def test_hands_out_again_what_was_claimed_by_one_that_died(self, log: Deliveries) -> None:
        await make(log, ["a"])
        claimed = await log.claim()
        assert claimed is not None
        assert await log.claim() is None

        await log.put(due(claimed))  # as if the claim had ended
        again = await log.claim()

        assert again is not None
        assert again.id == "a"


class TestTwoNotifiers:
    async def test_send_each_due_delivery_once(self, log: Deliveries) -> None:
        names = [str(number) for number in range(30)]
        await make(log, names)
        recipient = Recipient(Outcome(ok=True, code="200"))
        senders = [Sender(log, {"webhook": recipient}) for _ in range(2)]

        looking = [asyncio.create_task(sender.run(every=0.01)) for sender in senders]
        async with asyncio.timeout(20):
            while len(recipient.got) < len(names):
                await asyncio.sleep(0.01)
        for task in looking:
            task.cancel()
        for sender in senders:
            await sender.settle()

        assert sorted(recipient.got) == sorted(names)
        found = [await log.get(name) for name in names]
        assert {each.status for each in found if each is not None} == {Status.DELIVERED}
