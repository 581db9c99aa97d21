"""An older version of the services, installed to run beside this one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.chaos.stage import ROOT

LAST: Final = "last"
"""Stands for the last release that was tagged."""


class ReleaseError(Exception):
    """There is no such version, or it cannot be installed; the message says why."""


@contextmanager
def installed(version: str) -> Iterator[Path]:
    """Unpack a version of the repository and install it as its own Makefile says.

    Args:
        version: A tag, a commit, or ``last``.

    Raises:
        ReleaseError: It cannot be had.
    """
    if version == LAST:
        try:
            version = _run("git", "describe", "--tags", "--abbrev=0", cwd=ROOT).decode().strip()
        except ReleaseError as error:
            raise ReleaseError("no release is tagged; name a version: make upgrade FROM=<commit>") from error
    with TemporaryDirectory(prefix="release-") as folder:
        archive = Path(folder, "archive.tar")
        checkout = Path(folder, "checkout")
        checkout.mkdir()
        _run("git", "archive", "--output", str(archive), version, cwd=ROOT)
        _run("tar", "--extract", "--file", str(archive), cwd=checkout)
        _run("make", "install", cwd=checkout)
        yield checkout


def _run(*command: str, cwd: Path) -> bytes:
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command[:2])}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout
