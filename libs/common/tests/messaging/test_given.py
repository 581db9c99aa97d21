"""A topology that somebody else makes, and users who may only use it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import httpx
import pytest
from aiormq.exceptions import ChannelAccessRefused

from filemill_common.events import Event, TaskCommand, TaskReady
from filemill_common.health import Health
from filemill_common.messaging import Bus, Topology
from filemill_common.messaging.grants import grants
from filemill_local.stack import Stack

GIVEN = Topology(partitions=2, given=True)
COMMAND = TaskCommand(task_id="t", command_id="c", command="cancel", partition_key="t")
READY = TaskReady(task_id="t", attempt=1, task_type="echo", options={}, partition_key="t")


async def nothing(_: Event) -> None:
    pass


class TestAGivenTopology:
    async def test_is_waited_for_and_never_made(
        self, vhost_url: str, topology: Topology, health: Health, until: Callable[..., Any]
    ) -> None:
        async with asyncio.TaskGroup() as group:
            late = Bus(vhost_url, service="test", topology=GIVEN, health=health)
            entering = group.create_task(late.__aenter__())
            await until(
                lambda: "filemill.scheduler" in health.report()["checks"].get("broker", {}).get("detail", "")
            )
            assert not health.ready

            async with Bus(vhost_url, service="setup", topology=topology, health=Health()):
                await entering
            await late.publish_or_raise(COMMAND)
            await late.declare()
            await late.__aexit__()


@pytest.fixture
def user(rabbit: Stack, bus: Bus, vhost_url: str) -> Iterator[Callable[[str], str]]:
    """Gives the address of a service's own user, in a virtual host where all is declared."""
    parts = urlsplit(vhost_url)
    base = f"http://127.0.0.1:{rabbit.plan.ports['management']}/api"
    made: list[str] = []
    with httpx.Client(auth=("guest", "guest"), trust_env=False, timeout=30) as client:

        def make(service: str) -> str:
            name = f"{service}-{parts.path[-8:]}"
            made.append(name)
            grant = grants(GIVEN)[service]
            may = {"configure": grant.configure, "write": grant.write, "read": grant.read}
            client.put(f"{base}/users/{name}", json={"password": "x", "tags": ""}).raise_for_status()
            client.put(f"{base}/permissions{parts.path}/{name}", json=may).raise_for_status()
            return parts._replace(netloc=f"{name}:x@{parts.hostname}:{parts.port}").geturl()

        yield make
        for name in made:
            client.delete(f"{base}/users/{name}").raise_for_status()


@asynccontextmanager
async def refused(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel on which what is done is refused."""
    connection = await aio_pika.connect(url)
    with pytest.raises(ChannelAccessRefused):
        yield await connection.channel()
    await connection.close()


class TestAUserOfItsOwn:
    @pytest.mark.parametrize(
        ("service", "queues"),
        [
            ("scheduler", ["scheduler.0", "scheduler.1", "scheduler.intake"]),
            ("notifier", ["notifier.events"]),
            ("worker", ["worker.video", "worker.default"]),
        ],
    )
    async def test_may_consume_and_park(
        self,
        user: Callable[[str], str],
        health: Health,
        until: Callable[..., Any],
        eyes: Any,
        service: str,
        queues: list[str],
    ) -> None:
        async def refuse(_: object) -> int:
            raise ValueError("of no use")

        async with Bus(user(service), service=service, topology=GIVEN, health=health) as own:
            for queue in queues:
                await own.consume(queue, refuse)
            await until(lambda: health.ready and len(health.report()["checks"]) >= len(queues))
            message = aio_pika.Message(b"?", reply_to="nobody")
            await eyes.channel.default_exchange.publish(message, queues[0])
            parked = await eyes.next("parking-lot")
            assert parked.headers["x-filemill-queue"] == queues[0]

    async def test_of_the_gateway_may_ask_listen_and_look_into_the_parking_lot(
        self, user: Callable[[str], str], health: Health, eyes: Any
    ) -> None:
        async with Bus(user("gateway"), service="gateway", topology=GIVEN, health=health) as own:
            await own.publish_or_raise(COMMAND)
            await own.subscribe("filemill.events", ["task.#"], nothing, max_length=10)
            await eyes.put("parking-lot", b"?", **{"x-filemill-queue": "scheduler.0"})
            assert len((await own.lot.look()).messages) == 1
            assert (await own.lot.redrive(lambda _: True)).done == 1

    async def test_of_the_scheduler_may_offer_work(self, user: Callable[[str], str], health: Health) -> None:
        async with Bus(user("scheduler"), service="scheduler", topology=GIVEN, health=health) as own:
            await own.publish_or_raise(READY, COMMAND)

    async def test_of_a_worker_may_listen_for_revocations_and_offer_no_work(
        self, user: Callable[[str], str], health: Health
    ) -> None:
        url = user("worker")
        async with Bus(url, service="worker", topology=GIVEN, health=health) as own:
            await own.subscribe("filemill.work", ["control.all"], nothing)
            assert await own.publish([READY]) == (False,)
        async with refused(url) as channel:
            await (await channel.get_queue("scheduler.0", ensure=False)).get(fail=False)
        async with refused(url) as channel:
            await channel.declare_queue("mine", durable=True)
        async with refused(url) as channel:
            await channel.queue_delete("worker.video")
