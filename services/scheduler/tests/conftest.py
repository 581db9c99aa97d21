import pytest
from hypothesis import HealthCheck, settings

from filemill_scheduler.testing import Scene

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("usual", max_examples=80, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "thorough", max_examples=100_000, deadline=None, suppress_health_check=_SLOW, database=None
)


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
