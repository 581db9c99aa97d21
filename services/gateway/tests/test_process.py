"""The gateway as a process of its own, over real servers."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from filemill_common.events import Event, TaskCompleted, TaskStatus, TaskView
from filemill_common.health import Health
from filemill_common.messaging import Batch, Bus, Topology
from filemill_common.messaging.topology import POOLS
from filemill_gateway.testing import BEGINNING, World
from filemill_local.servers import virtual_host
from filemill_local.stack import Stack


@dataclass
class Running:
    client: httpx.AsyncClient
    process: asyncio.subprocess.Process
    bus: Bus
    files: Path


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


@asynccontextmanager
async def a_gateway(rabbit: Stack, mongod_address: tuple[str, str], files: Path) -> AsyncIterator[Running]:
    """A gateway on the store of ``world``, and a bus to play the scheduler on."""
    port = free_port()
    with virtual_host(rabbit.plan.ports["management"], rabbit.plan.rabbit_url) as url:
        environment = {
            "FILEMILL_RABBIT_URL": url,
            "FILEMILL_MONGO_URL": f"{mongod_address[0]}/test_gateway?{mongod_address[1]}",
            "FILEMILL_STORAGE_ROOT": str(files),
            "FILEMILL_HTTP_PORT": str(port),
            "FILEMILL_MAX_UPLOAD": "200MB",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "filemill_gateway", env={**os.environ, **environment}
        )
        topology = Topology(partitions=1, pools=POOLS)
        try:
            async with (
                Bus(url, service="test", topology=topology, health=Health()) as bus,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
            ):
                await _ready(client)
                yield Running(client, process, bus, files)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture(scope="module")
async def running(
    rabbit: Stack, mongod_address: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with a_gateway(rabbit, mongod_address, tmp_path_factory.mktemp("files")) as found:
        yield found


async def _ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await client.get("/healthz/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def test_a_request_reaches_the_scheduler(running: Running) -> None:
    arrived: asyncio.Queue[Event] = asyncio.Queue()

    async def handle(batch: Batch) -> int:
        for event in batch.events:
            arrived.put_nowait(event)
        return len(batch.events)

    consumption = await running.bus.consume("scheduler.0", handle)
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    answer = await running.client.post("/v1/tasks", json={"type": "echo"}, headers=trace)
    event = await asyncio.wait_for(arrived.get(), 10)
    await consumption.stop()

    assert answer.status_code == 202
    assert event.subject == answer.json()["id"]
    assert event.traceparent is not None
    assert event.traceparent.split("-")[1] == "a" * 32
    assert event.traceparent.split("-")[2] != "b" * 16


async def test_a_stream_tells_of_events_and_lets_the_process_stop(
    rabbit: Stack, mongod_address: tuple[str, str], tmp_path: Path, world: World
) -> None:
    await world.put_task(status="running")
    task = TaskView(
        id="t1",
        type="echo",
        status=TaskStatus.RUNNING,
        progress=70,
        created_at=BEGINNING,
        updated_at=BEGINNING,
    )
    kinds = []
    async with a_gateway(rabbit, mongod_address, tmp_path) as running:
        async with running.client.stream("GET", "/v1/tasks/t1/events") as stream:
            async for line in stream.aiter_lines():
                if line == "event: snapshot":
                    await running.bus.publish([TaskCompleted(task=task, sequence=2, partition_key="t1")])
                if line.startswith("event: "):
                    kinds.append(line)
                if line == "event: change":
                    running.process.send_signal(signal.SIGTERM)

        assert kinds == ["event: snapshot", "event: change"]
        assert await asyncio.wait_for(running.process.wait(), 10) == 0


async def test_a_large_file_passes_through_without_being_held(running: Running) -> None:
    piece = b"x" * (1 << 20)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(150):
            yield piece

    answer = await running.client.put("/v1/files/large.bin", content=pieces())
    size = 0
    async with running.client.stream("GET", "/v1/files/large.bin") as download:
        async for chunk in download.aiter_bytes():
            size += len(chunk)

    assert (answer.status_code, answer.json()["size"], size) == (201, 150 << 20, 150 << 20)
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    assert peak < 200_000, f"{peak} kB"


async def test_a_client_that_goes_away_leaves_nothing(running: Running) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * (1 << 20)
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await running.client.put("/v1/files/half.bin", content=pieces())

    async with asyncio.timeout(5):
        while any(running.files.rglob("*.part")):
            await asyncio.sleep(0.02)
    assert (await running.client.get("/v1/files/half.bin")).status_code == 404


async def test_metrics_count_requests_by_route(running: Running) -> None:
    await running.client.put("/v1/files/some/path.txt", content=b"x")
    metrics = (await running.client.get("/metrics")).text

    route = 'method="PUT",route="/v1/files/{path:path}",status="201"'
    assert f"filemill_http_request_duration_seconds_count{{{route}}}" in metrics
    assert "some/path" not in metrics
