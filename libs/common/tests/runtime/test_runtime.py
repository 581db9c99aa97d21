"""A service as a process: how it starts, serves, stops and fails."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

PROGRAM = """
import asyncio
from contextlib import asynccontextmanager
from filemill_common.runtime import run
from filemill_common.settings import Settings, read

async def fail():
    await asyncio.sleep(0.2)
    raise ValueError("the well is dry")

@asynccontextmanager
async def service(context):
    {begin}
    context.health.set("broker", ok=True)
    yield
    {end}

run("sample", read(Settings), service)
"""


@contextmanager
def service(begin: str = "pass", end: str = "pass", *, port: int = 0) -> Iterator[tuple[Any, int]]:
    """Run a service until the block ends."""
    port = port or free_port()
    environment = {
        **os.environ,
        "FILEMILL_RABBIT_URL": "amqp://somebody:topsecret@127.0.0.1",
        "FILEMILL_HTTP_PORT": str(port),
    }
    program = PROGRAM.format(begin=begin, end=end)
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, port
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(port: int) -> int:
    """Ask a service that is just starting whether it is ready."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz/ready", trust_env=False).status_code
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class TestAService:
    def test_stops_in_order_when_it_is_asked_to(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with service(end='print("tidied up", file=__import__("sys").stderr)') as (process, port):
                assert ready(port) == 200
                process.send_signal(number)
                _, said = process.communicate(timeout=60)

            assert process.returncode == 0
            assert "tidied up" in said

    def test_answers_and_stops_while_it_waits_for_its_servers(self) -> None:
        with service(begin="await asyncio.sleep(3600)") as (process, port):
            assert ready(port) == 503
            process.terminate()
            process.communicate(timeout=60)

        assert process.returncode == 0

    def test_ends_with_an_error_when_something_beside_it_fails(self) -> None:
        with service(begin="context.background(fail())") as (process, _):
            _, said = process.communicate(timeout=60)

        assert process.returncode == 1
        [line] = [line for line in lines(said) if line["level"] == "error"]
        assert line["event"] == "the service failed"
        assert "the well is dry" in line["exception"]
        assert "topsecret" not in said

    def test_says_so_when_it_does_not_stop_in_time(self) -> None:
        begin = "import filemill_common.runtime as runtime; runtime.STOP_WITHIN = 0.2"
        with service(begin=begin, end="await asyncio.sleep(3600)") as (process, port):
            assert ready(port) == 200
            process.terminate()
            _, said = process.communicate(timeout=60)

        assert process.returncode == 1
        [line] = [line for line in lines(said) if line["level"] == "error"]
        assert line["event"] == "the service did not stop in time; what it had in hand comes again"
        assert "Traceback" not in said

    def test_ends_with_an_error_when_it_cannot_begin(self) -> None:
        with service(begin='raise OSError("no room")') as (process, _):
            _, said = process.communicate(timeout=60)

        assert process.returncode == 1
        assert "no room" in said

    def test_ends_with_a_sentence_when_its_port_is_taken(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with service(port=taken.getsockname()[1]) as (process, port):
                _, said = process.communicate(timeout=60)

        assert process.returncode == 3
        [line] = [line for line in lines(said) if line["level"] == "error"]
        assert f"address ('127.0.0.1', {port}): address already in use" in line["event"]
        assert "Traceback" not in said
