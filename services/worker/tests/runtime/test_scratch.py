"""Folders for work in progress."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from filemill_worker.scratch import own_folder

CRASH = """
import os, signal, sys
from pathlib import Path
from filemill_worker.scratch import own_folder

with own_folder(Path(sys.argv[1]), "crashed") as folder:
    (folder / "left").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


class TestOwnFolder:
    def test_it_is_gone_with_its_worker(self, tmp_path: Path) -> None:
        with own_folder(tmp_path / "new", "w") as folder:
            (folder / "something").touch()

        assert list((tmp_path / "new").iterdir()) == []

    def test_what_a_crashed_worker_left_is_removed(self, tmp_path: Path) -> None:
        crashed = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], check=False)
        assert crashed.returncode == -signal.SIGKILL
        assert [folder.name for folder in tmp_path.iterdir()] == [f"{socket.gethostname()}.crashed"]

        with own_folder(tmp_path, "w") as folder:
            assert list(tmp_path.iterdir()) == [folder]

    def test_the_folder_of_a_worker_that_lives_stays(self, tmp_path: Path) -> None:
        with own_folder(tmp_path, "one") as one:
            with own_folder(tmp_path, "two") as two:
                assert sorted(tmp_path.iterdir()) == sorted([one, two])
            assert list(tmp_path.iterdir()) == [one]

    def test_folders_of_other_machines_stay(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere.w").mkdir()

        with own_folder(tmp_path, "w") as folder:
            assert sorted(tmp_path.iterdir()) == sorted([folder, tmp_path / "elsewhere.w"])

    def test_no_lock_is_left_open(self, tmp_path: Path) -> None:
        before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names of numbers

        with pytest.raises(ValueError, match="oh"), own_folder(tmp_path, "w"):
            raise ValueError("oh")

        assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
