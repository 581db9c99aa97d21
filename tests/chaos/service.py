"""Starts a real service with what chaos adds from outside: a journal, crash points, a seeded bug."""

import asyncio
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from filemill_common import runtime
from filemill_common.events import AttemptFailed, AttemptSucceeded
from tests.chaos import crashing
from tests.chaos.journal import Journal
from tests.chaos.patch import patch

BEAT: Final = 1.0
"""Seconds between the lines in which a process says that it lives."""


def main(name: str) -> None:
    """Run a service until it is asked to stop, or dies."""
    journal = Journal(Path(os.environ["FILEMILL_CHAOS_JOURNAL"]), name)
    crashing.install(crashing.Points(name, journal, os.environ.get("FILEMILL_CHAOS_CRASH", "")))
    if bug := os.environ.get("FILEMILL_CHAOS_BUG"):
        from tests.chaos import bugs  # noqa: PLC0415 - it loads all services

        bugs.seed(bug, name)
    _let_it_beat(journal)
    if name == "worker":
        _watch_executions(journal)
    importlib.import_module(f"filemill_{name}.__main__").main()


def _let_it_beat(journal: Journal) -> None:
    """Let the service's event loop say each second that it turns: a frozen or killed one does not."""

    async def beat() -> None:
        while True:
            journal.write("alive")
            await asyncio.sleep(BEAT)

    def working(work: Callable[..., Any]) -> Callable[..., Any]:
        async def watched(main: Any, context: runtime.Context, *others: Any) -> None:
            context.background(beat())
            await work(main, context, *others)

        return watched

    patch(runtime, "_work", working)


def _watch_executions(journal: Journal) -> None:
    """Note each execution's begin and end, and mark what it makes, so that no two make the same."""
    from filemill_worker.execution import Executor  # noqa: PLC0415 - only a worker has it
    from filemill_worker.processors import Job, Processors, Product  # noqa: PLC0415

    def processing(run: Callable[..., Any]) -> Callable[..., Any]:
        async def marked(processors: Processors, job: Job, report: Any) -> Product:
            made: Product = await run(processors, job, report)
            execution = job.scratch.name
            if made.file is not None:
                with made.file.open("ab") as file:
                    file.write(execution.encode())
            return replace(made, output={**made.output, "execution": execution})

        return marked

    def executing(run: Callable[..., Any]) -> Callable[..., Any]:
        async def watched(executor: Executor, take: Any, report: Any) -> AttemptSucceeded | AttemptFailed:
            about = {
                "task_id": take.ready.task_id,
                "attempt": take.ready.attempt,
                "execution": take.execution,
                "worker": take.worker,
                "type": take.ready.task_type,
            }
            journal.write("began", **about)
            ended: dict[str, object] = {"outcome": "cancelled"}
            try:
                result: AttemptSucceeded | AttemptFailed = await run(executor, take, report)
                match result:
                    case AttemptSucceeded(output=output, file=file):
                        stored = {"object": file.object, "digest": file.digest} if file else {}
                        ended = {"outcome": "succeeded", "output": output, **stored}
                    case AttemptFailed(code=code):
                        ended = {"outcome": "failed", "code": code}
                return result
            finally:
                journal.write("ended", **about, **ended)

        return watched

    patch(Processors, "run", processing)
    patch(Executor, "run", executing)


if __name__ == "__main__":
    main(sys.argv[1])
