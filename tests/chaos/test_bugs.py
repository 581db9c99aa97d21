"""The checker is checked: what is seeded is found, and nothing else is."""

import subprocess
import sys

import pytest

from tests.chaos.bugs import BUGS
from tests.chaos.bugs_run import find, find_nothing
from tests.chaos.bugs_stories import STORIES
from tests.chaos.checker_rules import RULES
from tests.chaos.stage import ROOT


def test_every_bug_has_a_story_and_a_rule_that_speaks() -> None:
    assert set(STORIES) == set(BUGS)
    assert {rule for _, rule in STORIES.values()} <= set(RULES)


def test_every_bug_still_finds_what_it_spoils() -> None:
    seeding = "from tests.chaos import bugs\nfor bug in bugs.BUGS.values(): bug.seed()"

    subprocess.run([sys.executable, "-c", seeding], cwd=ROOT, check=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", ["outbox_deleted_early", "long_task_let_go_early"])
async def test_a_seeded_bug_is_found(bug: str) -> None:
    found = await find(bug)

    assert found.is_right, f"{found}\n{found.verdict}"


async def test_nothing_is_found_where_nothing_is_wrong() -> None:
    found = await find_nothing(STORIES["outbox_deleted_early"][0])

    assert found.is_right, f"{found}\n{found.verdict}"
    assert found.verdict.rows[0].cases > 0
