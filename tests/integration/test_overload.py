"""Ten times what the system can take: what is let in is quick and ends, the rest is told to come again."""

import json
from collections.abc import Iterator

import pytest

from benchmarks.overload import Load, all_ended, capacity, percentile
from filemill_local.stack import Stack

AT_ONCE = 2


@pytest.fixture(scope="module")
def narrow() -> Iterator[Stack]:
    """A stack whose door is narrow, since the one who pushes at it runs on the same machine."""
    with Stack.temporary(FILEMILL_SUBMISSIONS_AT_ONCE=str(AT_ONCE)) as stack:
        yield stack


class TestTenTimesTheCapacity:
    async def test_is_refused_but_for_what_is_answered_in_time(self, narrow: Stack) -> None:
        can = await capacity(narrow, seconds=3)
        calm = await Load(narrow, seconds=3, clients=AT_ONCE).run()
        outcome = await Load(narrow, seconds=10, clients=32, rate=10 * can).run()

        assert set(outcome.statuses) == {202, 429}
        # On a machine that is slow by itself, what counts is how much slower it is than without the others.
        assert percentile(outcome.waits, 99) < max(0.5, 4 * percentile(calm.waits, 99))
        for refusal in outcome.refused:
            assert int(refusal.headers["retry-after"]) > 0
            assert refusal.headers["content-type"] == "application/problem+json"
            assert json.loads(refusal.body)["code"] == "overloaded"
        assert outcome.reads
        assert max(outcome.growth(name) for name in outcome.memory) < 30e6
        ended = await all_ended(narrow, outcome.accepted, within=60)
        assert ended == {"completed": len(outcome.accepted)}
