"""The real services, each put together by its own `__main__`, on virtual servers."""

import asyncio
import logging
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import structlog
from prometheus_client import CollectorRegistry

from filemill_common.health import Health
from filemill_common.messaging import link, parking
from filemill_common.messaging.topology import Topology
from filemill_common.runtime import Context, Main
from filemill_common.store import client, indexes
from filemill_notifier import __main__ as notifier_main
from filemill_notifier import handlers as notifier_handlers
from filemill_notifier import repository as notifier_repository
from filemill_notifier import sender
from filemill_notifier.sender import Sender
from filemill_scheduler import __main__ as scheduler_main
from filemill_scheduler import handlers as scheduler_handlers
from filemill_scheduler import timers
from filemill_scheduler.metrics import Metrics as SchedulerMetrics
from filemill_scheduler.repository import Due, storetime, tasks
from filemill_scheduler.timers import Timers
from filemill_worker import __main__ as worker_main
from filemill_worker import handlers as worker_handlers
from filemill_worker import leases
from filemill_worker.metrics import Metrics as WorkerMetrics
from tests.simulation.clock import VirtualLoop
from tests.simulation.hands import Hands, Post
from tests.simulation.store import VirtualStore
from tests.simulation.world import PROCESS, Process, World

POOLS: Final = {"video": ("video_*", "probe"), "default": ("*",)}

_MAINS: Final[dict[str, ModuleType]] = {
    "scheduler": scheduler_main,
    "worker": worker_main,
    "notifier": notifier_main,
}
_WORKER_METRICS: Final = WorkerMetrics(CollectorRegistry())


class _Surroundings(Context):
    """What the runtime hands a service, without HTTP."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.health = Health()
        self._stop = stop
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []


async def serve(process: Process) -> None:
    """Run a service until it is asked to stop; it never ends of its own accord."""
    mains: list[Main] = []
    module = _MAINS[process.kind]
    with patch.object(module, "run", lambda _, __, main, **___: mains.append(main)):
        module.main()
    context = _Surroundings(process.stopping)
    try:
        async with mains[0](context):
            await process.stopping.wait()
    finally:
        await context.end()


def topology(world: World) -> Topology:
    """Give what differs from seed to seed."""
    return Topology(world.partitions, POOLS)


def _settings(_: object) -> SimpleNamespace:
    world = PROCESS.get().world
    url = SimpleNamespace(get_secret_value=lambda: SimpleNamespace(unicode_string=str))
    return SimpleNamespace(
        mongo_url=url,
        rabbit_url=url,
        topology=topology(world),
        metadata_ttl=timedelta(days=1),
        sandbox=None,
        scratch_root=None,
        storage_root=None,
        slots=lambda: dict.fromkeys(POOLS, world.slots),
        webhook_secret=None,
        allowed_targets=(),
        smtp_host=None,
    )


def _loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def _now() -> datetime:
    return _loop().moment()


def _uniform(low: float, high: float) -> float:
    return PROCESS.get().world.luck.uniform(low, high)


def _new_id() -> str:
    return PROCESS.get().world.new_id()


async def _connect(*given: object, **named: object) -> object:
    return await PROCESS.get().world.broker.connect(*given, **named)


async def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def _noted(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep what a service logs among what was seen of it."""
    process = PROCESS.get(None)
    if process is not None:
        said = [f"{name}={str(value)[:120]}" for name, value in line.items() if name != "event"]
        process.world.note(process.name, "logs", repr(line["event"]), *said)
        if line.get("code") == "contended":
            process.contended += 1
            process.world.hold("no race is lost for ever", process.name, if_=process.contended < 4)
    raise structlog.DropEvent


@contextmanager
def _quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(
        processors=[_noted], wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING)
    )
    level = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(level)
        structlog.configure(**before)


@contextmanager
def virtual_edges() -> Iterator[None]:
    """Let services find virtual servers, a virtual clock and seeded luck where they look for real ones."""
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    luck = SimpleNamespace(uniform=_uniform)
    with ExitStack() as edges:

        def put(owner: object, name: str, other: object) -> None:
            edges.enter_context(patch.object(owner, name, other))

        put(link, "aio_pika", SimpleNamespace(connect=_connect))
        for module in (link, client, tasks):
            put(module, "random", luck)
        for module in (storetime, timers):
            put(module, "time", clock)
        for module in (
            parking,
            scheduler_handlers,
            notifier_handlers,
            notifier_repository,
            sender,
            worker_handlers,
            leases,
        ):
            put(module, "utc_now", _now)
        for module in (tasks, scheduler_main, worker_main, worker_handlers):
            put(module, "new_id", _new_id)
        put(indexes, "ensure", _nothing)
        for module in _MAINS.values():
            put(module, "read", _settings)
        put(scheduler_main, "Store", VirtualStore)
        put(notifier_main, "Store", VirtualStore)
        for look in ("standing", "stuck"):  # nobody reads gauges here, and a look costs real time
            put(Due, look, _nothing)
        put(SchedulerMetrics, "measure", lambda *_, **__: None)
        put(scheduler_main, "Metrics", lambda **_: PROCESS.get().world.metrics)
        put(worker_main, "Metrics", lambda **_: _WORKER_METRICS)
        put(worker_main, "Sandbox", lambda _: SimpleNamespace(check=_nothing))
        put(worker_main, "own_folder", lambda *_: nullcontext())
        for name in ("LocalStorage", "Processors"):
            put(worker_main, name, lambda *_: None)
        put(worker_main, "Executor", lambda *_: Hands(PROCESS.get()))
        put(notifier_main, "Email", lambda _: Post(PROCESS.get()))
        put(notifier_main, "Web", lambda *_: Post(PROCESS.get()))
        # Looked for less often than in earnest, since each look costs real time.
        put(Timers.run, "__kwdefaults__", {"timers_every": 3.0, "sweeps_every": 6.0})
        put(Sender.run, "__kwdefaults__", {"every": 5.0})
        edges.enter_context(_quiet())
        yield
