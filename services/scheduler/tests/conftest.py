from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings

from filemill_common.store import Store, indexes
from filemill_scheduler.repository import Repository, StoreTime
from filemill_scheduler.testing import Scene

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("usual", max_examples=80, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "thorough", max_examples=100_000, deadline=None, suppress_health_check=_SLOW, database=None
)


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    """An empty store with its indexes."""
    address, _, options = mongo_url.partition("?")
    store = Store(f"{address.rstrip('/')}/{database}?{options}", app_name="test")
    await indexes.ensure(store, indexes.INDEXES)
    yield store
    store.close()


@pytest.fixture
def real(store: Store) -> Repository:
    """The repository over a real store."""
    return Repository(store, StoreTime(store), metadata_life=timedelta(days=1))


@pytest.fixture
def scene() -> Scene:
    """A scheduler's state in memory, and short words for what happens to it."""
    return Scene()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many examples each property has had, where they are what matters."""
    from services.scheduler.tests.core.budget import COUNTS, PROFILE  # noqa: PLC0415 - needs the profiles

    if PROFILE == "thorough":
        for name, count in COUNTS.items():
            terminalreporter.write_line(f"{count:>9,} examples of {name}")
