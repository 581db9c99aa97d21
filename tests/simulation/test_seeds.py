"""Whatever goes wrong in a world of chance, no rule breaks."""

from collections.abc import Iterator

import pytest

from tests.simulation.seeding import Bug, known_bugs
from tests.simulation.services import virtual_edges
from tests.simulation.simulation import play

BUGS = known_bugs()
SEEDS = 2_000
AT_ONCE = 100


@pytest.fixture(autouse=True)
def edges() -> Iterator[None]:
    with virtual_edges():
        yield


class TestSeededBugs:
    def test_are_many(self) -> None:
        assert len(BUGS) >= 30

    @pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
    def test_fit_the_code_as_it_is(self, bug: Bug) -> None:
        with bug.seeded():
            pass


class TestEverySeed:
    @pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
    def test_keeps_all_rules(self, first: int) -> None:
        for seed in range(first, first + AT_ONCE):
            assert play(seed).violations == (), f"python -m tests.simulation {seed}"

    @pytest.mark.parametrize("seed", [3, 42, 150])
    def test_is_always_the_same(self, seed: int) -> None:
        assert [str(note) for note in play(seed).notes] == [str(note) for note in play(seed).notes]
