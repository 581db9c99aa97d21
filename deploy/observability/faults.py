"""What the drill does to a stack, and how it is repaired."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import httpx

from deploy.observability.load import publish
from filemill_local.stack import Stack
from filemill_local.user import User

_RABBITMQCTL: Final = "/usr/lib/rabbitmq/bin/rabbitmqctl"
_SLOTS: Final = 16
"""Of the pool ``default``, on any machine."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where faults are injected.

    Attributes:
        poisoned: While this file is there, workers die of what is poison.
    """

    stack: Stack
    user: User
    poisoned: Path


@contextmanager
def stopped(ground: Ground, service: str) -> Iterator[None]:
    """Have a service away."""
    ground.stack.stop(service)
    try:
        yield
    finally:
        ground.stack.start(service)
        ground.stack.wait_ready(service)


@contextmanager
def memory_alarm(ground: Ground) -> Iterator[None]:
    """Let the broker believe that its memory is used up."""
    _rabbitmqctl(ground.stack, "set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        _rabbitmqctl(ground.stack, "set_vm_memory_high_watermark", "0.4")


@contextmanager
def dead_webhook(ground: Ground) -> Iterator[None]:
    """Notify somebody who says that he is gone for good."""
    with HTTPServer(("127.0.0.1", 0), _Gone) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for _ in range(12):
            ground.user.task("echo", notify_webhook=f"http://127.0.0.1:{server.server_port}/hook")
        yield
        server.shutdown()


@contextmanager
def full_parking_lot(ground: Ground) -> Iterator[None]:
    """Send more that nobody can read than one look at the parking lot shows."""
    batch = json.dumps(
        [
            {"specversion": "1.0", "id": str(each), "type": "no.such.event", "source": "/x"}
            for each in range(50)
        ]
    )
    publish(
        ground.stack,
        "filemill.intake",
        "x",
        batch,
        times=22,
        content_type="application/cloudevents-batch+json",
    )
    try:
        yield
    finally:
        url = f"http://127.0.0.1:{ground.stack.plan.ports['management']}/api/queues/%2F/parking-lot/contents"
        httpx.delete(url, auth=("guest", "guest"), trust_env=False, timeout=30).raise_for_status()


@contextmanager
def slow_store(ground: Ground) -> Iterator[None]:
    """Let MongoDB work a fifth of the time."""
    pid, over = ground.stack.pid("mongod"), threading.Event()

    def hold() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.8)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)

    holding = threading.Thread(target=hold, daemon=True)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join()


@contextmanager
def lease_losses(ground: Ground) -> Iterator[None]:
    """Kill a worker that has much in hand."""
    with _sleeping(ground, 12) as tasks:
        ground.user.eventually(
            lambda: all(ground.user.get_task(task)["status"] == "running" for task in tasks), within=30
        )
        ground.stack.kill("worker")
        yield


@contextmanager
def growing_outbox(ground: Ground) -> Iterator[None]:
    """Let a queue refuse what is sent to it, while all slots are taken and it fills up."""
    limit = json.dumps({"max-length": 1, "overflow": "reject-publish"})
    _rabbitmqctl(ground.stack, "set_policy", "full", "^worker.default$", limit, "--apply-to", "queues")
    try:
        with _sleeping(ground, _SLOTS + 8):
            yield
    finally:
        _rabbitmqctl(ground.stack, "clear_policy", "full")


@contextmanager
def poison(ground: Ground) -> Iterator[None]:
    """Have a task that ends each worker which takes it."""
    ground.poisoned.touch()
    try:
        ground.user.task("echo", options={"poison": "worker"})
        yield
    finally:
        ground.poisoned.unlink()
        ground.stack.wait_ready("worker")


@contextmanager
def _sleeping(ground: Ground, count: int) -> Iterator[list[str]]:
    """Have tasks that take for ever, and cancel them."""
    tasks = [ground.user.task("sleep", options={"seconds": 600}) for _ in range(count)]
    try:
        yield tasks
    finally:
        for task in tasks:
            ground.user.eventually(partial(_cancelled, ground.user, task), within=30)


def _cancelled(user: User, task: str) -> bool:
    return user.http.post(f"/v1/tasks/{task}/cancel").is_success


class _Gone(BaseHTTPRequestHandler):
    """Answers 410 to all."""

    def do_POST(self) -> None:
        """Say that nobody is here any more."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(410)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


def _rabbitmqctl(stack: Stack, *arguments: str) -> None:
    environment = {**os.environ, **stack.plan.program("rabbitmq").environment}
    command = (_RABBITMQCTL, "--node", environment["RABBITMQ_NODENAME"], *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
