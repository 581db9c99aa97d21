"""Seeded bugs in the adapters: each is a mistake that somebody could make, put into a service from outside.

The pure cores have theirs in the simulation. A bug whose place is gone fails as it is put in, so that none
is silently no bug any more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

import aio_pika
import aiormq
from aio_pika.queue import Queue
from pymongo import UpdateOne

from filemill_common.events import AttemptStarted, StoredFile
from filemill_common.messaging import link, slots
from filemill_common.messaging.parking import Parking
from filemill_common.store import Store, alias_update
from filemill_common.store.indexes import FILES
from filemill_gateway.routes import workflows
from filemill_notifier.channels.web import Web
from filemill_notifier.core.deliveries import Status
from filemill_notifier.sender import Sender
from filemill_scheduler.handlers import SchedulerHandler
from filemill_scheduler.repository import Due, Repository
from filemill_scheduler.repository.documents import TASK_SHAPE
from filemill_worker.execution import Executor
from filemill_worker.handlers import Worker
from filemill_worker.leases import Lease
from filemill_worker.reports import Reports
from tests.chaos.patch import patch

Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake.

    Attributes:
        says: What is wrong with it.
        seed: Puts it into this process.
        services: Those that make it.
    """

    says: str
    seed: Callable[[], None]
    services: tuple[str, ...]


BUGS: Final[dict[str, Bug]] = {}


def seed(name: str, service: str) -> None:
    """Put a bug into this process, if its service makes it.

    Raises:
        KeyError: There is no such bug.
        AttributeError: What it changes is not there any more.
    """
    if service in BUGS[name].services:
        BUGS[name].seed()


def _bug(*services: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def known(seed: Callable[[], None]) -> Callable[[], None]:
        BUGS[seed.__name__] = Bug(seed.__doc__ or "", seed, services)
        return seed

    return known


def _instead(other: Call) -> Callable[[Call], Call]:
    """Ignore what was there."""
    return lambda _: other


async def _for_ever(*_: object) -> None:
    await asyncio.Event().wait()


@_bug("scheduler")
def ack_before_handling() -> None:
    """A message counts as handled as soon as it was delivered."""

    async def gone(*_: object, **__: object) -> None:
        """There is nothing left to acknowledge."""

    patch(Queue, "consume", lambda consume: lambda queue, take: consume(queue, take, no_ack=True))
    patch(aio_pika.IncomingMessage, "ack", _instead(gone))


@_bug("worker")
def ack_of_a_shared_channel() -> None:
    """All slots share a channel, and an acknowledgement means all that was delivered before."""
    shared: list[Any] = []
    opening = asyncio.Lock()

    def sharing(open_: Call) -> Call:
        async def channel(line: link.Link, *, confirms: bool = False) -> Any:
            if confirms:
                return await open_(line, confirms=True)
            async with opening:
                if not shared or shared[-1].is_closed:
                    shared.append(await open_(line))
            return shared[-1]

        return channel

    patch(link.Link, "channel", sharing)
    patch(aio_pika.IncomingMessage, "ack", lambda ack: lambda message, **_: ack(message, multiple=True))


@_bug("scheduler")
def not_mandatory() -> None:
    """A message that no queue takes counts as delivered."""
    patch(
        aiormq.Channel,
        "basic_publish",
        lambda publish: lambda channel, body, **how: publish(channel, body, **{**how, "mandatory": False}),
    )


@_bug("scheduler")
def outbox_kept_when_idle() -> None:
    """What the broker has is forgotten with the next batch only."""
    patch(Repository, "forget_when_idle", _instead(_for_ever))


@_bug("scheduler")
def outbox_deleted_early() -> None:
    """The events owed are forgotten before the broker has them."""

    def early(update: Call) -> Call:
        async def forgetting(repository: Repository, *what: Any) -> Any:
            updated = await update(repository, *what)
            repository.confirmed(updated.entries)
            await repository.forget()
            return updated

        return forgetting

    patch(Repository, "update", early)


@_bug("scheduler")
def outbox_never_swept() -> None:
    """Nobody looks for events owed that a crash left behind."""

    async def nothing(_: Due) -> tuple[()]:
        return ()

    patch(Due, "outbox", _instead(nothing))


@_bug("scheduler")
def publish_before_commit() -> None:
    """The events owed are sent while the state may still be rolled back."""
    publishers: list[Any] = []

    def knowing(make: Call) -> Call:
        def made(handler: SchedulerHandler, tasks: Any, publisher: Any, metrics: Any) -> None:
            publishers.append(publisher)
            make(handler, tasks, publisher, metrics)

        return made

    def hasty(write: Call) -> Call:
        async def sending(
            repository: Repository, session: Any, loaded: Any, decision: Any, *rest: Any
        ) -> Any:
            await publishers[-1].publish(decision.durable)
            return await write(repository, session, loaded, decision, *rest)

        return sending

    patch(SchedulerHandler, "__init__", knowing)
    patch(Repository, "_write", hasty)


@_bug("scheduler")
def no_transaction() -> None:
    """State and events owed are written one after the other."""

    async def loose(_: Store, work: Callable[[None], Awaitable[Any]]) -> Any:
        return await work(None)

    patch(Store, "in_transaction", _instead(loose))


@_bug("scheduler")
def no_version_guard() -> None:
    """It reads outside the transaction, and writes whatever was written meanwhile.

    A transaction alone would refuse a document that changed since it was read in it, so the guard matters
    where somebody reads elsewhere.
    """

    def unguarded(write: Call) -> Call:
        def blind(shape: Any, old: Any, new: Any) -> Any:
            made = write(shape, old, new)
            return UpdateOne({"_id": new.id}, made._doc) if isinstance(made, UpdateOne) else made

        return blind

    patch(type(TASK_SHAPE), "write", unguarded)
    patch(Repository, "_read", lambda read: lambda repository, _, *what: read(repository, None, *what))


@_bug("scheduler")
def alias_outside() -> None:
    """The path of an accepted file is set after the commit."""
    late: list[tuple[str, StoredFile, Any]] = []

    def postponing(write: Call) -> Call:
        async def writing(
            repository: Repository, session: Any, loaded: Any, decision: Any, *rest: Any
        ) -> Any:
            late.extend((tenant, file, rest[0]) for tenant, file in decision.aliases)
            return await write(repository, session, loaded, replace(decision, aliases=()), *rest)

        return writing

    def afterwards(update: Call) -> Call:
        async def updating(repository: Repository, *what: Any) -> Any:
            updated = await update(repository, *what)
            writes: list[Any] = [alias_update(tenant, file, at=now) for tenant, file, now in late]
            late.clear()
            if writes:
                await repository._store.collection(FILES).bulk_write(writes)
            return updated

        return updating

    patch(Repository, "_write", postponing)
    patch(Repository, "update", afterwards)


@_bug("scheduler")
def early_events_dropped() -> None:
    """What comes before the thing that it is about is acknowledged and forgotten."""

    def dropping(write: Call) -> Call:
        return lambda repository, session, decision, *rest: write(
            repository, session, replace(decision, deferred=()), *rest
        )

    patch(Repository, "_write_outbox", dropping)


@_bug("worker")
def ack_before_result() -> None:
    """A short task is acknowledged before its result is confirmed."""

    def hasty(carry_out: Call) -> Call:
        async def acknowledging(worker: Worker, taken: slots.Taken) -> None:
            await taken.acknowledge()
            await carry_out(worker, taken)

        return acknowledging

    patch(Worker, "on_ready", hasty)


@_bug("worker")
def long_task_let_go_early() -> None:
    """A long task is acknowledged before the scheduler can know that it runs."""
    held: dict[str, Any] = {}

    def holding(see_through: Call) -> Call:
        async def seeing(worker: Worker, taken: Any, running: Any) -> None:
            held[running.take.execution] = taken
            await see_through(worker, taken, running)

        return seeing

    def letting_go(tell: Call) -> Call:
        async def telling(reports: Reports, report: Any) -> None:
            if isinstance(report, AttemptStarted):
                await held[report.execution].detach()
            await tell(reports, report)

        return telling

    patch(Worker, "_see_through", holding)
    patch(Reports, "tell", letting_go)


@_bug("worker")
def result_overwritten() -> None:
    """Every execution of an attempt writes the same file, whichever is accepted."""

    def overwriting(store: Call) -> Call:
        async def storing(executor: Executor, take: Any, made: Any) -> Any:
            same = replace(take, execution="result")
            if made.file is not None:
                name = f"objects/tasks/{take.ready.task_id}/{take.ready.attempt}-result{made.file.suffix}"
                executor._storage._place(name).unlink(missing_ok=True)  # type: ignore[attr-defined]
            return await store(executor, same, made)

        return storing

    patch(Executor, "_store", overwriting)


@_bug("worker")
def lease_never_renewed() -> None:
    """A worker says that it began, and nothing more until it has ended."""
    patch(Lease, "renew", _instead(_for_ever))


@_bug("gateway", "scheduler", "worker", "notifier")
def declared_once() -> None:
    """The topology is declared at the start and never again."""
    done: list[bool] = []

    def once(declare: Call) -> Call:
        async def declaring(*what: Any) -> None:
            if not done:
                await declare(*what)
                done.append(True)

        return declaring

    patch(link, "_declare", once)


@_bug("scheduler")
def poison_vanishes() -> None:
    """What cannot be read is acknowledged, and kept nowhere."""

    async def nowhere(*_: object, **__: object) -> None:
        """Keep nothing."""

    patch(Parking, "park_message", _instead(nowhere))


@_bug("notifier")
def delivered_before_sent() -> None:
    """A delivery is marked as made before it is."""

    def hasty(send: Call) -> Call:
        async def marking(sender: Sender, delivery: Any) -> None:
            marked = replace(delivery, status=Status.DELIVERED, due_at=None)
            await sender._log.put(marked, held=delivery.due_at)
            await send(sender, delivery)

        return marking

    patch(Sender, "_send", hasty)


@_bug("notifier")
def another_webhook_id() -> None:
    """Each try has an id of its own, so that nobody can tell a repetition from news."""
    patch(Web, "_headers", lambda make: lambda *what: {**make(*what), "webhook-id": str(uuid4())})


@_bug("gateway")
def key_ignored() -> None:
    """A request that is repeated with its key is another one."""
    patch(workflows, "idempotency_key", _instead(lambda _: None))
