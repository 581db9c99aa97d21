"""What deciding one event costs in a small run and in a large one: the fold alone, and documents as they lie.

The same report (one step of the run has succeeded) is folded many times into runs of 10 and of 10,000 steps;
no server takes part. Beside the time stands the largest document that such a run has in the store.
"""

import statistics
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from bson import encode

from filemill_common.events import AttemptSucceeded
from filemill_scheduler.core import Decision, Loaded, Needs, fold
from filemill_scheduler.core.state import Task
from filemill_scheduler.repository.documents import RUN_SHAPE, TASK_SHAPE
from filemill_scheduler.testing import Scene

SIZES: Final = (10, 10_000)
_EVENTS: Final = 200


def chain(size: int) -> dict[str, Any]:
    """Each step waits for the one before."""
    return {"steps": [_step(n, depends_on=[f"s{n - 1}"] if n else []) for n in range(size)]}


def join(size: int) -> dict[str, Any]:
    """One step waits for all others."""
    steps = [_step(n) for n in range(size - 1)]
    return {"steps": [*steps, _step(size - 1, depends_on=[step["id"] for step in steps])]}


def parallel(size: int) -> dict[str, Any]:
    """All lie in one parallel."""
    branches = {"all": [_step(n) for n in range(size - 1)]}
    return {"steps": [{"id": "all", "type": "parallel", "branches": branches}]}


def items(size: int) -> dict[str, Any]:
    """A map, of at most 1,000 items."""
    count = min(size, 1_000)
    return {"steps": [{"id": "all", "type": "map", "items": list(range(count)), "step": {"task": "echo"}}]}


def _step(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"s{number}", "task": "echo", "with": {"n": "${{ input.n }}"}, **fields}


def cost(definition: dict[str, Any]) -> tuple[float, int]:
    """Give the median seconds of folding one report, and the bytes of the largest document."""
    scene = Scene()
    scene.define(value={"n": 1}, **definition)
    times: list[float] = []
    while len(times) < _EVENTS and (task := _offered(scene)) is not None:
        report = _report(task.id, task.attempt, scene.state.now)
        seconds = 0.0

        def timed(loaded: Loaded, events: Sequence[Any], now: datetime, may_ask: bool) -> Decision | Needs:
            nonlocal seconds
            began = time.perf_counter()
            answer = fold(loaded, events, now=now, may_ask=may_ask)
            seconds += time.perf_counter() - began
            return answer

        scene.state.play([report], timed)
        times.append(seconds)
    documents = [TASK_SHAPE.document(each) for each in scene.state.tasks.values()]
    documents += [RUN_SHAPE.document(each) for each in scene.state.runs.values()]
    return statistics.median(times), max(len(encode(each)) for each in documents)


def _offered(scene: Scene) -> Task | None:
    return next((task for task in scene.state.tasks.values() if task.ready_at is not None), None)


def _report(task_id: str, attempt: int, now: datetime) -> AttemptSucceeded:
    return AttemptSucceeded(
        task_id=task_id,
        attempt=attempt,
        execution="execution",
        worker="worker",
        partition_key="run",
        output={"n": 1},
        started_at=now,
        completed_at=now,
    )


def main() -> None:
    """Print a line a shape."""
    print(f"{'shape':<10}" + "".join(f"{size:>9,} steps" for size in SIZES) + "   ratio   largest document")
    for shape in (chain, join, parallel, items):
        found = [cost(shape(size)) for size in SIZES]
        times = "".join(f"{seconds * 1e6:>12.0f} µs" for seconds, _ in found)
        ratio = found[-1][0] / found[0][0]
        print(f"{shape.__name__:<10}{times}   {ratio:>5.1f}   {found[-1][1] / 1e6:>13.2f} MB")
