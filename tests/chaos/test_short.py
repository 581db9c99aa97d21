"""Two minutes of everything: whatever is killed, frozen, cut and repeated, the promises are kept."""

import os
from pathlib import Path

import pytest

from tests.chaos.run import run


@pytest.mark.timeout(900)
async def test_all_promises_are_kept_under_faults(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "1"))

    report = await run(seed, "short", tmp_path)

    assert report.is_good, f"{report}\njournal, dump and logs: {tmp_path}"
