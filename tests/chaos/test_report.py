"""What is said about a run, and kept of it."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.chaos.checker import Row, Verdict
from tests.chaos.crashing import Seen
from tests.chaos.run import Report
from tests.chaos.run_record import README, recorded

GOOD = Report(
    seed=7,
    size="normal",
    accepted=800,
    faults=Counter({"kill worker": 3}),
    too_late=0,
    repeated=40,
    points=Seen(frozenset({"a"}), Counter()),
    quiet=True,
    verdict=Verdict((Row("All is well.", 5, ()),)),
    seconds=600,
)


class TestAReport:
    def test_is_good_if_no_rule_speaks_and_each_had_something_to_look_at(self) -> None:
        assert GOOD.is_good
        assert not replace(GOOD, quiet=False).is_good
        assert not replace(GOOD, verdict=Verdict((Row("All is well.", 5, ("a is lost",)),))).is_good
        assert not replace(GOOD, verdict=Verdict((Row("All is well.", 0, ()),))).is_good

    def test_names_seed_faults_and_rules(self) -> None:
        for words in (
            "seed 7, normal: 800 requests",
            "     3  kill worker",
            "         0         5  All is well.",
        ):
            assert words in str(GOOD)
        assert "not all ended in time" in str(replace(GOOD, quiet=False))


class TestTheReadme:
    def test_keeps_the_last_reports_of_two_seeds_in_their_place(self) -> None:
        text = README.read_text()
        for day, seed in enumerate((7, 8, 9, 9), start=1):
            text = recorded(text, replace(GOOD, seed=seed), now=datetime(2026, 1, day, tzinfo=UTC))

        assert re.findall(r"^seed (\d+), normal", text, re.MULTILINE) == ["9", "8"]
        assert re.findall("^2026-01-(.*), ", text, re.MULTILINE) == ["04", "02"]
        assert text.count("<!-- normal -->") == text.count("<!-- end of normal -->") == 1

    def test_has_no_place_for_a_short_run(self) -> None:
        with pytest.raises(ValueError, match="no place for a run of the size short"):
            recorded(README.read_text(), replace(GOOD, size="short"), now=datetime(2026, 1, 1, tzinfo=UTC))
