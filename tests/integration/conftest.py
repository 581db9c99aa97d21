"""One stack for all stories, and short words for what its users do."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from filemill_local.stack import Stack
from filemill_local.user import User
from tests.integration.recipient import Recipient


@pytest.fixture
def user(stack: Stack) -> Iterator[User]:
    """Somebody who uses the stack over HTTP."""
    with User(stack) as user:
        yield user


@pytest.fixture
def recipient() -> Iterator[Recipient]:
    """Somebody who takes webhooks and callbacks, and meets an error the first time."""
    with Recipient() as recipient:
        yield recipient


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two seconds with sound, 160x90."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:d=2:r=10"]
    command += ["-f", "lavfi", "-i", "sine=d=2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    subprocess.run([*command, str(path)], check=True)
    return path
