"""Where the client of a live stream stands."""

from typing import Any

import pytest

from filemill_common.events import TaskEvent, TaskProgressed, TaskStatus, TaskView
from filemill_gateway.core.changes import EVERYTHING, Versions, read_position, topics
from filemill_gateway.testing import BEGINNING


def told(of: str, sequence: int, **fields: Any) -> TaskEvent:
    task = TaskView(
        id=of,
        type="echo",
        status=TaskStatus.RUNNING,
        created_at=BEGINNING,
        updated_at=BEGINNING,
        **fields,
    )
    return TaskProgressed(task=task, sequence=sequence)


class TestAPosition:
    def test_is_the_sum_of_the_versions(self) -> None:
        assert Versions({"w1": 3, "t1": 4}).value == 7

    def test_grows_with_what_is_new(self) -> None:
        position = Versions({"w1": 3, "t1": 4})

        assert [position.advance(told("t1", 6)), position.advance(told("t2", 1)), position.value] == [
            True,
            True,
            10,
        ]

    def test_ignores_what_the_snapshot_showed(self) -> None:
        position = Versions({"t1": 4})

        assert [position.advance(told("t1", 4)), position.advance(told("t1", 3)), position.value] == [
            False,
            False,
            4,
        ]

    def test_takes_several_changes_of_one_version(self) -> None:
        position = Versions({"t1": 4})

        assert [position.advance(told("t1", 5)), position.advance(told("t1", 5)), position.value] == [
            True,
            True,
            5,
        ]

    def test_never_falls(self) -> None:
        position = Versions({"t1": 4, "t2": 9})
        position.restart({"t1": 5})

        assert position.value == 13


def test_a_position_that_is_none_of_ours_counts_for_nothing() -> None:
    texts = (None, "", "x", "-1", "1e3", "²", "9" * 30, "42")

    assert [read_position(text) for text in texts] == [0, 0, 0, 0, 0, 0, 0, 42]


@pytest.mark.parametrize(
    ("fields", "others"),
    [
        ({}, {EVERYTHING}),
        ({"workflow_id": "w1"}, {"w1", EVERYTHING}),
        ({"workflow_id": "w1", "item": 0}, {EVERYTHING}),
        ({"workflow_id": "w1", "kind": "wait"}, {"w1"}),
        ({"workflow_id": "w1", "kind": "wait", "item": 0}, set()),
    ],
)
def test_a_change_is_told_where_its_task_is_shown(fields: dict[str, Any], others: set[str]) -> None:
    assert topics(told("t1", 1, **fields)) == {"t1", *others}
