"""Starts a worker, and stops it in time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from filemill_common.ids import new_id
from filemill_common.messaging import Bus, Slot
from filemill_common.messaging.topology import WORK, control_key, worker_queue
from filemill_common.runtime import Context, run
from filemill_common.settings import read
from filemill_common.storage import LocalStorage
from filemill_worker.execution import Executor
from filemill_worker.handlers import Worker
from filemill_worker.metrics import Metrics
from filemill_worker.processors import Processors
from filemill_worker.reports import Reports
from filemill_worker.sandbox import Sandbox
from filemill_worker.scratch import own_folder
from filemill_worker.settings import WorkerSettings

_FINISH_WITHIN = 20.0
"""Seconds in which what is in hand ends, of the 25 that a service has for its stop."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def working(settings: WorkerSettings, context: Context) -> AsyncIterator[None]:
    """Take work until this is left; then take nothing new and finish, or give back, what is in hand.

    Raises:
        SandboxUnavailableError: Foreign files cannot be read safely here, so nothing is taken.
    """
    sandbox = Sandbox(settings.sandbox)
    await sandbox.check()
    context.health.set("sandbox", ok=True)
    worker_id = new_id()
    metrics = Metrics(topology=settings.topology)
    with own_folder(settings.scratch_root, worker_id) as scratch:
        executor = Executor(Processors(sandbox), LocalStorage(settings.storage_root), scratch, metrics)
        url = str(settings.rabbit_url.get_secret_value())
        async with Bus(url, service="worker", topology=settings.topology, health=context.health) as bus:
            reports = Reports(bus)
            context.background(reports.run())
            worker = Worker(worker_id, executor=executor, publisher=bus, reports=reports, metrics=metrics)
            keys = (control_key(worker_id), control_key(None))
            revocations = await bus.subscribe(WORK, keys, worker.on_revoked)
            slots: list[Slot] = []
            for pool, count in settings.slots().items():
                slots += (bus.slot(worker_queue(pool), worker.on_ready) for _ in range(count))
                metrics.slots.labels(pool).set(count)
            worker.holds(slots)
            await asyncio.gather(*(slot.start() for slot in slots))
            yield
            await _finish(worker, slots)
            await revocations.stop()


async def _finish(worker: Worker, slots: Sequence[Slot]) -> None:
    """Come to an end in time, even if the broker is away and nothing can be reported."""
    try:
        async with asyncio.timeout(_FINISH_WITHIN):
            await asyncio.gather(worker.stop(), *(slot.stop() for slot in slots))
    except TimeoutError:
        logger.warning("what was in hand could not be reported; it comes again, or its lease lapses")


def main() -> None:
    """Run a worker until it is asked to stop."""
    settings = read(WorkerSettings)
    run("worker", settings, partial(working, settings), checks=("broker", "sandbox"))


if __name__ == "__main__":
    main()
