"""Ten times what the system can take, for two minutes: what is let in is quick, the rest is told to wait.

First the capacity is measured: tasks a second that end, while a few clients submit as fast as they can.
Then many clients submit ten times as much and never wait as they are told to. All of it runs on this machine.
"""

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filemill_common.ids import new_id
from filemill_local.stack import Stack
from filemill_local.user import FINAL, User

_BODY: Final = json.dumps({"type": "echo"}).encode()
PROGRAMS: Final = ("gateway", "scheduler", "worker", "notifier", "rabbitmq")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        seconds: From sending the request to the end of its answer.
        headers: With names in lower case.
    """

    status: int
    seconds: float
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Outcome:
    """What a load met with.

    Attributes:
        memory: Resident bytes of each program, one look a second.
        refused: Answers that were no 202, the first few.
        waits: Seconds until each accepted request was answered.
        reads: Seconds until each read beside was answered.
    """

    memory: dict[str, list[int]]
    seconds: float = 0
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)

    def growth(self, name: str) -> int:
        """Give how many bytes a program grew from the first third of the time to the last."""
        looks = self.memory[name]
        third = max(1, len(looks) // 3)
        return max(looks[-third:]) - max(looks[:third])


class Connection:
    """One kept connection to a gateway, with as little of HTTP as is needed to be quicker than it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request, and wait for the whole answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", "host: filemill", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        began = time.perf_counter()
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *fields = head.strip().split("\r\n")
        said = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
        content = await reader.readexactly(int(said.get("content-length", "0")))
        if said.get("connection") == "close":
            self.close()
        return Answer(int(status.split()[1]), time.perf_counter() - began, said, content)

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """Small tasks submitted by many, and some reads beside.

    Args:
        stack: Whose gateway is asked.
        seconds: For how long.
        clients: How many there are, each with one connection and one request at a time.
        rate: Requests a second of all of them, as far as they get answers; None for as many as they can.
        keyed: Percent of the requests that have an ``Idempotency-Key``: their answer waits for the store.
    """

    def __init__(
        self, stack: Stack, *, seconds: float, clients: int, rate: float | None = None, keyed: int = 50
    ) -> None:
        self.outcome = Outcome({name: [] for name in PROGRAMS if name in stack.plan.programs})
        self._stack = stack
        self._clients = clients
        self._every = clients / rate if rate else 0.0
        self._keyed = keyed
        self._seconds = seconds
        self._ends = 0.0

    async def run(self) -> Outcome:
        """Put it on the gateway; give what it met with."""
        clock = asyncio.get_running_loop().time
        began = clock()
        self._ends = began + self._seconds
        await asyncio.gather(self._read(), self._look(), *map(self._submit, range(self._clients)))
        self.outcome.seconds = clock() - began
        return self.outcome

    async def _submit(self, number: int) -> None:
        connection, clock = self._connection(), asyncio.get_running_loop().time
        due = clock() + self._every * number / self._clients
        count = number
        while (now := clock()) < self._ends:
            await asyncio.sleep(due - now)
            due = max(due, now) + self._every
            count += 1
            key = {"idempotency_key": new_id()} if count % 100 < self._keyed else {}
            answer = await connection.ask("POST", "/v1/tasks", _BODY, content_type="application/json", **key)
            self._note(answer)
        connection.close()

    def _note(self, answer: Answer) -> None:
        outcome = self.outcome
        outcome.statuses[answer.status] += 1
        if answer.status == 202:
            outcome.waits.append(answer.seconds)
            outcome.accepted.append(json.loads(answer.body)["id"])
        elif len(outcome.refused) < 100:
            outcome.refused.append(answer)

    async def _read(self) -> None:
        connection = self._connection()
        while asyncio.get_running_loop().time() < self._ends:
            answer = await connection.ask("GET", "/v1/tasks?limit=5")
            assert answer.status == 200, answer
            self.outcome.reads.append(answer.seconds)
            await asyncio.sleep(0.1)
        connection.close()

    async def _look(self) -> None:
        while asyncio.get_running_loop().time() < self._ends:
            for name, looks in self.outcome.memory.items():
                looks.append(memory(self._stack.pid(name)))
            await asyncio.sleep(1)

    def _connection(self) -> Connection:
        return Connection(self._stack.plan.ports["gateway"])


def memory(pid: int) -> int:
    """Give the resident bytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def cpu(pid: int) -> float:
    """Give the CPU seconds that a process has used: fields 14 and 15 of /proc/<pid>/stat, in 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def percentile(values: list[float], which: int) -> float:
    """Give the value that ``which`` percent are below."""
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1]


async def all_ended(stack: Stack, tasks: list[str], *, within: float) -> Counter[str]:
    """Wait until all tasks have ended; count them by how."""
    connection, ended = Connection(stack.plan.ports["gateway"]), Counter[str]()
    async with asyncio.timeout(within):
        for task in tasks:
            while (status := await _status(connection, task)) not in FINAL:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
            ended[status] += 1
    connection.close()
    return ended


async def _status(connection: Connection, task: str) -> str:
    answer = await connection.ask("GET", f"/v1/tasks/{task}")
    assert answer.status == 200, answer
    return str(json.loads(answer.body)["status"])


async def capacity(stack: Stack, *, seconds: float) -> float:
    """Measure how many tasks a second the system takes and ends."""
    began = time.monotonic()
    outcome = await Load(stack, seconds=seconds, clients=8).run()
    await all_ended(stack, outcome.accepted[-20:], within=60)
    return len(outcome.accepted) / (time.monotonic() - began)


def main(seconds: float = 120, times: float = 10) -> None:
    """Measure the capacity, overload it, and print what came of it."""
    with Stack.temporary() as stack, User(stack) as user:
        user.ended_task(user.task("echo"))
        can = asyncio.run(capacity(stack, seconds=10))
        print(f"capacity {can:.0f} tasks/s; offered {times * can:.0f}/s for {seconds:.0f} s")
        outcome = asyncio.run(Load(stack, seconds=seconds, clients=256, rate=times * can).run())
        report(outcome)
        print("ended:", dict(asyncio.run(all_ended(stack, outcome.accepted, within=600))))


def report(outcome: Outcome) -> None:
    """Print the figures."""
    sent = outcome.statuses.total()
    print(f"sent {sent / outcome.seconds:.0f}/s: {dict(sorted(outcome.statuses.items()))}")
    for name, waits in (("accepted", outcome.waits), ("reads beside", outcome.reads)):
        each = ", ".join(f"p{which} {1000 * percentile(waits, which):.0f} ms" for which in (50, 95, 99))
        print(f"{name}: {len(waits) / outcome.seconds:.0f}/s, {each}, longest {1000 * max(waits):.0f} ms")
    for name, looks in outcome.memory.items():
        grown = outcome.growth(name) / 1e6
        print(f"{name}: {looks[0] / 1e6:.0f} MB at first, {max(looks) / 1e6:.0f} MB at most, {grown:+.0f} MB")
