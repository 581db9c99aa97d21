"""Running one program to its end, whatever happens: it is never left behind, and never fills memory."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from filemill_worker.errors import ProcessingError

_PIECE = 16_384
_KEPT = 8_192


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended.

    Attributes:
        status: As a shell tells it: 128 and the signal for one that a signal ended.
        printed: The last 8 KB of its error output.
    """

    status: int
    printed: str


async def run(command: tuple[str, ...], *, wall_time: timedelta, on_output: Callable[[bytes], None]) -> Exit:
    """Run a program until it ends; cancelling kills it and all it started, and waits until they are gone.

    Args:
        command: The program and its arguments.
        wall_time: Time after which it is killed.
        on_output: Gets its standard output, piece by piece.

    Raises:
        ProcessingError: ``timeout``.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    tail = bytearray()

    def keep(data: bytes) -> None:
        tail.extend(data)
        del tail[:-_KEPT]

    try:
        async with asyncio.timeout(wall_time.total_seconds()):
            async with asyncio.TaskGroup() as readers:
                readers.create_task(_pour(process.stdout, on_output))
                readers.create_task(_pour(process.stderr, keep))
            status = await process.wait()
    except TimeoutError as error:
        raise ProcessingError(
            "timeout", f"it was not done in {wall_time.total_seconds():g} s", retryable=True
        ) from error
    finally:
        if process.returncode is None:
            _kill(process)
            await process.communicate()
    return Exit(128 - status if status < 0 else status, tail.decode("utf-8", "replace"))


async def _pour(stream: asyncio.StreamReader | None, into: Callable[[bytes], None]) -> None:
    while stream is not None and (data := await stream.read(_PIECE)):
        into(data)


def _kill(process: Process) -> None:
    """Kill a program at once, with all it started.

    Bubblewrap stands outside of the sandbox and waits for the one process whose death ends everything
    inside. Killing that one lets bubblewrap collect it; killing bubblewrap itself would leave a zombie to
    whoever adopts it. A program that has no child is its group.
    """
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        inside = [int(child) for child in children.read_text("ascii").split()]
        for child in inside:
            os.kill(child, signal.SIGKILL)
        if not inside:
            os.killpg(process.pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return  # it ended by itself meanwhile
