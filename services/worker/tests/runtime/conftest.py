"""Workers whose broker, slots and processors are in the test's hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from filemill_worker.testing.attempts import AttemptBench, attempt_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[AttemptBench]:
    """A worker that takes no task for long."""
    async with attempt_bench(tmp_path, long_after=60) as bench:
        yield bench


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[AttemptBench]:
    """A worker that takes each task for long after 10 ms."""
    async with attempt_bench(tmp_path, long_after=0.01) as bench:
        yield bench
