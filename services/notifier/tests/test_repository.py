"""Several notifiers share one log: each delivery is tried by one of them at a time, and none is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from filemill_common.cancelling import cancel
from filemill_common.clock import utc_now
from filemill_common.store import Store, indexes
from filemill_notifier.core.deliveries import CLAIM, Delivery, Outcome, Status, after_try, claimed
from filemill_notifier.repository import INDEXES, Deliveries
from filemill_notifier.sender import AT_ONCE, AT_ONCE_FOR_ONE, Sender


@pytest.fixture
async def log(mongo_url: str, database: str) -> AsyncIterator[Deliveries]:
    address, _, options = mongo_url.partition("?")
    store = Store(f"{address.rstrip('/')}/{database}?{options}", app_name="test")
    await indexes.ensure(store, INDEXES)
    yield Deliveries(store)
    store.close()


def delivery(name: str, target: str = "https://example.com") -> Delivery:
    now = utc_now()
    return Delivery(
        id=name,
        event_id="e",
        event_type="io.filemill.task.completed.v1",
        channel="webhook",
        target=target,
        payload={"$odd.key": {"名": 10**30}},
        due_at=now,
        created_at=now,
        updated_at=now,
    )


class Recipient:
    """A channel that notes what it is handed, and does not answer for ``slow.example``."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.answers = asyncio.Event()

    async def send(self, delivery: Delivery) -> Outcome:
        self.got.append(delivery.id)
        await (self.answers.wait() if "slow" in delivery.host else asyncio.sleep(0.01))
        if "odd" in delivery.host:
            raise ZeroDivisionError
        return Outcome(ok=True, code="200")


@asynccontextmanager
async def sending(log: Deliveries, recipient: Recipient, *, every: float = 0.01) -> AsyncIterator[Sender]:
    sender = Sender(log, {"webhook": recipient})
    looking = asyncio.create_task(sender.run(every=every))
    yield sender
    await cancel(looking)
    await sender.settle()


async def make(log: Deliveries, names: Sequence[str], target: str = "https://example.com") -> None:
    await log.add([delivery(name, target) for name in names])


async def wait_for(recipient: Recipient, names: Sequence[str]) -> None:
    async with asyncio.timeout(20):
        while not set(names) <= set(recipient.got):
            await asyncio.sleep(0.01)


class TestTheLog:
    async def test_keeps_a_delivery_once_however_often_its_event_comes(self, log: Deliveries) -> None:
        first = await log.add([delivery("a"), delivery("b")])
        again = await log.add([delivery("b"), delivery("c")])

        assert [[each.id for each in added] for added in (first, again)] == [["a", "b"], ["c"]]

    async def test_gives_back_what_it_was_given(self, log: Deliveries) -> None:
        tried = after_try(
            delivery("a"), Outcome(ok=False, code="500", response="no"), began=utc_now(), now=utc_now()
        )
        [stored] = await log.add([delivery("a")])
        await log.put(tried, held=stored.due_at)

        assert await log.get("a") == tried

    async def test_holds_a_claimed_delivery_for_whoever_added_it(self, log: Deliveries) -> None:
        await log.add([claimed(delivery("a"), now=utc_now())])

        assert await log.claim() is None

    async def test_leaves_alone_whom_it_is_told_to(self, log: Deliveries) -> None:
        await make(log, ["a"], "https://slow.example/x")
        await make(log, ["b"])

        names = [each and each.id for each in [await log.claim(not_to=["slow.example"]) for _ in range(2)]]

        assert names == ["b", None]

    async def test_hands_each_due_delivery_to_one(self, log: Deliveries) -> None:
        names = [str(number) for number in range(20)]
        await make(log, names)

        taken = await asyncio.gather(*(log.claim() for _ in range(30)))

        assert sorted(each.id for each in taken if each is not None) == sorted(names)

    async def test_hands_out_again_what_was_claimed_by_one_that_died(self, log: Deliveries) -> None:
        await log.add([claimed(delivery("a"), now=utc_now() - CLAIM)])

        taken = await log.claim()

        assert taken is not None
        assert taken.id == "a"

    async def test_takes_no_word_from_one_that_lost_its_claim(self, log: Deliveries) -> None:
        frozen = claimed(delivery("a"), now=utc_now() - CLAIM)
        await log.add([frozen])
        other = await log.claim()
        assert other is not None
        delivered = after_try(other, Outcome(ok=True, code="200"), began=utc_now(), now=utc_now())
        failed = after_try(frozen, Outcome(ok=False, code="500"), began=utc_now(), now=utc_now())

        assert await log.put(delivered, held=other.due_at)
        assert not await log.put(failed, held=frozen.due_at)

        assert await log.get("a") == delivered


class TestTwoNotifiers:
    async def test_send_each_due_delivery_once(self, log: Deliveries) -> None:
        names = [str(number) for number in range(30)]
        await make(log, names)
        recipient = Recipient()

        async with sending(log, recipient), sending(log, recipient):
            await wait_for(recipient, names)

        assert sorted(recipient.got) == sorted(names)
        found = [await log.get(name) for name in names]
        assert {each.status for each in found if each is not None} == {Status.DELIVERED}


class TestASlowHost:
    async def test_holds_up_no_other(self, log: Deliveries) -> None:
        slow = [f"slow {number}" for number in range(200)]
        await make(log, slow, "https://slow.example/hook")
        recipient = Recipient()

        async with sending(log, recipient):
            await wait_for(recipient, slow[:1])
            await make(log, ["quick"])
            await wait_for(recipient, ["quick"])
            assert len(recipient.got) == AT_ONCE_FOR_ONE + 1

            recipient.answers.set()
            await wait_for(recipient, slow)

        assert len(recipient.got) == len(slow) + 1

    async def test_is_called_again_as_soon_as_there_is_room(self, log: Deliveries) -> None:
        slow = [f"slow {number}" for number in range(40)]
        await make(log, slow, "https://slow.example/hook")
        recipient = Recipient()
        recipient.answers.set()

        async with asyncio.timeout(5), sending(log, recipient, every=60) as sender:
            sender.look()
            await wait_for(recipient, slow)


class TestATryThatGoesWrong:
    async def test_is_logged_and_made_again_later(self, log: Deliveries) -> None:
        await make(log, ["a"], "https://odd.example")
        recipient = Recipient()

        async with sending(log, recipient):
            await wait_for(recipient, ["a"])

        tried = await log.get("a")
        assert tried is not None
        assert (tried.status, tried.tries[0].code) == (Status.PENDING, "internal")
        assert tried.due_at is not None


class TestRoom:
    async def test_is_given_to_so_many_of_one_host_and_in_all(self, log: Deliveries) -> None:
        sender = Sender(log, {})
        many = [delivery(f"{host} {n}", f"https://{host}.example") for n in range(9) for host in range(20)]

        fitting = sender.fitting(many)

        assert len(fitting) == AT_ONCE
        assert len(sender.fitting(each for each in many if each.host == "0.example")) == AT_ONCE_FOR_ONE
