"""Plays the story of each seeded bug, with the bug and without it: the checker must tell them apart."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.chaos.bugs import BUGS
from tests.chaos.bugs_stories import STORIES, Story
from tests.chaos.checker import Verdict
from tests.chaos.stage import Stage


@dataclass(frozen=True, slots=True)
class Found:
    """What the checker said of a story.

    Attributes:
        bug: The one that was seeded; empty for none.
        expected: The rule that should speak; None if none should.
        verdict: What it said.
        seconds: How long it took.
    """

    bug: str
    story: str
    expected: str | None
    verdict: Verdict
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether a bug was found by its rule, or nothing was found where nothing was."""
        return self.expected in self.verdict.spoke if self.expected else not self.verdict.violations

    def __str__(self) -> str:
        """Show it as a line of the table."""
        spoke = " ".join(self.verdict.spoke) or "none"
        judged = "ok" if self.is_right else "WRONG"
        return f"{judged:5} {self.seconds:4.0f} s  {self.bug or '-':24} {self.story:58} {spoke}"


async def tell(story: Story, *, bug: str = "") -> Verdict:
    """Play a story on a stack of its own, and judge it."""
    with TemporaryDirectory(prefix="chaos-") as folder, Stage.set(Path(folder), bug=bug) as stage:
        await stage.observe()
        await story.play(stage)
        return await stage.verdict(within=story.within)


async def find(bug: str) -> Found:
    """Play the story of a bug with the bug in it."""
    story, rule = STORIES[bug]
    return await _timed(story, bug=bug, rule=rule)


async def find_nothing(story: Story) -> Found:
    """Play a story without a bug."""
    return await _timed(story, bug="", rule=None)


async def _timed(story: Story, *, bug: str, rule: Any) -> Found:
    began = time.monotonic()
    verdict = await tell(story, bug=bug)
    return Found(bug, story.name, rule and rule.__doc__, verdict, time.monotonic() - began)


def run_bugs(names: Sequence[str] = ()) -> int:
    """Play the stories of bugs, all if none is named, and print what was found.

    Returns:
        How many bugs were not found, or found where there was none.
    """
    wrong = 0
    for found in _found(names or tuple(BUGS)):
        print(found, flush=True)  # noqa: T201 - a command's output
        if not found.is_right:
            print(found.verdict, flush=True)  # noqa: T201
            wrong += 1
    return wrong


def _found(names: Sequence[str]) -> Iterable[Found]:
    stories = {STORIES[name][0].name: STORIES[name][0] for name in names}
    for story in stories.values():
        yield asyncio.run(find_nothing(story))
    for name in names:
        yield asyncio.run(find(name))
