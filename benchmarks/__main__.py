"""Steps a second, latency of a hand-off, and what a step costs, on a stack of its own.

Everything runs on this machine, clients and servers too, so figures compare only within one run. It ends by
itself in about two minutes and leaves nothing behind.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pymongo import MongoClient

from benchmarks import deciding, language, large, overload, telemetry
from filemill_local.stack import Stack
from filemill_local.user import User, chain, fan

PROGRAMS = ("rabbitmq", "mongod", "gateway", "scheduler", "worker", "notifier")


@dataclass(slots=True)
class Cost:
    """What was used between two looks: CPU seconds a program, commits, seconds."""

    seconds: float = 0
    cpu: dict[str, float] = field(default_factory=dict)
    commits: int = 0
    messages: float = 0


def video_shape() -> dict[str, Any]:
    """Give the shape of the video example, with steps that do nothing."""
    steps = [
        {"id": "transcode", "type": "task", "task": "echo", "with": {"file": "${{ input.file }}"}},
        {
            "id": "thumbnail",
            "type": "task",
            "task": "echo",
            "depends_on": ["transcode"],
            "with": {"file": "${{ steps.transcode.output.file }}"},
        },
        {
            "id": "preview",
            "type": "task",
            "task": "echo",
            "depends_on": ["transcode"],
            "with": {"file": "${{ steps.transcode.output.file }}"},
        },
    ]
    return {"name": "video", "steps": steps}


@contextmanager
def measured(stack: Stack) -> Iterator[Cost]:
    """Measure what the block costs."""
    cost = Cost()
    with MongoClient[dict[str, Any]](stack.plan.mongo_url) as client:
        before = _look(stack, client)
        yield cost
        after = _look(stack, client)
    cost.seconds = after["at"] - before["at"]
    cost.cpu = {name: after[name] - before[name] for name in PROGRAMS}
    cost.commits = int(after["commits"] - before["commits"])
    cost.messages = after["messages"] - before["messages"]


def _look(stack: Stack, client: MongoClient[dict[str, Any]]) -> Mapping[str, float]:
    status = client.admin.command("serverStatus")
    return {
        "at": time.monotonic(),
        "commits": status["transactions"]["totalCommitted"],
        "messages": sum(_published(stack, name) for name in ("gateway", "scheduler", "worker")),
        **{name: overload.cpu(stack.pid(name)) for name in PROGRAMS},
    }


def _published(stack: Stack, service: str) -> float:
    with User(stack) as user:
        text = user.http.get(f"{stack.plan.address(service)}/metrics").text
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("filemill_messages_published_total")
    )


def throughput(stack: Stack, name: str, definition: dict[str, Any], runs: int) -> None:
    """Run many workflows at once, and print what a step came to."""
    steps = len(definition["steps"]) * runs
    with User(stack) as user, measured(stack) as cost, ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: user.workflow(definition, {"file": "x"}), range(runs)))
        for run in ids:
            assert user.ended_workflow(run, within=120)["status"] == "completed"
    used = ", ".join(f"{program} {cost.cpu[program] / steps * 1e6:.0f}" for program in PROGRAMS)
    print(
        f"{name:<22}{steps / cost.seconds:>8.0f} steps/s  {cost.messages / steps:.2f} messages and "
        f"{cost.commits / steps:.2f} commits a step; CPU µs a step: {used}"
    )


def latency(stack: Stack, runs: int) -> None:
    """Run chains one after the other on an idle system, and print the time from one step to the next."""
    gaps: list[float] = []
    with User(stack) as user, MongoClient[dict[str, Any]](stack.plan.mongo_url) as client:
        for _ in range(runs):
            run = user.workflow(chain(10))
            user.ended_workflow(run)
            found = client["filemill"]["tasks"].find({"workflow_id": run}).sort("index", 1)
            tasks = list(found)
            gaps += [
                (later["started_at"] - earlier["completed_at"]).total_seconds() * 1000
                for earlier, later in pairwise(tasks)
            ]
    p95 = statistics.quantiles(gaps, n=20)[-1]
    print(
        f"{'hand-off, idle':<22}p50 {statistics.median(gaps):.0f} ms, p95 {p95:.0f} ms, {len(gaps)} hand-offs"
    )


def main() -> None:
    """Run all of it, or one of the others alone."""
    match sys.argv[1:]:
        case []:
            _all()
        case [name] if name in _OTHERS:
            _OTHERS[name]()
        case _:
            sys.exit(f"python -m benchmarks [{'|'.join(_OTHERS)}]")


_OTHERS: Mapping[str, Callable[[], None]] = {
    "overload": overload.main,
    "deciding": deciding.main,
    "language": language.main,
    "large": large.main,
    "telemetry": telemetry.main,
}


def _all() -> None:
    with Stack.temporary() as stack:
        throughput(stack, "warm-up", video_shape(), 100)
        latency(stack, 20)
        throughput(stack, "video shape", video_shape(), 600)
        throughput(stack, "chain of 10", chain(10), 200)
        throughput(stack, "fan-out/fan-in of 100", fan(100), 20)


if __name__ == "__main__":
    main()
