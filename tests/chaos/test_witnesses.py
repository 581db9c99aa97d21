"""What the journal, the operation log and the crash points say."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.crashing import Fate, arm, seen
from tests.chaos.journal import Journal, read
from tests.chaos.oplog import changed, versions
from tests.chaos.patch import patch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class TestTheJournal:
    def test_is_read_back_in_the_order_of_time_with_who_wrote(self, tmp_path: Path) -> None:
        first, second = Journal(tmp_path, "worker"), Journal(tmp_path, "stage")

        first.write("began", task_id="a")
        second.write("told", data={"ü": [1]})
        first.write("ended", task_id="a")

        assert [(line["what"], line["by"].partition("-")[0]) for line in read(tmp_path)] == [
            ("began", "worker"),
            ("told", "stage"),
            ("ended", "worker"),
        ]

    def test_leaves_out_what_a_killed_process_could_not_finish(self, tmp_path: Path) -> None:
        (tmp_path / "worker-1.jsonl").write_text('{"at": 1, "what": "alive"}\n{"at": 2, "wh')

        assert read(tmp_path) == [{"at": 1, "what": "alive", "by": "worker-1"}]


class TestTheOperationLog:
    def test_gives_each_version_of_a_document(self) -> None:
        log: list[dict[str, Any]] = [
            {"op": "i", "ns": "d.tasks", "o": {"_id": "a", "n": 1}, "wall": NOON},
            {"op": "n", "ns": "", "o": {}, "wall": NOON},
            {
                "op": "c",
                "ns": "admin.$cmd",
                "o": {
                    "applyOps": [
                        {
                            "op": "u",
                            "ns": "d.tasks",
                            "o": {"$v": 2, "diff": {"u": {"n": 2}}},
                            "o2": {"_id": "a"},
                        },
                        {"op": "i", "ns": "d.outbox", "o": {"_id": "b"}},
                    ]
                },
                "wall": NOON,
            },
            {"op": "d", "ns": "d.tasks", "o": {"_id": "a"}, "wall": NOON},
        ]

        assert list(versions(log, ["d.tasks"])) == [
            ("d.tasks", "a", {"_id": "a", "n": 1, "at": NOON}),
            ("d.tasks", "a", {"_id": "a", "n": 2, "at": NOON}),
            ("d.tasks", "a", {"at": NOON}),
        ]

    def test_that_has_lost_its_beginning_is_no_witness(self) -> None:
        update = {"op": "u", "ns": "d.tasks", "o": {"$v": 2, "diff": {}}, "o2": {"_id": "a"}, "wall": NOON}

        with pytest.raises(LookupError, match="the log has forgotten how a began"):
            list(versions([update], ["d.tasks"]))

    @pytest.mark.parametrize(
        ("diff", "after"),
        [
            ({"d": {"a": False}}, {"b": {"c": 1}, "l": [1, 2]}),
            ({"u": {"a": 2}, "i": {"n": 3}}, {"a": 2, "b": {"c": 1}, "l": [1, 2], "n": 3}),
            ({"sb": {"i": {"d": 2}}}, {"a": 1, "b": {"c": 1, "d": 2}, "l": [1, 2]}),
            ({"sl": {"a": True, "u1": 5, "u3": 7}}, {"a": 1, "b": {"c": 1}, "l": [1, 5, None, 7]}),
            ({"sl": {"a": True, "l": 1}}, {"a": 1, "b": {"c": 1}, "l": [1]}),
        ],
    )
    def test_describes_what_differs(self, diff: dict[str, Any], after: dict[str, Any]) -> None:
        before: dict[str, Any] = {"a": 1, "b": {"c": 1}, "l": [1, 2]}

        assert changed(before, {"$v": 2, "diff": diff}) == after
        assert before == {"a": 1, "b": {"c": 1}, "l": [1, 2]}


class TestFate:
    def test_of_nobody_who_asked_for_none_is_to_live(self) -> None:
        assert not any(Fate.of("").strikes("p", hit, 1) for hit in range(1_000))

    def test_strikes_as_often_as_asked_and_the_same_for_a_seed(self) -> None:
        struck = [hit for hit in range(10_000) if Fate.of("7:0.01").strikes("p", hit, 1)]

        assert 50 < len(struck) < 150
        assert struck == [hit for hit in range(10_000) if Fate.of("7:0.01").strikes("p", hit, 1)]
        assert struck != [hit for hit in range(10_000) if Fate.of("8:0.01").strikes("p", hit, 1)]

    def test_strikes_at_one_hit_of_one_point(self) -> None:
        fate = Fate.of("0:scheduler:store.commit.before:2")

        assert [hit for hit in range(5) if fate.strikes("scheduler:store.commit.before", hit, 1)] == [2]
        assert not fate.strikes("scheduler:store.commit.after", 2, 1)
        assert (fate.freezes, fate.once) == (False, True)
        assert Fate.of("0:scheduler:store.commit.before:2:freeze").freezes

    def test_strikes_at_each_of_a_share_of_the_points(self) -> None:
        points = [f"p{number}" for number in range(1_000)]

        assert all(Fate.of("1:each:1").strikes(point, 1, 1) for point in points)
        assert 200 < sum(Fate.of("1:each:0.25").strikes(point, 1, 1) for point in points) < 300


class TestThePoints:
    def test_are_those_that_somebody_hit(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "worker")
        for name in ("b", "a"):
            journal.write("point", name=name)
        journal.write("died", name="a")

        assert str(seen(read(tmp_path))) == (
            "1 of 2 crash points killed somebody\ndeaths  point\n     1  a\n     0  b"
        )

    def test_are_armed_for_all_processes_by_a_file(self, tmp_path: Path) -> None:
        arm(tmp_path, "1:0.5")
        arm(tmp_path, "")

        assert (tmp_path / "crash").read_text() == ""


def test_what_is_to_be_changed_must_be_there() -> None:
    with pytest.raises(AttributeError, match="no_such_method"):
        patch(Journal, "no_such_method", lambda original: original)


def test_all_seeded_bugs_fit_the_code_as_it_is() -> None:
    """One that changes what is no more would be found by nobody."""
    seeded = "from tests.chaos.bugs import BUGS\nfor bug in BUGS.values(): bug.seed()\nprint(len(BUGS))"

    printed = subprocess.run([sys.executable, "-c", seeded], check=True, capture_output=True, text=True)

    assert int(printed.stdout) >= 15
