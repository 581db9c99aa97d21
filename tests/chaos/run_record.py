"""Keeps the last verdicts in the README, one for each size of run."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.chaos.run import Report

README: Final = Path(__file__).parent / "README.md"


def record(report: Report) -> None:
    """Put a report in the place of the last one of its size."""
    README.write_text(recorded(README.read_text(), report, now=datetime.now(UTC)))


def recorded(text: str, report: Report, *, now: datetime) -> str:
    """Give a text with a report between the marks of its size.

    Raises:
        ValueError: The text has no place for it.
    """
    begin, end = f"<!-- {report.size} -->\n", f"<!-- end of {report.size} -->"
    about = f"{now:%Y-%m-%d}, {os.cpu_count()} processors:"
    shown = f"{begin}{about}\n\n```\n{report}\n```\n\n{end}"
    kept, places = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: shown, text, flags=re.DOTALL)
    if places != 1:
        raise ValueError(f"there is no place for a run of the size {report.size}")
    return kept
