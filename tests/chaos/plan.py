"""What a run will ask for and what it will break, and when: all of it drawn from one seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, cycle
from random import Random
from typing import Final

from tests.chaos.plan_request import Request
from tests.chaos.plan_requests import requests

REPLICAS: Final = {
    "gateway": ("gateway", "gateway-2"),
    "scheduler": ("scheduler", "scheduler-2"),
    "worker": ("worker", "worker-2"),
    "notifier": ("notifier", "notifier-2"),
}
PROGRAMS: Final = tuple(program for programs in REPLICAS.values() for program in programs)
LINKS: Final = tuple(
    f"{program} {server}"
    for program in PROGRAMS
    for server in ("rabbitmq", "mongod")
    if (server == "rabbitmq" or not program.startswith("worker"))
)

_CALM: Final = 8.0
"""Seconds between two disturbances of the servers, in which they may start again."""

_FREEZING_POINTS: Final = (
    "store.tasks.update.before",
    "store.commit.before",
    "store.commit.after",
    "bus.publish.filemill.work.before",
    "bus.ack.filemill.scheduler.before",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One disturbance.

    Attributes:
        at: Seconds after the beginning.
        name: What is done.
        target: To whom: a program, a link such as ``worker rabbitmq``, a service, a crash point, or nobody.
        seconds: How long, if it has a length.
    """

    at: float
    name: str
    target: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked for and broken.

    Attributes:
        seconds: How long requests and faults go on.
        quiet: Seconds that all may take to end afterwards; what lost two workers runs one after the other.
        requests: How many there are.
        kills_every: Seconds between two kills of a service, in the mean.
        away: Seconds for which all schedulers are away.
        once: How many kinds of what concerns all are done, each once; None for all, again and again.
    """

    seconds: float
    quiet: float
    requests: int
    kills_every: float
    away: float = 60.0
    once: int | None = None


SIZES: Final = {
    "short": Size(seconds=60, quiet=120, requests=90, kills_every=6, away=10, once=4),
    "normal": Size(seconds=430, quiet=300, requests=800, kills_every=5),
    "long": Size(seconds=3_100, quiet=1_200, requests=13_500, kills_every=4.4, away=600),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a run.

    Attributes:
        requests: In the order of time.
        lanes: Faults by what they have to do with each other: those of one lane never overlap.
    """

    requests: tuple[Request, ...]
    lanes: tuple[tuple[Fault, ...], ...]

    @property
    def faults(self) -> int:
        """How many there are."""
        return sum(len(lane) for lane in self.lanes)


def plan(seed: int, size: Size) -> Plan:
    """Draw a run; the same seed and size give the same one."""
    return Plan(
        requests(Random(f"{seed} requests"), size.requests, size.seconds),
        (
            tuple(_kills(Random(f"{seed} kills"), size)),
            tuple(_links(Random(f"{seed} links"), size)),
            tuple(_freezes(Random(f"{seed} freezes"), size)),
            tuple(_servers(Random(f"{seed} servers"), size)),
        ),
    )


def _kills(rng: Random, size: Size) -> Iterator[Fault]:
    at = rng.uniform(0, size.kills_every)
    for program in cycle(rng.sample(PROGRAMS, len(PROGRAMS))):
        if at > size.seconds:
            return
        yield Fault(at, "kill", program)
        at += rng.uniform(0.4, 1.6) * size.kills_every


def _links(rng: Random, size: Size) -> Iterator[Fault]:
    names = cycle(("cut", "delay", "silence", "delay"))
    at = rng.uniform(0, 5)
    while at < size.seconds - 5:
        name = next(names)
        seconds = min(rng.choice((2, 5, 10, 30)), size.seconds - at)
        yield Fault(at, name, rng.choice(LINKS), seconds)
        at += seconds + rng.uniform(0, 8)


def _freezes(rng: Random, size: Size) -> Iterator[Fault]:
    at = rng.uniform(2, 8)
    for service in cycle(("worker", "scheduler", "worker", "notifier", "worker", "gateway")):
        past_its_lease = rng.uniform(22, 28)
        seconds = past_its_lease if service == "worker" else rng.uniform(3, 22)
        if at + seconds > size.seconds:
            return
        yield Fault(at, "freeze", rng.choice(REPLICAS[service]), seconds)
        at += seconds + rng.uniform(3, 15)


def _servers(rng: Random, size: Size) -> Iterator[Fault]:
    """Draw what concerns all: each kind once, in any order, then again."""
    at, number = 4.0, count()
    while True:
        kinds = [
            ("kill", "rabbitmq", 0.0),
            ("kill", "mongod", 0.0),
            ("freeze", "mongod", rng.uniform(4, 12)),
            ("freeze", "rabbitmq", rng.uniform(4, 15)),
            ("away", "scheduler", size.away if not next(number) else 20.0),
            ("away", "gateway", rng.uniform(5, 12)),
            ("away", "worker", rng.uniform(5, 20)),
            ("backlog", "scheduler", 8.0),
            ("roll", "", 0.0),
            ("disk alarm", "rabbitmq", rng.uniform(8, 25)),
            ("memory alarm", "rabbitmq", rng.uniform(5, 12)),
            ("crash points", "", 15.0),
            ("freeze at", rng.choice(_FREEZING_POINTS), rng.uniform(14, 22)),
        ]
        kills, others = kinds[:2], kinds[2:]
        chosen = [*kills, *rng.sample(others, size.once - 2)] if size.once else kinds
        for name, target, seconds in rng.sample(chosen, len(chosen)):
            if at + seconds > size.seconds:
                return
            yield Fault(at, name, target, seconds)
            at += seconds + _CALM + (12 if name == "roll" else 0) + rng.uniform(0, 5)
        if size.once:
            return
