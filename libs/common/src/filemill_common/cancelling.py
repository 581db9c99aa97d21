"""Ending what runs beside, for certain."""

import asyncio
from typing import Any, Final

_AGAIN_AFTER: Final = 1.0


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return when they have ended; how they ended is theirs to say.

    Asked for again each second: until Python 3.12, ``asyncio.wait_for`` (which aiormq uses) loses a
    cancellation that comes in the moment in which what it waits for ends or fails.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_AFTER)
