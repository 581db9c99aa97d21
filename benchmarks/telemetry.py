"""What it costs to be seen: throughput with traces, metrics and logs on, against the same with all of it off.

Three stacks stand side by side and take turns, so that whatever else the machine does falls on all of them.
The collector only swallows; it is on this machine too, and what it uses counts against tracing.
"""

import multiprocessing
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any, Final

from benchmarks.overload import cpu
from filemill_local.plan import SERVICES
from filemill_local.stack import Stack
from filemill_local.user import User, chain, fan

ROUNDS: Final = 30
SHAPES: Final = (("chain of 10", chain(10), 60), ("fan-out/fan-in of 100", fan(100), 6))
MODES: Final[Mapping[str, dict[str, Any]]] = {
    "off": {"FILEMILL_LOG_LEVEL": "error"},
    "1 %": {"FILEMILL_TRACE_RATIO": "0.01"},
    "100 %": {"FILEMILL_TRACE_RATIO": "1"},
}


def main() -> None:
    """Measure it, and print the medians, and between what the middle half of the rounds lies."""
    with ExitStack() as stacks:
        collector = stacks.enter_context(_collector())
        on: dict[str, Any] = {"FILEMILL_OTLP_ENDPOINT": collector}
        users: dict[str, User] = {}
        for mode, given in MODES.items():
            stack = stacks.enter_context(Stack.temporary(**(given if mode == "off" else {**given, **on})))
            users[mode] = stacks.enter_context(User(stack))
            _steps_a_second(users[mode], chain(10), 20)  # what is only done once
        for name, definition, runs in SHAPES:
            _compare(name, users, definition, runs)


def _compare(name: str, users: Mapping[str, User], definition: dict[str, Any], runs: int) -> None:
    """Let the stacks take turns; each round begins with another one."""
    found: dict[str, list[float]] = {mode: [] for mode in users}
    used: dict[str, list[float]] = {mode: [] for mode in users}
    for number in range(ROUNDS):
        modes = list(users)
        for mode in modes[number % len(modes) :] + modes[: number % len(modes)]:
            stack = users[mode].stack
            with _scraped(stack, every=None if mode == "off" else 1.0):
                before = _cpu(stack)
                found[mode].append(_steps_a_second(users[mode], definition, runs))
                used[mode].append(_cpu(stack) - before)
    for mode in users:
        less = [1 - on / off for on, off in zip(found[mode], found["off"], strict=True)]
        more = [on / off - 1 for on, off in zip(used[mode], used["off"], strict=True)]
        print(
            f"{name:<22} {mode:>5}: {statistics.median(found[mode]):5.0f} steps/s, "
            f"{_middle(less)} less; {_middle(more)} more CPU"
        )


def _middle(ratios: Sequence[float]) -> str:
    low, median, high = (100 * each for each in statistics.quantiles(ratios, n=4))
    return f"{median:+5.1f} % ({low:+.0f} to {high:+.0f})"


def _steps_a_second(user: User, definition: dict[str, Any], runs: int) -> float:
    began = monotonic()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: user.workflow(definition), range(runs)))
    for run in ids:
        assert user.ended_workflow(run, within=120)["status"] == "completed"
    return len(definition["steps"]) * runs / (monotonic() - began)


def _cpu(stack: Stack) -> float:
    """CPU seconds that the servers and services have used; what others do meanwhile does not count."""
    return sum(cpu(stack.pid(name)) for name in ("rabbitmq", "mongod", *SERVICES))


@contextmanager
def _scraped(stack: Stack, *, every: float | None) -> Iterator[None]:
    """Ask all services for their metrics meanwhile, as Prometheus does; never if ``every`` is None."""
    over = threading.Event()

    doors = [HTTPConnection("127.0.0.1", stack.plan.ports[name]) for name in SERVICES]

    def scrape() -> None:
        while every is not None and not over.wait(every):
            for door in doors:
                door.request("GET", "/metrics", headers={"accept": "application/openmetrics-text"})
                answer = door.getresponse()
                assert (answer.status, answer.read()[-6:]) == (200, b"# EOF\n")

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for door in doors:
            door.close()


@contextmanager
def _collector() -> Iterator[str]:
    """Take spans in a process of its own; give its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_swallow, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def _swallow(told: Connection) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.send(server.server_address[1])
    server.serve_forever()
