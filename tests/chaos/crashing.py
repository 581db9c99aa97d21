"""Named crash points around the adapters: before and after each write, publish and acknowledgement.

They are put there from outside, at the borders of the libraries: whatever a service writes to MongoDB passes
the driver's command listener, whatever it publishes passes ``basic_publish``, whatever it acknowledges passes
``IncomingMessage.ack``. So the list of points is discovered and not maintained.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import aio_pika
import aiormq
from pymongo import monitoring

from tests.chaos.journal import Journal, Line
from tests.chaos.patch import patch

SPEC_FILE: Final = "crash"
"""In the journal's folder: what stands there counts instead of the environment, from then on."""

_DEAD: Final = "dead"
_WRITES: Final = frozenset(
    {"insert", "update", "delete", "findAndModify", "createIndexes", "commitTransaction"}
)


def _luck(*about: object) -> float:
    """A number in [0, 1) that is always the same for the same words."""
    digest = blake2b(":".join(map(str, about)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@dataclass(frozen=True, slots=True)
class Fate:
    """When a process dies.

    Attributes:
        seed: Decides what is left to luck.
        probability: Of dying at each hit of any point; with ``each``, the share of the points that kill once.
        point: The one point that kills, once, if it is only one.
        hit: At which of its hits.
        freezes: Whether it stops the process (SIGSTOP) instead of killing it.
        each: Whether each point kills once, and never again.
    """

    seed: str = ""
    probability: float = 0.0
    point: str | None = None
    hit: int = 1
    freezes: bool = False
    each: bool = False

    @classmethod
    def of(cls, spec: str) -> "Fate":
        """Read ``<seed>:<probability>``, ``<seed>:<point>:<hit>[:freeze]`` or ``<seed>:each:<share>``.

        Raises:
            ValueError: It is none of these.
        """
        if not spec:
            return cls()
        seed, _, rest = spec.partition(":")
        if rest.startswith("each:"):
            return cls(seed, float(rest.removeprefix("each:")), each=True)
        if ":" not in rest:
            return cls(seed, float(rest))
        point, _, hit = rest.removesuffix(":freeze").rpartition(":")
        return cls(seed, point=point, hit=int(hit), freezes=rest.endswith(":freeze"))

    @property
    def once(self) -> bool:
        """Whether a point that killed is spent, also for the processes that come after."""
        return self.each or self.point is not None

    def strikes(self, point: str, hit: int, life: int) -> bool:
        """Tell whether the ``hit``-th hit of a point, in the ``life``-th process of its name, is the last."""
        if self.point is not None:
            return (point, hit) == (self.point, self.hit)
        if self.each:
            return _luck(self.seed, point) < self.probability
        return _luck(self.seed, point, hit, life) < self.probability


class Points:
    """The crash points of one process.

    Args:
        service: Its name, with which the name of each point begins.
        journal: Is told of a point when it is hit for the first time, and of the death there.
        spec: When to die, as in `Fate.of`; the file ``crash`` in the journal's folder outdoes it.
    """

    def __init__(self, service: str, journal: Journal, spec: str) -> None:
        self._service = service
        self._journal = journal
        self._life = len(list(journal.folder.glob(f"{service}-*.jsonl")))
        self._spec = spec
        self._fate = Fate.of(spec)
        self._hits: Counter[str] = Counter()
        self._known: set[str] = set()
        self._turn = threading.Lock()

    def hit(self, place: str) -> None:
        """Pass a point, or die there."""
        point = f"{self._service}:{place}"
        with self._turn:
            if point not in self._known:
                self._known.add(point)
                self._journal.write("point", name=point)
            self._look_for_another_spec()
            self._hits[point] += 1
            if self._fate.strikes(point, self._hits[point], self._life) and self._is_not_spent(point):
                self._journal.write("froze" if self._fate.freezes else "died", name=point)
                os.kill(os.getpid(), signal.SIGSTOP if self._fate.freezes else signal.SIGKILL)
                time.sleep(0.1)  # the signal stops all threads, but this one only a little later

    def _look_for_another_spec(self) -> None:
        file = self._journal.folder / SPEC_FILE
        spec = file.read_text().strip() if file.exists() else self._spec
        if spec != self._spec:
            self._spec, self._fate = spec, Fate.of(spec)
            self._hits.clear()

    def _is_not_spent(self, point: str) -> bool:
        """Claim a death that may happen only once."""
        if not self._fate.once:
            return True
        mark = (
            self._journal.folder
            / _DEAD
            / blake2b(f"{self._spec} {point}".encode(), digest_size=12).hexdigest()
        )
        mark.parent.mkdir(exist_ok=True)
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


class _Writes(monitoring.CommandListener):
    """Passes a point before and after each command that writes."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._under_way: dict[int, str] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name not in _WRITES:
            return
        collection = event.command.get(event.command_name)
        where = (
            "commit" if event.command_name == "commitTransaction" else f"{collection}.{event.command_name}"
        )
        self._under_way[event.request_id] = where
        self._points.hit(f"store.{where}.before")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if where := self._under_way.pop(event.request_id, None):
            self._points.hit(f"store.{where}.after")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._under_way.pop(event.request_id, None)


def install(points: Points) -> None:
    """Put the points into this process, before its service begins."""
    monitoring.register(_Writes(points))

    def publishing(publish: Callable[..., Any]) -> Callable[..., Any]:
        async def point(channel: aiormq.Channel, body: bytes, **how: Any) -> Any:
            where = f"bus.publish.{how['exchange'] or how['routing_key']}"
            points.hit(f"{where}.before")
            confirmation = await publish(channel, body, **how)
            points.hit(f"{where}.after")
            return confirmation

        return point

    def acknowledging(ack: Callable[..., Any]) -> Callable[..., Any]:
        async def point(message: aio_pika.IncomingMessage, multiple: bool = False) -> None:
            where = f"bus.ack.{message.exchange or message.routing_key}"
            points.hit(f"{where}.before")
            await ack(message, multiple=multiple)
            points.hit(f"{where}.after")

        return point

    patch(aiormq.Channel, "basic_publish", publishing)
    patch(aio_pika.IncomingMessage, "ack", acknowledging)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a journal says about the crash points.

    Attributes:
        hit: Names of the points that exist.
        died: How often somebody died at each.
    """

    hit: frozenset[str]
    died: Counter[str]

    def __str__(self) -> str:
        """Show them as a table."""
        rows = [f"{self.died[point]:6}  {point}" for point in sorted(self.hit)]
        spent = sum(1 for point in self.hit if self.died[point])
        return "\n".join([f"{spent} of {len(self.hit)} crash points killed somebody", "deaths  point", *rows])


def seen(lines: Iterable[Line]) -> Seen:
    """Tell which points were hit, and how often somebody died at each."""
    said = [(line["what"], line["name"]) for line in lines if line["what"] in {"point", "died"}]
    return Seen(
        frozenset(name for _, name in said),
        Counter(name for what, name in said if what == "died"),
    )


def arm(folder: Path, spec: str) -> None:
    """Let all processes of a journal die as ``spec`` says from now on; an empty one lets them live."""
    beside = folder / f".{SPEC_FILE}"
    beside.write_text(spec)
    beside.rename(folder / SPEC_FILE)
