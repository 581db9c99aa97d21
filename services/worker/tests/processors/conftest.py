"""Clips are made once a session; each test has its own bench."""

from pathlib import Path

import pytest

from filemill_worker.testing.bench import Bench
from filemill_worker.testing.clips import make_clips


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    make_clips(folder)
    return folder


@pytest.fixture
def bench(clips: Path, tmp_path: Path) -> Bench:
    return Bench(clips, tmp_path)
