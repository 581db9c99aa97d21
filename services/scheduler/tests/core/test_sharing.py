"""Whoever is busy with more than its share of the partitions lets one go."""

import pytest

from filemill_scheduler.core.sharing import to_let_go


class TestToLetGo:
    @pytest.mark.parametrize(
        ("active", "partitions", "replicas", "goes"),
        [
            ([0, 1, 2], 3, 1, None),
            ([0, 1, 2], 3, 2, 2),
            ([0, 1], 3, 2, None),
            ([0, 1], 3, 3, 1),
            ([0], 3, 3, None),
            ([2], 3, 7, None),
            ([], 3, 2, None),
            ([0, 1, 2], 3, 0, None),
        ],
    )
    def test_is_the_last_of_what_is_too_much(
        self, active: list[int], partitions: int, replicas: int, goes: int | None
    ) -> None:
        assert to_let_go(active, partitions=partitions, replicas=replicas) == goes

    def test_comes_to_an_end_whoever_gets_what_was_let_go(self) -> None:
        for partitions in range(1, 9):
            for replicas in range(1, 6):
                held = [set(range(partitions)), *(set[int]() for _ in range(replicas - 1))]
                for _ in range(partitions * replicas):
                    for number, mine in enumerate(held):
                        goes = to_let_go(mine, partitions=partitions, replicas=replicas)
                        if goes is not None:
                            mine.remove(goes)
                            held[(number + 1) % replicas].add(goes)

                assert max(map(len, held)) == -(-partitions // replicas)
