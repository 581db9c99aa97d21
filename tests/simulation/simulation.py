"""Plays one seed: a story is told, faults happen and stop, all comes to rest, the rules are looked at."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from aiormq import spec

from filemill_common.events import Event
from filemill_common.health import Health
from filemill_common.messaging import BrokerUnavailableError, Bus
from filemill_common.messaging.codec import CONTENT_TYPE, encode
from filemill_common.messaging.link import speaking
from filemill_common.messaging.topology import INTAKE
from tests.simulation.broker import Broker
from tests.simulation.faults import happen
from tests.simulation.helping import Helping
from tests.simulation.lines import Channel
from tests.simulation.rules import Rules
from tests.simulation.services import serve, topology
from tests.simulation.store import Database
from tests.simulation.story import INPUT, Request, misfortunes, tell, theme_of, timed_faults
from tests.simulation.world import Faults, Note, Process, Violation, World

HELP_EVERY = 12.0
"""Virtual seconds after which what waits for people in the end is helped on."""

REST_WITHIN = 400.0
"""Virtual seconds in which all comes to rest once nothing goes wrong any more."""


@dataclass(frozen=True)
class Played:
    """What became of a seed."""

    seed: int
    violations: tuple[Violation, ...]
    notes: tuple[Note, ...]
    seconds: float


def play(seed: int) -> Played:
    """Play a seed to its end, or to the first rule that does not hold."""
    world = World(seed)
    loop = world.loop
    try:
        loop.run_until_complete(Simulation(world).run())
    finally:
        world.is_over = True
        seconds = loop.time()
        loop.end()
    return Played(seed, tuple(world.violations), tuple(world.notes), seconds)


class Simulation:
    """A seed under way."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.broker = Broker(world)
        world.database = Database(world)
        self.luck = world.luck
        self.rules = Rules(world)
        self.helping = Helping(world)

    async def run(self) -> None:
        world, luck, loop = self.world, self.luck, self.world.loop
        world.partitions = luck.choice((1, 1, 2, 3))
        world.slots = luck.choice((1, 2))
        theme = theme_of(world.seed)
        world.is_fault_free = theme == "nothing"
        world.note("world", "is unlucky with", theme)
        luck.is_long_winded = theme != "store"
        world.story = tell(luck)
        named = INPUT.model_dump(mode="json")
        world.database.put(
            ("files", f"default:{INPUT.path}"), {"_id": f"default:{INPUT.path}", "tenant": "default", **named}
        )
        for kind, many in (
            ("scheduler", (2,) if theme == "schedulers" else (1, 1, 2)),
            ("worker", (1, 1, 2, 3)),
            ("notifier", (1, 1, 1, 2)),
        ):
            for number in range(luck.choice(many)):
                loop.create_task(self._keep(kind, f"{kind}-{number}"))
        asking = [loop.create_task(self._door())]
        ends = world.story.length
        if not world.is_fault_free:
            ends = self._plan_faults(theme)
        for moment in range(int(ends) + 1):
            await asyncio.sleep(min(1.0, max(0.0, ends - moment)))
            if world.violations:
                return
        self._end_faults()
        await asyncio.wait(asking)
        await self._rest()

    def _plan_faults(self, theme: str) -> float:
        """Choose what goes wrong, and until when."""
        world, luck = self.world, self.luck
        world.faults, world.faults_on = misfortunes(theme, luck), True
        ends = world.story.length + luck.uniform(0, luck.choice((18, 18, 60)))
        for fault in timed_faults(theme, luck):
            world.loop.call_later(luck.uniform(0, ends), happen, world, fault)
        return ends

    def _end_faults(self) -> None:
        world = self.world
        world.faults_on, world.faults, world.outage_until = False, Faults(), 0.0
        world.broker.unbound.clear()
        world.note("world", "has no more faults")
        for process in world.processes.values():
            process.thaw()

    async def _rest(self) -> None:
        """Wait until nothing is left to be done; then look at everything."""
        world = self.world
        until = world.loop.time() + REST_WITHIN
        helped_at = world.loop.time()
        while self.rules.unrest() and world.loop.time() < until and not world.violations:
            await asyncio.sleep(2.0)
            if world.loop.time() > helped_at + HELP_EVERY:
                helped_at = world.loop.time()
                await self._help()
        world.is_resting = True
        for process in world.alive("worker") + world.alive("scheduler"):
            process.stopping.set()
        until += 2_000
        while self.rules.undelivered() and world.loop.time() < until and not world.violations:
            await asyncio.sleep(5.0)
        if not world.violations:
            self.rules.at_the_end()

    async def _keep(self, kind: str, name: str) -> None:
        """Start a process, and another whenever one is gone, as a supervisor does."""
        world = self.world
        life = 0
        while True:
            life += 1
            process = world.processes[name] = Process(world, kind, f"{name}.{life}")
            gone = asyncio.Event()
            process.ends.append(gone.set)
            world.note(process.name, "starts")
            serving = world.spawn(process, serve(process))
            serving.add_done_callback(partial(_set, gone))
            await gone.wait()
            if serving.done() and not serving.cancelled():
                error = serving.exception()
                world.hold(
                    "no service fails of its own accord", f"{process.name}: {error!r}", if_=error is None
                )
                world.note(process.name, "ended")
                process.is_alive = False
                for end in process.ends:
                    end()
            if world.is_resting and kind != "notifier":
                return
            pause = self.luck.choice((0.1, 1.0, 8.0, 25.0)) if world.faults_on else 0.1
            if kind == "scheduler":
                pause = max(pause, world.outage_until - world.loop.time())
            await asyncio.sleep(pause)

    async def _door(self) -> None:
        """Ask for all that the story wants."""
        world = self.world
        process = world.processes["door"] = Process(world, "door", "door")
        done = world.spawn(process, self._ask_all(process))
        await asyncio.wait({done})
        if error := done.exception():
            raise error

    async def _help(self) -> None:
        """Resume what is paused, and send the signals that are waited for."""
        process, events = self.world.processes["door"], self.helping.events()
        if events:
            done = self.world.spawn(process, self._ask_for(events))
            await asyncio.wait({done})
            done.result()

    async def _ask_for(self, events: Sequence[Event]) -> None:
        bus = Bus("virtual://", service="gateway", topology=topology(self.world), health=Health())
        async with bus:
            for event in events:
                await self._ask(bus, Request(0, event), 0)

    async def _ask_all(self, process: Process) -> None:
        bus = Bus("virtual://", service="gateway", topology=topology(self.world), health=Health())
        async with bus, asyncio.TaskGroup() as asking:
            for request in self.world.story.requests:
                for at in (request.at, *request.again):
                    asking.create_task(self._ask(bus, request, at))

    async def _ask(self, bus: Bus, request: Request, at: float) -> None:
        """Ask until the broker has it, as a client that repeats does."""
        world = self.world
        await asyncio.sleep(at)
        while True:
            try:
                if request.foreign:
                    await self._send_in(bus, request.event)
                else:
                    await bus.publish_or_raise(request.event)
            except BrokerUnavailableError:
                await asyncio.sleep(0.5)
            else:
                self.rules.accepted(request)
                world.note("door", "accepted", type(request.event).__name__, request.event.subject)
                return

    async def _send_in(self, bus: Bus, event: Event) -> None:
        """Publish as another system does, at the intake."""
        kind = event.type.removeprefix("io.filemill.").removesuffix(".v1")
        channel = await bus._link.channel(confirms=True)
        properties = spec.Basic.Properties(content_type=CONTENT_TYPE, message_type=type(event).__name__)
        properties.message_id = event.id
        body = encode(event, source="/elsewhere")
        with speaking():
            underlay = cast("Channel", await channel.get_underlay_channel())
            await underlay.basic_publish(
                body, exchange=INTAKE, routing_key=kind, properties=properties, mandatory=True
            )


def _set(event: asyncio.Event, _: object) -> None:
    event.set()
