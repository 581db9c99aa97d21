"""Starts a real service in which a mistake was made: one sort of input is poison to it.

The mistake is in the services for as long as the file that ``FILEMILL_POISON`` names is there.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filemill_common.events import TaskCreated
from tests.chaos.patch import patch


def main(name: str) -> None:
    """Run a scheduler that fails on a task, or a worker that dies of one."""
    mistake = Path(os.environ["FILEMILL_POISON"])
    {"scheduler": _let_scheduler_fail, "worker": _let_worker_die}[name](mistake)
    importlib.import_module(f"filemill_{name}.__main__").main()


def _let_scheduler_fail(mistake: Path) -> None:
    """Fail on each batch with a task whose options say that it is poison to the scheduler."""
    from filemill_scheduler.handlers import SchedulerHandler  # noqa: PLC0415 - only a scheduler has it

    def failing(on_batch: Callable[..., Any]) -> Callable[..., Any]:
        async def taken(handler: SchedulerHandler, batch: Any) -> int:
            for event in batch.events:
                if isinstance(event, TaskCreated) and event.task.options.get("poison") == "scheduler":
                    assert not mistake.exists(), "nobody thought of this"
            count: int = await on_batch(handler, batch)
            return count

        return taken

    patch(SchedulerHandler, "on_batch", failing)


def _let_worker_die(mistake: Path) -> None:
    """Die of a task whose options say that it is poison to the worker."""
    from filemill_worker.processors import Job, Processors, Product  # noqa: PLC0415 - only a worker has it

    def dying(run: Callable[..., Any]) -> Callable[..., Any]:
        async def running(processors: Processors, job: Job, report: Any) -> Product:
            if job.options.model_dump().get("poison") == "worker" and mistake.exists():
                os.kill(os.getpid(), signal.SIGKILL)
            product: Product = await run(processors, job, report)
            return product

        return running

    patch(Processors, "run", dying)


if __name__ == "__main__":
    main(sys.argv[1])
