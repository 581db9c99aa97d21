import pytest

from filemill_scheduler.testing import Scene


@pytest.fixture
def scene() -> Scene:
    """A scheduler's state in memory, and short words for what happens to it."""
    return Scene()
