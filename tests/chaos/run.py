"""One run: a stack, those who ask, those who break, those who watch, and the judgement."""

import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filemill_local import ports
from filemill_local.plan import PROGRAMS as EMBEDDED
from filemill_local.plan import SERVICES, service_of
from filemill_local.stack import Stack
from tests.chaos.checker import Verdict, check
from tests.chaos.crashing import Seen, arm, seen
from tests.chaos.dump import dump, load, save
from tests.chaos.faults import Faults
from tests.chaos.journal import Journal, read
from tests.chaos.load import Load
from tests.chaos.load_bus import COPIES, OBSERVER, Bus, Observer, Repeater
from tests.chaos.load_sink import sink
from tests.chaos.plan import LINKS, PROGRAMS, REPLICAS, SIZES, Plan, Size, plan
from tests.chaos.proxy import Links
from tests.chaos.run_quiet import Left, look, wait_until_quiet
from tests.chaos.stage import ROOT, command

PARTITIONS: Final = 3
REPEATED: Final = 0.15
"""Share of all messages to schedulers and workers that arrive again, late."""

_EVERY: Final = 10.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run.

    Attributes:
        size: Its name, as in ``SIZES``.
        accepted: Requests that were acknowledged.
        faults: How often each was done.
        too_late: Faults for which there was no time.
        repeated: Messages that were sent again.
        quiet: Whether all ended in time.
        seconds: How long it took, judgement included.
    """

    seed: int
    size: str
    accepted: int
    faults: Counter[str]
    too_late: int
    repeated: int
    points: Seen
    quiet: bool
    verdict: Verdict
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether no rule speaks, all rules had something to look at, and all ended."""
        return self.quiet and not self.verdict.violations and not self.verdict.unseen

    def __str__(self) -> str:
        """Show all of it."""
        faults = [f"{number:6}  {name}" for name, number in sorted(self.faults.items())]
        died = sum(self.points.died.values())
        return "\n".join(
            [
                f"seed {self.seed}, {self.size}: {self.accepted} requests acknowledged, "
                f"{self.faults.total()} faults ({self.too_late} more came too late), "
                f"{self.repeated} messages repeated, {self.seconds:.0f} s",
                *faults,
                f"{died:6}  deaths at crash points, of which there are {len(self.points.hit)}",
                "",
                str(self.verdict),
                *([] if self.quiet else ["not all ended in time"]),
            ]
        )


async def run(
    seed: int,
    size: str,
    folder: Path,
    *,
    beside: Path | None = None,
    say: Callable[[str], None] = print,
) -> Report:
    """Run all of it.

    Args:
        seed: Draws the run.
        size: Which of ``SIZES``.
        folder: Gets the ``journal``, the ``dump.json`` and the ``log`` of each program.
        beside: Where another version is installed, which the first replica of each service is of.
        say: Is told each ten seconds how far it is.
    """
    began = time.monotonic()
    bounds = SIZES[size]
    planned = plan(seed, bounds)
    journal = Journal(folder / "journal", "harness")
    repeater = Repeater(journal, seed=seed, share=REPEATED, partitions=PARTITIONS)
    async with _stage(journal, seed, beside) as (stack, links, address):
        bus = Bus(stack.plan.rabbit_url)
        doors = [stack.plan.address(gateway) for gateway in REPLICAS["gateway"]]
        asking = Load(doors, bus, sink=address, journal=journal)
        breaking = Faults(stack, links, journal, asking.burst, seed=seed)
        try:
            await _play(planned, stack, bus, asking, breaking, Observer(journal), repeater, bounds, say)
            quiet = True
        except TimeoutError:
            quiet = False
        finally:
            shutil.copytree(stack.plan.home / "log", folder / "log", dirs_exist_ok=True)
        management = f"http://127.0.0.1:{stack.plan.ports['management']}"
        found = await asyncio.to_thread(dump, stack.plan.mongo_url, management, stack.plan.home / "files")
        save(found, folder / "dump.json")
    return Report(
        seed=seed,
        size=size,
        accepted=asking.accepted,
        faults=breaking.done,
        too_late=breaking.too_late,
        repeated=repeater.repeated,
        points=seen(read(journal.folder)),
        quiet=quiet,
        verdict=check(journal.folder, found),
        seconds=time.monotonic() - began,
    )


def judge_again(folder: Path) -> Verdict:
    """Judge a run by what it left."""
    return check(folder / "journal", load(folder / "dump.json"))


async def _play(
    planned: Plan,
    stack: Stack,
    bus: Bus,
    asking: Load,
    breaking: Faults,
    observer: Observer,
    repeater: Repeater,
    bounds: Size,
    say: Callable[[str], None],
) -> None:
    """Ask and break at the same time, then wait until all is quiet.

    Raises:
        TimeoutError: It did not become quiet.
    """
    async with bus.channel() as channel:
        await observer.declare(channel)
        await repeater.declare(channel)
    began = time.monotonic()

    def tell(said: str) -> None:
        say(f"{time.monotonic() - began:5.0f} s  {said}")

    def progress() -> str:
        return (
            f"{asking.accepted} acknowledged, {breaking.done.total()} faults, "
            f"{repeater.repeated} repeated; {_look(stack) or 'a server does not answer'}"
        )

    listening, collecting, repeating = (
        asyncio.create_task(bus.keep(use)) for use in (observer.listen, repeater.collect, repeater.repeat)
    )
    chatting = asyncio.create_task(_every(_EVERY, lambda: tell(progress())))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asking.play(planned.requests))
            group.create_task(breaking.play(planned.lanes, within=bounds.seconds))
        repeating.cancel()
        chatting.cancel()
        tell("all was asked and broken")
        for program in stack.plan.programs:
            await asyncio.to_thread(stack.wait_ready, program)
        quiet = await asyncio.to_thread(wait_until_quiet, lambda: _look(stack), within=bounds.quiet, say=tell)
        if not quiet:
            raise TimeoutError
    finally:
        watching = (listening, collecting, repeating, chatting)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _every(seconds: float, do: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(do)


def _look(stack: Stack) -> Left | None:
    management = f"http://127.0.0.1:{stack.plan.ports['management']}"
    queues = ("scheduler.", "worker.", "notifier.", OBSERVER, COPIES)
    return look(stack.plan.mongo_url, management, queues)


@asynccontextmanager
async def _stage(journal: Journal, seed: int, beside: Path | None) -> AsyncIterator[tuple[Stack, Links, str]]:
    """Set up a stack whose programs reach their servers through links that can be disturbed."""
    settled = ports.choose(("rabbitmq", "mongod", *LINKS))
    wanted = {name: (settled[name], settled[name.partition(" ")[2]]) for name in LINKS}
    arm(journal.folder, "")
    environment = {
        "FILEMILL_CHAOS_JOURNAL": str(journal.folder.absolute()),
        "FILEMILL_PARTITIONS": str(PARTITIONS),
    }
    async with AsyncExitStack() as exits:
        links = await exits.enter_async_context(Links.opened(wanted, seed=seed))
        address = exits.enter_context(sink(journal, seed=seed))
        temporary = Stack.temporary(
            tuple(dict.fromkeys((*EMBEDDED, *PROGRAMS))),
            commands={program: _command(program, settled, beside) for program in PROGRAMS},
            settled={name: settled[name] for name in ("rabbitmq", "mongod")},
            **environment,
        )
        stack = await asyncio.to_thread(temporary.__enter__)
        exits.push_async_callback(asyncio.to_thread, temporary.__exit__, None, None, None)
        yield stack, links, address


def _command(program: str, settled: dict[str, int], beside: Path | None) -> tuple[str, ...]:
    environment = {
        "FILEMILL_RABBIT_URL": f"amqp://guest:guest@127.0.0.1:{settled[f'{program} rabbitmq']}/",
        "PYTHONPATH": str(ROOT),
    }
    if port := settled.get(f"{program} mongod"):
        # A replica set tells its clients its members' own addresses, which would lead around the link.
        environment["FILEMILL_MONGO_URL"] = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    python = sys.executable
    if beside is not None and program in SERVICES:
        environment["PYTHONPATH"] = str(beside)
        python = str(beside / ".venv/bin/python")
    given = (f"{name}={value}" for name, value in environment.items())
    return ("/usr/bin/env", *given, *command(service_of(program), python))
