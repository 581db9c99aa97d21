"""Dies once at each crash point of each service, while small workflows run: all must end well."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx

from filemill_local.user import chain, fan
from tests.chaos.bugs_stories import command_before_its_task, poison, thumbnail
from tests.chaos.checker import Verdict
from tests.chaos.crashing import Fate, Seen, arm, seen
from tests.chaos.journal import read
from tests.chaos.stage import Stage


@dataclass(frozen=True, slots=True)
class Deaths:
    """What came of it.

    Attributes:
        chosen: The points that should kill, of those that were hit.
        seen: Which were hit, and which killed.
        verdict: Of the checker, at the end.
    """

    chosen: frozenset[str]
    seen: Seen
    verdict: Verdict

    @property
    def missing(self) -> frozenset[str]:
        """The chosen points at which nobody died."""
        return self.chosen - set(self.seen.died)

    def __str__(self) -> str:
        """Show the points, then what the checker said."""
        return f"{self.seen}\n\n{self.verdict}"


async def die_everywhere(*, seed: int, share: float = 1.0, rounds: int = 2, within: float = 1800) -> Deaths:
    """Let the services die once at each of a share of their crash points.

    Args:
        seed: Chooses the points.
        share: How many of them: 1 is all, 0.1 about a tenth.
        rounds: How many rounds of load without a death end it: then all that can be reached had theirs.
        within: Seconds after which nobody dies any more.
    """
    spec = f"{seed}:each:{share}"
    deadline = time.monotonic() + within
    with TemporaryDirectory(prefix="points-") as folder, Stage.set(Path(folder)) as stage:
        await stage.observe()
        arm(stage.folder, spec)
        quiet, deaths = 0, 0
        while quiet < rounds and time.monotonic() < deadline:
            await _load(stage)
            while not _all_ended(stage) and time.monotonic() < deadline:
                await asyncio.sleep(1)
            died = len(stage.lines("died"))
            quiet = quiet + 1 if died == deaths else 0
            deaths = died
        arm(stage.folder, "")
        verdict = await stage.verdict(within=120)
        found = seen(read(stage.folder))
    fate = Fate.of(spec)
    return Deaths(frozenset(point for point in found.hit if fate.strikes(point, 1, 1)), found, verdict)


_keys: Final = count()


async def _load(stage: Stage) -> None:
    """Have a bit of everything done, whoever dies meanwhile."""
    hook = [{"events": ["workflow.completed"], "webhook": {"url": stage.sink}}]
    key = f"round-{next(_keys)}"
    stage.workflow({**chain(2), "notify": hook}, key=f"{key}-chain")
    stage.workflow(fan(3), key=f"{key}-fan")
    await poison(stage)
    await command_before_its_task(stage)
    long = stage.task("sleep", options={"seconds": 2}, notify_webhook=stage.sink)
    stage.task("echo", depends_on=[long], notify_email="somebody@example.com")
    failing = {"code": "odd", "message": "it fails once", "times": 1}
    stage.task("fail", options=failing, retry_delay=0.1, callback_url=stage.sink)
    stage.until(lambda: _took(lambda: thumbnail(stage)), within=60)


def _took(request: Callable[[], str]) -> bool:
    try:
        return bool(request())
    except httpx.HTTPError:
        return False


def _all_ended(stage: Stage) -> bool:
    found = stage.dump()["collections"]
    documents: dict[str, dict[str, object]] = {
        each["_id"]: each for kind in ("tasks", "workflows") for each in found[kind]
    }
    return all(documents.get(line["id"], {}).get("completed_at") for line in stage.lines("accepted"))


def run_points(*, seed: int, share: float = 1.0) -> int:
    """Die everywhere, and print what came of it.

    Returns:
        How many violations there were, and chosen points at which nobody died.
    """
    deaths = asyncio.run(die_everywhere(seed=seed, share=share))
    print(deaths)  # noqa: T201 - a command's output
    return deaths.verdict.violations + len(deaths.missing)
