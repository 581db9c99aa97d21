"""The worker as a process of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from filemill_common.events import AttemptReleased, AttemptSucceeded, Event
from filemill_common.health import Health
from filemill_common.messaging import Batch, Bus, Topology
from filemill_common.messaging.topology import scheduler_queue
from filemill_local.ports import choose
from filemill_worker.testing.attempts import ready


class Outside:
    """What the rest of the system sees of a worker."""

    def __init__(self, url: str, root: Path) -> None:
        self.root = root
        self.port = choose(["worker"])["worker"]
        self._environment = {
            "PATH": os.environ["PATH"],
            "FILEMILL_RABBIT_URL": url,
            "FILEMILL_STORAGE_ROOT": str(root),
            "FILEMILL_HTTP_PORT": str(self.port),
        }

    @asynccontextmanager
    async def worker(self, **environment: str) -> AsyncIterator[Process]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "filemill_worker", env=self._environment | environment, stderr=PIPE
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def until(self, check: str) -> bool:
        """Wait until one thing is as it should be; tell whether everything is."""
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.port}/healthz/ready")
                except httpx.TransportError:
                    await asyncio.sleep(0.1)  # it does not listen yet
                    continue
                if answer.json()["checks"].get(check, {}).get("ok"):
                    return answer.status_code == 200
                await asyncio.sleep(0.05)

    async def metrics(self) -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text


@pytest.fixture
async def reports(vhost_url: str) -> AsyncIterator[tuple[Bus, "asyncio.Queue[Event]"]]:
    told: asyncio.Queue[Event] = asyncio.Queue()

    async def on_batch(batch: Batch) -> int:
        for event in batch.events:
            told.put_nowait(event)
        return len(batch.events)

    async with Bus(vhost_url, service="scheduler", topology=Topology(), health=Health()) as bus:
        consuming = await bus.consume(scheduler_queue(0), on_batch)
        yield bus, told
        await consuming.stop()


async def until(told: "asyncio.Queue[Event]", kind: type[Event]) -> Event:
    async with asyncio.timeout(30):
        while not isinstance(event := await told.get(), kind):
            pass
        return event


class TestProcess:
    async def test_it_works_until_it_is_asked_to_stop_and_gives_back_what_is_long(
        self, vhost_url: str, tmp_path: Path, reports: tuple[Bus, "asyncio.Queue[Event]"]
    ) -> None:
        bus, told = reports
        outside = Outside(vhost_url, tmp_path)
        async with outside.worker(FILEMILL_WORKER_POOLS="default") as worker:
            await outside.until("consuming worker.default")
            await bus.publish([ready("echo", options={"a": 1})])
            succeeded = await until(told, AttemptSucceeded)
            assert isinstance(succeeded, AttemptSucceeded)
            assert succeeded.output == {"a": 1}
            assert 'filemill_worker_slots{pool="default"} 16.0' in await outside.metrics()

            await bus.publish([ready("long", "sleep", options={"seconds": 60}, losses=1)])
            while 'filemill_worker_busy_slots{pool="default"} 1.0' not in await outside.metrics():
                await asyncio.sleep(0.05)
            worker.send_signal(signal.SIGTERM)
            released = await until(told, AttemptReleased)
            assert released.subject == "long"
            async with asyncio.timeout(5):
                assert await worker.wait() == 0
        assert list((tmp_path / "scratch").iterdir()) == []

    async def test_it_stops_in_time_though_the_broker_is_away(self, tmp_path: Path) -> None:
        outside = Outside("amqp://guest:guest@127.0.0.1:1/", tmp_path)
        async with outside.worker() as worker:
            assert not await outside.until("sandbox")

            worker.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await worker.wait() == 0

    async def test_without_a_sandbox_it_ends_with_a_sentence(self, tmp_path: Path) -> None:
        outside = Outside("amqp://guest:guest@127.0.0.1:1/", tmp_path)
        async with outside.worker(PATH="/nowhere") as worker:
            _, printed = await worker.communicate()

        assert worker.returncode == 1
        assert "Install bubblewrap and ffmpeg" in printed.decode()

    async def test_a_setting_that_is_missing_is_named(self, tmp_path: Path) -> None:
        outside = Outside("amqp://guest:guest@127.0.0.1:1/", tmp_path)
        async with outside.worker(FILEMILL_WORKER_POOLS="nowhere") as worker:
            _, printed = await worker.communicate()

        assert worker.returncode == 2
        assert "FILEMILL_WORKER_POOLS" in printed.decode()
        assert "there is no pool nowhere" in printed.decode()
