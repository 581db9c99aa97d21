"""What a worker decides about the attempts that it has taken."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filemill_common.events import AttemptFailed, AttemptProgressed, AttemptRevoked, TaskReady
from filemill_worker.core.attempts import Pace, Standing, Take, check_output, is_kept, turns
from filemill_worker.errors import ProcessingError

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def take(task: str = "t", *, attempt: int = 1, losses: int = 0, redelivered: bool = False) -> Take:
    ready = TaskReady(
        task_id=task,
        attempt=attempt,
        losses=losses,
        task_type="echo",
        options={},
        partition_key="p",
        traceparent="00-1-2-01",
    )
    return Take(
        ready, execution=f"{task}-x", worker="w", started_at=NOW, since=100.0, redelivered=redelivered
    )


class TestLong:
    def test_a_first_delivery_is_short_until_it_has_taken_its_time(self) -> None:
        assert not take().is_long_at_once

    def test_a_redelivered_one_is_long_at_once(self) -> None:
        assert take(redelivered=True).is_long_at_once

    def test_one_that_lost_a_worker_is_long_at_once(self) -> None:
        assert take(losses=1).is_long_at_once

    def test_a_redelivery_alone_is_no_reason_to_run_alone(self) -> None:
        assert not take(redelivered=True, losses=1).is_alone

    def test_one_that_lost_two_workers_runs_alone(self) -> None:
        assert take(losses=2).is_alone


class TestTurns:
    def test_all_run_side_by_side(self) -> None:
        assert list(turns([take("a"), take("b"), take("c")])) == [True, True, True]

    def test_one_that_runs_alone_waits_for_those_before_it_and_those_after_it_wait(self) -> None:
        assert list(turns([take("a"), take("b", losses=2), take("c")])) == [True, False, False]

    def test_of_two_that_run_alone_the_first_goes_first(self) -> None:
        assert list(turns([take("a", losses=2), take("b", losses=2)])) == [True, False]

    def test_of_two_that_run_alone_one_is_kept(self) -> None:
        assert is_kept(take("a", losses=2), [take("b", losses=1)])
        assert not is_kept(take("a", losses=2), [take("b"), take("c", losses=2)])
        assert is_kept(take("a", losses=1), [take("b", losses=2)])

    @given(st.lists(st.integers(0, 3), min_size=1))
    def test_somebody_may_always_begin(self, losses: list[int]) -> None:
        assert next(turns(take(losses=count) for count in losses))

    @given(st.lists(st.integers(0, 3)))
    def test_who_runs_alone_runs_with_nobody(self, losses: list[int]) -> None:
        takes = [take(losses=count) for count in losses]

        running = [each for each, may_begin in zip(takes, turns(takes), strict=True) if may_begin]

        assert len(running) == 1 or not any(each.is_alone for each in running)


class TestRevocation:
    @pytest.mark.parametrize("attempt", [2, 3])
    def test_it_closes_every_attempt_up_to_the_one_it_names(self, attempt: int) -> None:
        assert take(attempt=2).is_closed_by(AttemptRevoked(task_id="t", attempt=attempt))

    def test_a_later_attempt_goes_on(self) -> None:
        assert not take(attempt=2).is_closed_by(AttemptRevoked(task_id="t", attempt=1))

    def test_another_task_goes_on(self) -> None:
        assert not take().is_closed_by(AttemptRevoked(task_id="other", attempt=1))

    def test_it_may_mean_one_execution_alone(self) -> None:
        assert take().is_closed_by(AttemptRevoked(task_id="t", attempt=1, execution="t-x"))
        assert not take().is_closed_by(AttemptRevoked(task_id="t", attempt=1, execution="other"))


class TestProgress:
    def test_it_never_falls_but_its_words_change(self) -> None:
        assert Standing(50, "half").further(20, "retrying") == Standing(50, "retrying")

    def test_a_report_without_words_keeps_the_last_ones(self) -> None:
        assert Standing(50, "half").further(60, None) == Standing(60, "half")

    @given(st.lists(st.floats()))
    def test_it_stays_between_0_and_100_whatever_a_processor_says(self, said: list[float]) -> None:
        standing = Standing()

        for progress in said:
            before, standing = standing, standing.further(progress, None)
            assert 0 <= before.progress <= standing.progress <= 100


class TestPace:
    def test_a_lease_of_20_s_is_renewed_each_2_to_5_s(self) -> None:
        assert Pace.of(20) == Pace(moving=2, silent=5)

    def test_a_longer_lease_is_renewed_as_often_so_that_progress_is_seen(self) -> None:
        assert Pace.of(600) == Pace(moving=2, silent=5)

    def test_a_shorter_lease_is_renewed_four_times_before_it_lapses(self) -> None:
        assert Pace.of(4) == Pace(moving=0.4, silent=1)


class TestTimes:
    def test_an_end_is_the_start_and_what_has_passed_since_whatever_is_done_to_the_clock(self) -> None:
        assert take().ended_at(102.5) == NOW + timedelta(seconds=2.5)


class TestReports:
    def test_a_report_says_whose_it_is_and_goes_where_the_task_came_from(self) -> None:
        report = take(attempt=3).failed("broken", "It broke.", NOW, retryable=False)

        assert report == AttemptFailed(
            task_id="t",
            attempt=3,
            execution="t-x",
            worker="w",
            code="broken",
            message="It broke.",
            retryable=False,
            started_at=NOW,
            completed_at=NOW,
            time=NOW,
            partition_key="p",
            traceparent="00-1-2-01",
        )

    def test_each_renewal_is_a_fact_of_its_own(self) -> None:
        first, second = (take().progressed(Standing(5, "a bit"), number, NOW) for number in (1, 2))

        assert isinstance(first, AttemptProgressed)
        assert first.id != second.id


class TestOutput:
    def test_64_kib_of_json_travel_inline(self) -> None:
        check_output({"a": "x" * (65_536 - len('{"a":""}'))})

    def test_more_belongs_into_a_file(self) -> None:
        with pytest.raises(ProcessingError, match="65537 bytes as JSON; 65536 are allowed") as refused:
            check_output({"a": "x" * (65_537 - len('{"a":""}'))})

        assert (refused.value.code, refused.value.retryable) == ("output_too_large", False)
