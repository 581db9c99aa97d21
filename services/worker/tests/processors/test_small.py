"""The small types do what their options say."""

from filemill_worker.processors import Product
from filemill_worker.testing.bench import Bench


class TestEcho:
    async def test_its_options_become_its_output(self, bench: Bench) -> None:
        assert await bench.work("echo", a=[1, None], b={"c": 0.5}) == Product(
            {"a": [1, None], "b": {"c": 0.5}}
        )


class TestSleep:
    async def test_it_reports_how_far_it_is(self, bench: Bench) -> None:
        assert await bench.work("sleep", seconds=0.05) == Product({"seconds": 0.05})
        assert [message for _, message in bench.reports] == ["0 s left"]

    async def test_no_time_at_all_is_allowed(self, bench: Bench) -> None:
        assert await bench.work("sleep", seconds=0) == Product({"seconds": 0.0})


class TestFail:
    async def test_it_fails_as_it_is_told(self, bench: Bench) -> None:
        failure = await bench.failure("fail", code="no_luck", message="No luck today.", retryable=False)

        assert failure == ("no_luck", False, "No luck today.")

    async def test_after_the_given_number_of_attempts_it_succeeds(self, bench: Bench) -> None:
        assert (await bench.failure("fail", attempt=2, times=2))[0] == "failed_on_purpose"
        assert await bench.work("fail", attempt=3, times=2) == Product({})
