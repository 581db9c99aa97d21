"""The small task types for building and testing workflows."""

import asyncio

from filemill_common.task_types import FailOptions, SleepOptions
from filemill_worker.errors import ProcessingError
from filemill_worker.processors.job import Product, Report


async def sleep(options: SleepOptions, report: Report) -> Product:
    """Wait, and say each second for how long still."""
    clock = asyncio.get_running_loop().time
    start = clock()
    while (left := start + options.seconds - clock()) > 0:
        report(100 * (1 - left / options.seconds), f"{left:.0f} s left")
        await asyncio.sleep(min(left, 1.0))
    return Product({"seconds": options.seconds})


def fail(options: FailOptions, attempt: int) -> Product:
    """Fail, unless this attempt comes after those that shall.

    Raises:
        ProcessingError: As the options say.
    """
    if options.times is None or attempt <= options.times:
        raise ProcessingError(options.code, options.message, retryable=options.retryable)
    return Product()
