"""Starts a gateway, and stops it in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from filemill_common.clock import utc_now
from filemill_common.health import router
from filemill_common.messaging import BrokerUnavailableError, Bus, Topology
from filemill_common.messaging.topology import scheduler_queue
from filemill_common.runtime import Context, run
from filemill_common.settings import read
from filemill_common.storage import LocalStorage
from filemill_common.store import Files, Store
from filemill_gateway.admission import Admission
from filemill_gateway.app import create_app
from filemill_gateway.cache import MetadataCache
from filemill_gateway.dependencies import Dependencies, Limits
from filemill_gateway.live import Hub
from filemill_gateway.queries import Queries
from filemill_gateway.repository import Templates
from filemill_gateway.settings import GatewaySettings

_MEASURE_EVERY = 1.0
"""Seconds between looks at the scheduler's queues."""


@asynccontextmanager
async def serving(settings: GatewaySettings, context: Context) -> AsyncIterator[None]:
    """Answer requests until this is left; then end the live streams, so that the server can stop.

    It answers from the first moment: while a server is away, what does not need it works.
    """
    store = Store(str(settings.mongo_url.get_secret_value()), app_name="filemill-gateway")
    bus = Bus(
        str(settings.rabbit_url.get_secret_value()),
        service="gateway",
        topology=settings.topology,
        health=context.health,
    )
    hub = Hub()
    admission = Admission(at_once=settings.submissions_at_once, backlog=settings.max_backlog)
    dependencies = Dependencies(
        publisher=bus,
        queries=Queries(store),
        templates=Templates(store),
        aliases=Files(store),
        storage=LocalStorage(settings.storage_root),
        hub=hub,
        metadata=MetadataCache(size=settings.metadata_cache_entries, life=settings.metadata_cache_ttl),
        now=utc_now,
        admission=admission,
        lot=bus.lot,
        limits=Limits(upload=settings.max_upload),
        metrics_url=str(settings.metrics_url) if settings.metrics_url else None,
    )
    context.serve(create_app(dependencies, router(context.health)))
    watching = [
        context.background(store.watch(context.health)),
        context.background(_measure(bus, settings.topology, admission)),
    ]
    try:
        async with bus, hub.fed_by(bus):
            context.health.set("live", ok=True)
            yield
    finally:
        hub.end()
        await context.end_background(*watching)
        store.close()


async def _measure(bus: Bus, topology: Topology, admission: Admission) -> None:
    """Look how much waits for the scheduler, for ever; what cannot be looked at is refused by itself."""
    queues = [scheduler_queue(number) for number in range(topology.partitions)]
    while True:
        await asyncio.sleep(_MEASURE_EVERY)
        with suppress(BrokerUnavailableError):
            admission.waiting = sum([await bus.waiting(queue) for queue in queues])


def main() -> None:
    """Run a gateway until it is asked to stop."""
    settings = read(GatewaySettings)
    run("gateway", settings, partial(serving, settings), checks=("broker", "live", "store"))


if __name__ == "__main__":
    main()
