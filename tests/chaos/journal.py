"""The journal: what processes saw, one JSON line each, in files that are only added to."""

import json
import os
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Journal:
    """One process's part of the journal.

    Each line is one write, so what a killed process wrote before is whole.

    Args:
        folder: The journal's folder, made if it is missing.
        name: Who writes, such as ``worker``.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        path = folder / f"{name}-{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, what: str, **said: object) -> None:
        """Add a line, with the time in seconds since 1970."""
        line = json.dumps({"at": time.time(), "what": what, **said}, ensure_ascii=False, default=str)
        os.write(self._file, line.encode() + b"\n")


def read(folder: Path) -> list[Line]:
    """Give all lines in the order of time; ``by`` names the process that wrote each.

    A last line without an end is left out: its process was killed while it wrote.
    """
    lines = [
        {"by": file.stem, **json.loads(text)}
        for file in sorted(folder.glob("*.jsonl"))
        for text in file.read_text().splitlines(keepends=True)
        if text.endswith("\n")
    ]
    return sorted(lines, key=lambda line: float(line["at"]))
