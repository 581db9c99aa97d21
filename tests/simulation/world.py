"""The world of one seed: its time, its luck, its processes, and what was seen of them."""

import asyncio
import contextvars
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from filemill_scheduler.metrics import Metrics
from tests.simulation.clock import VirtualLoop

if TYPE_CHECKING:
    from tests.simulation.broker import Broker
    from tests.simulation.hands import Execution
    from tests.simulation.store import Database
    from tests.simulation.story import Story

BROKER_HEARTBEAT = 12.0
"""Seconds after which the broker gives up a line that is silent."""


class Process:
    """One life of a service's process; what dies is never heard of again, and another one follows.

    Attributes:
        kind: ``scheduler``, ``worker``, ``notifier`` or ``door``.
        contended: How many batches of it lost all their races.
        disturbed_at: When something last happened to it or its line for which it may count as lost.
    """

    def __init__(self, world: "World", kind: str, name: str) -> None:
        self.world = world
        self.kind = kind
        self.name = name
        self.is_alive = True
        self.stopping = asyncio.Event()
        self.disturbed_at = world.loop.time()
        self.contended = 0
        self.ends: list[Callable[[], None]] = []
        self._frozen: asyncio.Event | None = None

    @property
    def is_frozen(self) -> bool:
        return self._frozen is not None

    async def point(self, name: str) -> None:
        """Go on, unless this process dies or is frozen here."""
        world = self.world
        if world.is_over:
            raise asyncio.CancelledError
        if world.faults_on:
            world.faults.strike(self, name)
        if not self.is_alive:
            await world.loop.create_future()
        while self._frozen is not None:
            await self._frozen.wait()
            if not self.is_alive:
                await world.loop.create_future()

    def die(self, why: str) -> None:
        """End at once, wherever it is."""
        if self.is_alive:
            self.is_alive = False
            self.disturb()
            self.world.note(self.name, "died", why)
            for end in self.ends:
                end()

    def freeze(self, why: str) -> None:
        if self._frozen is None:
            self._frozen = asyncio.Event()
            self.disturb()
            self.world.note(self.name, "was frozen", why)
            self.world.loop.call_later(BROKER_HEARTBEAT, self._silent, self._frozen)

    def _silent(self, frozen: asyncio.Event) -> None:
        """Lose the line: the broker has not heard of it for too long."""
        if self._frozen is frozen:
            for end in self.ends:
                end()

    def thaw(self) -> None:
        if self._frozen is not None:
            frozen, self._frozen = self._frozen, None
            frozen.set()
            self.disturb()
            self.world.note(self.name, "woke")

    def disturb(self) -> None:
        self.disturbed_at = self.world.loop.time()


PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was seen."""

    at: float
    who: str
    what: str
    about: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.who:<14} {self.what} {' '.join(map(str, self.about))}".rstrip()


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that did not hold."""

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"


class Luck(random.Random):
    """What a seed decides; nothing else decides anything.

    Attributes:
        is_long_winded: Whether work often takes longer than a lease lasts.
    """

    is_long_winded = False

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.random() < probability


@dataclass
class Faults:
    """How often what goes wrong; all zero in a world without faults.

    Attributes:
        crash: Point to the probability of dying there.
        freeze: Likewise, of being frozen.
        most: How many processes may die or freeze in all.
    """

    crash: dict[str, float] = field(default_factory=dict)
    freeze: dict[str, float] = field(default_factory=dict)
    most: int = 0
    crash_anywhere: float = 0.0
    freeze_anywhere: float = 0.0
    duplicate: float = 0.0
    late_duplicate: float = 0.0
    lost_transient: float = 0.0
    unconfirmed: float = 0.0
    unknown_commit: float = 0.0
    store_away: float = 0.0
    conflict: float = 0.0
    sink_fails: float = 0.0
    happened: int = 0

    def strike(self, process: Process, point: str) -> None:
        """Let a process die or freeze at a point, if that is its fate."""
        if self.happened >= self.most or process.kind == "door" or process.is_frozen:
            return
        luck = process.world.luck
        at = f"{process.kind} {point}"
        if luck.chance(self.crash.get(at, self.crash_anywhere)):
            self.happened += 1
            process.die(f"at {point}")
        elif luck.chance(self.freeze.get(at, self.freeze_anywhere)):
            self.happened += 1
            process.freeze(f"at {point}")
            seconds = luck.choice((0.5, 3.0, 14.0, 30.0, 40.0))
            process.world.loop.call_later(seconds, process.thaw)


class World:
    """Everything of one seed.

    Attributes:
        tried: Event, channel and target to the ids under which somebody tried to tell.
        got: Delivery to the number of times that its recipient got it.
        bringing: Delivery to who brings it, and since when.
        refused: Delivery to the number of times that its recipient refused it.
    """

    broker: "Broker"
    database: "Database"
    story: "Story"

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.luck = Luck(seed)
        self.loop = VirtualLoop()
        self.faults = Faults()
        self.faults_on = False
        self.is_over = False
        self.notes: list[Note] = []
        self.violations: list[Violation] = []
        self.processes: dict[str, Process] = {}
        self.metrics = Metrics(CollectorRegistry())
        self.partitions = 1
        self.slots = 1
        self.is_fault_free = True
        self.is_resting = False
        self.outage_until = 0.0
        self.executions: list[Execution] = []
        self.tried: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        self.got: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.bringing: dict[str, tuple[Process, float]] = {}
        self._ids = 0

    def new_id(self) -> str:
        """Make an id as the services do: unique, and sorted by the time it was made."""
        self._ids += 1
        return f"id-{self._ids:06d}"

    def note(self, who: str, what: str, *about: object) -> None:
        """Keep what was seen, to be read if a rule breaks."""
        self.notes.append(Note(self.loop.time(), who, what, about))

    def violate(self, rule: str, message: str) -> None:
        self.note("rules", f"BROKEN {rule}", message)
        self.violations.append(Violation(rule, message))

    def hold(self, rule: str, message: Callable[[], str] | str, *, if_: bool) -> None:
        """Demand that a rule holds."""
        if not if_:
            self.violate(rule, message if isinstance(message, str) else message())

    def spawn(self, process: Process, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in a process."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        return self.loop.create_task(work, context=context)

    def command_of(self, command_id: str) -> str:
        """Tell what a command says."""
        return self.story.commands[command_id].command

    def sequence_of(self, command_id: str) -> int:
        return self.story.commands[command_id].sequence

    def alive(self, kind: str) -> list[Process]:
        """Give the processes of a kind that live."""
        return [each for each in self.processes.values() if each.kind == kind and each.is_alive]
