"""The scheduler's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from filemill_common.ids import new_id
from filemill_common.messaging import Bus
from filemill_common.messaging.topology import INTAKE_QUEUE, scheduler_queue
from filemill_common.runtime import Context, run
from filemill_common.settings import read
from filemill_common.store import Store, StoreUnavailableError, indexes
from filemill_scheduler.handlers import IntakeHandler, SchedulerHandler
from filemill_scheduler.metrics import Metrics
from filemill_scheduler.repository import Due, Lock, Members, Repository, StoreTime
from filemill_scheduler.settings import SchedulerSettings
from filemill_scheduler.sharing import Sharing
from filemill_scheduler.timers import Timers

_LOCK_LIFE = timedelta(seconds=15)


def main() -> None:
    """Run the scheduler until it is asked to stop."""
    settings = read(SchedulerSettings)

    @asynccontextmanager
    async def scheduler(context: Context) -> AsyncIterator[None]:
        store = Store(settings.mongo_url.get_secret_value().unicode_string(), app_name="filemill-scheduler")
        await store.ready()
        await indexes.ensure(store, indexes.INDEXES)
        context.health.set("store", ok=True)
        clock = StoreTime(store)
        metrics = Metrics(topology=settings.topology)
        repository = Repository(store, clock, metadata_life=settings.metadata_ttl)
        url = settings.rabbit_url.get_secret_value().unicode_string()
        topology = settings.topology
        async with Bus(url, service="scheduler", topology=topology, health=context.health) as bus:
            handler = SchedulerHandler(repository, bus, metrics)
            consumptions = [
                await bus.consume(scheduler_queue(number), handler.on_batch)
                for number in range(topology.partitions)
            ]
            owner = new_id()
            sharing = Sharing(consumptions, Members(store, clock, member=owner, life=_LOCK_LIFE))
            intake = await bus.consume(INTAKE_QUEUE, IntakeHandler(bus).on_batch)
            lock = Lock(store, clock, name="timers", owner=owner, life=_LOCK_LIFE)
            timers = Timers(Due(store, clock), lock, repository, bus=bus, topology=topology, metrics=metrics)
            beside = [
                context.background(timers.run()),
                context.background(repository.forget_when_idle()),
                context.background(store.watch(context.health)),
                *([context.background(sharing.run())] if topology.partitions > 1 else []),
            ]
            yield
            for consumption in (*consumptions, intake):
                await consumption.stop()
            await context.end_background(*beside)
            with suppress(StoreUnavailableError):  # a sweep sends again what is left
                await repository.forget()
        store.close()

    run("scheduler", settings, scheduler, checks=("broker", "store"))


if __name__ == "__main__":
    main()
