"""Keeps the last verdicts in the README, for each size of run those of two seeds."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.chaos.run import Report

README: Final = Path(__file__).parent / "README.md"

_KEPT: Final = 2
"""One run may have been lucky."""

_VERDICT: Final = re.compile(r"^\d{4}-\d\d-\d\d, .*?^```\n(seed \d+),.*?^```\n\n", re.DOTALL | re.MULTILINE)


def record(report: Report) -> None:
    """Put a report before the last one of its size."""
    README.write_text(recorded(README.read_text(), report, now=datetime.now(UTC)))


def recorded(text: str, report: Report, *, now: datetime) -> str:
    """Give a text with a report between the marks of its size, before the last one of another seed.

    Raises:
        ValueError: The text has no place for it.
    """
    begin, end = f"<!-- {report.size} -->\n", f"<!-- end of {report.size} -->"
    before, found, rest = text.partition(begin)
    last, ends, after = rest.partition(end)
    if not found or not ends:
        raise ValueError(f"there is no place for a run of the size {report.size}")
    about = f"{now:%Y-%m-%d}, {os.cpu_count()} processors:"
    others = [each[0] for each in _VERDICT.finditer(last) if each[1] != f"seed {report.seed}"]
    kept = "".join([f"{about}\n\n```\n{report}\n```\n\n", *others][:_KEPT])
    return f"{before}{begin}{kept}{end}{after}"
