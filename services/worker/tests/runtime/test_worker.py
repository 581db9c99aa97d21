"""What a worker does with a delivery, and in which order."""

import asyncio

import pytest

from filemill_common.events import (
    AttemptFailed,
    AttemptProgressed,
    AttemptReleased,
    AttemptRevoked,
    AttemptStarted,
    AttemptSucceeded,
    TaskCommand,
)
from filemill_worker.handlers import UnexpectedEventError
from filemill_worker.processors import Product
from filemill_worker.testing.attempts import AttemptBench, ready

LEASE = 0.2
"""Seconds; such a lease is renewed each 20 to 50 ms."""


class TestShort:
    async def test_it_is_acknowledged_after_its_result_was_confirmed(self, bench: AttemptBench) -> None:
        bench.hands.make("t", Product({"a": 1}))

        await bench.take(ready())

        assert bench.broker.log == ["began t", "AttemptSucceeded t", "acked t"]

    async def test_its_report_says_whose_it_is(self, bench: AttemptBench) -> None:
        bench.hands.make("t", Product({"a": 1}))

        await bench.take(ready(attempt=3))

        [result] = bench.broker.all(AttemptSucceeded)
        assert (result.task_id, result.attempt, result.worker) == ("t", 3, "w")
        assert (result.partition_key, result.traceparent) == ("p", "00-1-2-01")
        assert (result.output, result.file) == ({"a": 1}, None)

    async def test_each_taking_is_an_execution_of_its_own(self, bench: AttemptBench) -> None:
        bench.hands.make("t")

        await bench.take(ready())
        await bench.take(ready())

        first, second = bench.broker.all(AttemptSucceeded)
        assert first.execution != second.execution

    async def test_while_the_broker_is_away_its_result_is_kept_and_it_is_not_acknowledged(
        self, bench: AttemptBench
    ) -> None:
        bench.broker.is_away = True
        bench.hands.make("t")
        taken = bench.take(ready())
        await bench.broker.until("began t")
        await asyncio.sleep(0.05)

        assert bench.broker.log == ["began t"]
        bench.broker.is_away = False
        await taken
        assert bench.broker.log == ["began t", "AttemptSucceeded t", "acked t"]

    async def test_results_that_come_together_travel_together(self, bench: AttemptBench) -> None:
        tasks = [f"t{number}" for number in range(20)]
        for task in tasks:
            bench.hands.make(task)

        await asyncio.gather(*(bench.take(ready(task)) for task in tasks))

        assert len(bench.broker.events) == 20
        assert len(bench.broker.batches) <= 3

    async def test_what_is_no_work_is_refused(self, bench: AttemptBench) -> None:
        stray = TaskCommand(command_id="c", task_id="t", command="cancel")

        with pytest.raises(UnexpectedEventError, match="TaskCommand is no work"):
            await bench.take(stray)


class TestLong:
    async def test_it_is_reported_as_started_then_let_go_and_its_result_follows(
        self, hasty: AttemptBench
    ) -> None:
        taken = hasty.take(ready())
        await hasty.broker.until("detached t")
        hasty.hands.make("t")
        await taken

        assert hasty.broker.log == [
            "began t",
            "AttemptStarted t",
            "detached t",
            "AttemptSucceeded t",
            "ended t",
        ]

    async def test_it_is_not_let_go_before_its_start_was_confirmed(self, hasty: AttemptBench) -> None:
        hasty.broker.is_away = True
        hasty.take(ready())
        await hasty.broker.until("began t")
        await asyncio.sleep(0.05)

        assert hasty.broker.log == ["began t"]
        hasty.broker.is_away = False
        await hasty.broker.until("detached t")

    async def test_all_reports_of_one_taking_name_the_same_execution(self, hasty: AttemptBench) -> None:
        taken = hasty.take(ready(lease=LEASE))
        await hasty.broker.until("AttemptProgressed t")
        hasty.hands.make("t")
        await taken

        assert len({event.execution for event in hasty.broker.events}) == 1  # type: ignore[attr-defined]

    async def test_a_redelivered_one_is_reported_as_started_before_it_begins(
        self, bench: AttemptBench
    ) -> None:
        bench.hands.make("t")

        await bench.take(ready(), redelivered=True)

        assert bench.broker.log == [
            "AttemptStarted t",
            "detached t",
            "began t",
            "AttemptSucceeded t",
            "ended t",
        ]

    async def test_so_is_one_that_lost_a_worker(self, bench: AttemptBench) -> None:
        bench.hands.make("t")

        await bench.take(ready(losses=1))

        assert bench.broker.log[0] == "AttemptStarted t"


class TestLease:
    async def test_it_is_renewed_while_nothing_moves(self, hasty: AttemptBench) -> None:
        hasty.take(ready(lease=LEASE))
        await hasty.broker.until("AttemptProgressed t", times=3)

        told = hasty.broker.all(AttemptProgressed)[:3]
        assert [(each.sequence, each.progress) for each in told] == [(1, 0), (2, 0), (3, 0)]

    async def test_progress_is_told_once_and_the_last_one_counts(self, hasty: AttemptBench) -> None:
        hasty.take(ready(lease=4))
        await hasty.broker.until("detached t")
        for percent in (10, 30, 20):
            hasty.hands.tell["t"](percent, f"{percent} done")
        await hasty.broker.until("AttemptProgressed t")

        [told] = hasty.broker.all(AttemptProgressed)
        assert (told.progress, told.message) == (30, "20 done")

    async def test_a_renewal_that_got_lost_is_made_good(self, hasty: AttemptBench) -> None:
        hasty.take(ready(lease=LEASE))
        await hasty.broker.until("AttemptProgressed t")
        hasty.broker.is_away = True
        await asyncio.sleep(LEASE)
        hasty.broker.is_away = False

        await hasty.broker.until("AttemptProgressed t", times=2)

    async def test_it_ends_with_the_attempt(self, hasty: AttemptBench) -> None:
        taken = hasty.take(ready(lease=LEASE))
        await hasty.broker.until("AttemptProgressed t")
        hasty.hands.make("t")
        await taken
        await asyncio.sleep(LEASE)

        assert hasty.broker.log[-2:] == ["AttemptSucceeded t", "ended t"]

    async def test_a_short_one_has_none(self, bench: AttemptBench) -> None:
        taken = bench.take(ready(lease=LEASE))
        await bench.broker.until("began t")
        bench.hands.tell["t"](50, "half")
        await asyncio.sleep(LEASE)
        bench.hands.make("t")
        await taken

        assert bench.broker.all(AttemptProgressed) == []


class TestAlone:
    async def test_it_begins_when_the_others_have_ended_and_nothing_is_taken_meanwhile(
        self, bench: AttemptBench
    ) -> None:
        other = bench.take(ready("other"))
        await bench.broker.until("began other")
        alone = bench.take(ready("alone", losses=2))
        await bench.broker.until("detached alone")
        await asyncio.sleep(0.02)

        assert bench.hands.working == ["other"]
        assert all(slot.is_paused for slot in bench.slots)
        bench.hands.make("other")
        await other
        await bench.broker.until("began alone")
        assert bench.hands.working == ["alone"]
        bench.hands.make("alone")
        await alone
        assert not any(slot.is_paused for slot in bench.slots)

    async def test_it_keeps_its_lease_while_it_waits(self, bench: AttemptBench) -> None:
        bench.take(ready("other"))
        await bench.broker.until("began other")
        bench.take(ready("alone", losses=2, lease=LEASE))

        await bench.broker.until("AttemptProgressed alone", times=2)
        assert bench.hands.working == ["other"]

    async def test_what_was_taken_in_the_last_moment_waits_until_it_has_ended(
        self, hasty: AttemptBench
    ) -> None:
        alone = hasty.take(ready("alone", losses=2))
        await hasty.broker.until("began alone")
        late = hasty.take(ready("late", losses=1))
        await hasty.broker.until("detached late")
        assert hasty.hands.working == ["alone"]

        hasty.hands.make("alone")
        hasty.hands.make("late")
        await asyncio.gather(alone, late)
        assert hasty.broker.log[-2:] == ["AttemptSucceeded late", "ended late"]

    async def test_a_second_one_goes_back_so_that_others_come_between(self, bench: AttemptBench) -> None:
        first = bench.take(ready("first", losses=2))
        await bench.broker.until("began first")

        await bench.take(ready("second", losses=2))

        assert bench.broker.log[-2:] == ["AttemptReleased second", "acked second"]
        assert bench.hands.working == ["first"]
        bench.hands.make("first")
        await first
        again = bench.take(ready("second", losses=2, attempt=2))
        await bench.broker.until("began second")
        bench.hands.make("second")
        await again

    async def test_it_can_be_revoked_while_it_waits(self, bench: AttemptBench) -> None:
        bench.take(ready("other"))
        await bench.broker.until("began other")
        alone = bench.take(ready("alone", losses=2))
        await bench.broker.until("detached alone")

        await bench.worker.on_revoked(AttemptRevoked(task_id="alone", attempt=1))
        await alone
        assert not any(slot.is_paused for slot in bench.slots)


class TestRevocation:
    async def test_it_ends_the_processing_without_a_word(self, hasty: AttemptBench) -> None:
        taken = hasty.take(ready())
        await hasty.broker.until("detached t")
        await hasty.worker.on_revoked(AttemptRevoked(task_id="t", attempt=1))
        await taken

        assert hasty.hands.killed == ["t"]
        assert hasty.broker.log == ["began t", "AttemptStarted t", "detached t", "ended t"]

    async def test_a_short_one_is_acknowledged(self, bench: AttemptBench) -> None:
        taken = bench.take(ready())
        await bench.broker.until("began t")
        await bench.worker.on_revoked(AttemptRevoked(task_id="t", attempt=1))
        await taken

        assert bench.broker.log == ["began t", "acked t"]

    async def test_others_go_on(self, bench: AttemptBench) -> None:
        bench.take(ready("other"))
        await bench.broker.until("began other")
        await bench.worker.on_revoked(AttemptRevoked(task_id="t", attempt=1))
        await asyncio.sleep(0.02)

        assert bench.hands.working == ["other"]


class TestStop:
    async def test_long_attempts_are_given_back_and_short_ones_end(self, bench: AttemptBench) -> None:
        bench.take(ready("long"), redelivered=True)
        bench.take(ready("short"))
        await bench.broker.until("began long")
        await bench.broker.until("began short")

        stopping = asyncio.create_task(bench.worker.stop())
        await bench.broker.until("ended long")
        assert bench.hands.working == ["short"]
        assert all(slot.is_paused for slot in bench.slots)
        bench.hands.make("short")
        await stopping
        assert [type(event) for event in bench.broker.events] == [
            AttemptStarted,
            AttemptReleased,
            AttemptSucceeded,
        ]

    async def test_a_short_one_that_becomes_long_meanwhile_is_given_back(self, hasty: AttemptBench) -> None:
        taken = hasty.take(ready())
        await hasty.broker.until("began t")

        await hasty.worker.stop()
        await taken
        assert hasty.hands.killed == ["t"]
        assert hasty.broker.log[-2:] == ["AttemptReleased t", "acked t"]

    async def test_the_release_is_confirmed_before_it_ends(self, hasty: AttemptBench) -> None:
        hasty.take(ready())
        await hasty.broker.until("detached t")
        hasty.broker.is_away = True
        stopping = asyncio.create_task(hasty.worker.stop())
        await asyncio.sleep(0.05)

        assert not stopping.done()
        hasty.broker.is_away = False
        await stopping
        assert len(hasty.broker.all(AttemptReleased)) == 1

    async def test_one_that_ends_before_its_start_is_confirmed_reports_its_result(
        self, hasty: AttemptBench
    ) -> None:
        hasty.broker.is_away = True
        taken = hasty.take(ready())
        await hasty.broker.until("began t")
        await asyncio.sleep(0.05)
        hasty.hands.make("t")
        stopping = asyncio.create_task(hasty.worker.stop())
        hasty.broker.is_away = False
        await asyncio.gather(taken, stopping)

        assert len(hasty.broker.all(AttemptSucceeded)) == 1
        assert hasty.broker.all(AttemptFailed) == []

    async def test_being_dropped_ends_the_processing_too(self, bench: AttemptBench) -> None:
        taken = bench.take(ready())
        await bench.broker.until("began t")

        taken.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taken
        assert bench.hands.killed == ["t"]
        assert bench.broker.events == []


class TestMetrics:
    async def test_they_count_how_attempts_ended_and_how_many_are_in_hand(self, bench: AttemptBench) -> None:
        bench.hands.make("good")
        bench.hands.make("bad", ValueError("oh"))
        await bench.take(ready("good"))
        await bench.take(ready("bad"))
        bench.take(ready("other"))
        await bench.broker.until("began other")

        def value(name: str, **labels: str) -> float | None:
            return bench.registry.get_sample_value(name, labels)

        assert value("filemill_executions_total", type="echo", outcome="succeeded") == 1
        assert value("filemill_executions_total", type="echo", outcome="failed") == 1
        assert value("filemill_execution_duration_seconds_count", type="echo") == 2
        assert value("filemill_progress_ratio_total", type="echo") == 1
        assert value("filemill_worker_busy_slots", pool="default") == 1
        assert value("filemill_worker_busy_slots", pool="video") == 0
