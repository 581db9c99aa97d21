"""Breaks what was planned to break, and mends it again."""

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from filemill_local.plan import StackError
from filemill_local.stack import SERVERS, Stack
from tests.chaos.crashing import arm
from tests.chaos.journal import Journal
from tests.chaos.plan import REPLICAS, Fault
from tests.chaos.proxy import Links, Mood

_RABBITMQCTL: Final = "/usr/lib/rabbitmq/bin/rabbitmqctl"
_HOPE: Final = 30.0
"""Seconds in which a program that was started should be ready."""

_GETTING_UP: Final = 120.0
"""Seconds in which a broker that was killed is there again, however much it holds."""

_BACKLOG: Final = 1_200
"""More events than a scheduler folds at once."""


class Faults:
    """Whoever breaks things.

    Args:
        stack: What is broken.
        links: The lines of its programs.
        journal: Is told of each fault when it begins; its folder arms the crash points.
        burst: Asks for many small tasks at once; is given a name for them, and how many.
    """

    def __init__(
        self,
        stack: Stack,
        links: Links,
        journal: Journal,
        burst: Callable[[str, int], Awaitable[None]],
        *,
        seed: int,
    ) -> None:
        self._stack = stack
        self._links = links
        self._journal = journal
        self._burst = burst
        self._seed = seed
        self._turns = {name: asyncio.Lock() for name in stack.plan.programs}
        self._numbers = count()
        self.done: Counter[str] = Counter()
        self.too_late = 0

    async def play(self, lanes: Sequence[Sequence[Fault]], *, within: float) -> None:
        """Break all of it in its time; a lane that is late goes on as soon as it can.

        Args:
            lanes: Those of one never overlap.
            within: Seconds after which nothing more is broken: a slow machine gets less of it.
        """
        began = asyncio.get_running_loop().time()

        async def follow(lane: Sequence[Fault]) -> None:
            for fault in lane:
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(began + fault.at - now)
                if now < began + within:
                    await self._do(fault)
                else:
                    self.too_late += 1

        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(follow(lane))

    async def _do(self, fault: Fault) -> None:
        match fault.name:
            case "kill":
                await self._kill(fault)
            case "freeze":
                await self._freeze(fault)
            case ("cut" | "silence" | "delay") as mood:
                await self._disturb(fault, mood)
            case "away" | "backlog":
                await self._away(fault)
            case "roll":
                await self._roll(fault)
            case "disk alarm" | "memory alarm":
                await self._alarm(fault)
            case "crash points":
                await self._crash(fault)
            case "freeze at":
                await self._freeze_at(fault)
            case _:
                raise ValueError(f"nobody knows how to do {fault.name}")

    def _note(self, fault: Fault) -> None:
        self.done[f"{fault.name} {self._kind(fault)}".strip()] += 1
        self._journal.write("fault", name=fault.name, target=fault.target, seconds=fault.seconds)

    def _kind(self, fault: Fault) -> str:
        """Leave out of a target which replica it was."""
        if fault.name == "freeze at":
            return ""
        return " ".join(word.partition("-")[0] for word in fault.target.split())

    @asynccontextmanager
    async def _only(self, *programs: str) -> AsyncIterator[None]:
        """Have programs to oneself."""
        async with AsyncExitStack() as held:
            for program in sorted(programs):
                await held.enter_async_context(self._turns[program])
            yield

    async def _kill(self, fault: Fault) -> None:
        # One that is frozen or kept away is left alone, and so is one that is about to start: on a slow
        # machine nobody would ever get up.
        if self._turns[fault.target].locked() or not await self._is_ready(fault.target):
            return
        async with self._only(fault.target):
            with suppress(ProcessLookupError):  # it died by itself a moment ago, as at a crash point
                self._stack.kill(fault.target)
                self._note(fault)
            if fault.target in SERVERS:
                await self._ready(fault.target)

    async def _freeze(self, fault: Fault) -> None:
        async with self._only(fault.target):
            pid = self._stack.pid(fault.target)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._note(fault)
                await self._thaw_after(fault.seconds, pid)

    async def _thaw_after(self, seconds: float, pid: int) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _disturb(self, fault: Fault, mood: Mood) -> None:
        self._note(fault)
        self._links.be(fault.target, mood)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            self._links.be(fault.target, "heal")

    async def _away(self, fault: Fault) -> None:
        """Stop all replicas of a service as an operator does, and start them later."""
        programs = REPLICAS[fault.target]
        async with self._only(*programs):
            await asyncio.gather(*map(self._stop, programs))
            self._note(fault)
            if fault.name == "backlog":
                await self._burst(f"backlog-{self._seed}-{next(self._numbers)}", _BACKLOG)
            await asyncio.sleep(fault.seconds)
            for each in programs:
                await asyncio.to_thread(self._stack.start, each)
            await self._ready(*programs)

    async def _roll(self, fault: Fault) -> None:
        """Stop and start each replica in turn, as a release does."""
        self._note(fault)
        for programs in REPLICAS.values():
            for each in programs:
                async with self._only(each):
                    await self._stop(each)
                    await asyncio.to_thread(self._stack.start, each)
                    await self._ready(each)

    async def _alarm(self, fault: Fault) -> None:
        """Let the broker run out of room: it takes nothing more from anybody who publishes."""
        setting, bad, good = {
            "disk alarm": ("set_disk_free_limit", "1000000GB", "50MB"),
            "memory alarm": ("set_vm_memory_high_watermark", "0.00001", "0.4"),
        }[fault.name]
        async with self._only("rabbitmq"):
            await self._rabbitmqctl(setting, bad)
            self._note(fault)
            try:
                await asyncio.sleep(fault.seconds)
            finally:
                await self._rabbitmqctl(setting, good)

    async def _rabbitmqctl(self, *arguments: str) -> None:
        """Tell the broker something; one that was killed may take a while to get up."""
        environment = {**os.environ, **self._stack.plan.program("rabbitmq").environment}
        deadline = time.monotonic() + _GETTING_UP
        while True:
            process = await asyncio.create_subprocess_exec(
                _RABBITMQCTL, *arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            said, _ = await process.communicate()
            if not process.returncode:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {said.decode()}")
            await asyncio.sleep(1)

    async def _crash(self, fault: Fault) -> None:
        """Let a share of the crash points kill whoever passes them first."""
        self._note(fault)
        folder = self._journal.folder
        arm(folder, f"{self._seed}.{next(self._numbers)}:each:0.3")
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            arm(folder, "")

    async def _freeze_at(self, fault: Fault) -> None:
        """Let a scheduler stop in the middle of its work, be replaced, and wake."""
        schedulers = REPLICAS["scheduler"]
        async with self._only(*schedulers):
            spec = f"{self._seed}.{next(self._numbers)}:scheduler:{fault.target}:2:freeze"
            arm(self._journal.folder, spec)
            try:
                pid = await self._first_frozen(schedulers, within=15)
            finally:
                arm(self._journal.folder, "")
            if pid:
                self._note(fault)
                await self._thaw_after(fault.seconds, pid)

    async def _first_frozen(self, programs: Sequence[str], *, within: float) -> int:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for pid in map(self._stack.pid, programs):
                if _is_frozen(pid):
                    return pid
            await asyncio.sleep(0.2)
        return 0

    async def _stop(self, program: str) -> int:
        """Stop a program, also one that died just now and is about to be started again."""
        for _ in range(20):
            try:
                return await asyncio.to_thread(self._stack.stop, program)
            except StackError:
                await asyncio.sleep(0.25)
        raise StackError(f"{program} could not be stopped")

    async def _ready(self, *programs: str) -> None:
        """Wait until programs are ready, but not for long: their lines may be cut."""
        deadline = time.monotonic() + _HOPE
        for each in programs:
            while not await self._is_ready(each) and time.monotonic() < deadline:
                await asyncio.sleep(0.2)

    async def _is_ready(self, program: str) -> bool:
        return await asyncio.to_thread(self._stack.is_ready, program)


def _is_frozen(pid: int) -> bool:
    """Tell whether a process is stopped: the letter behind its name in /proc/<pid>/stat is a T."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False
