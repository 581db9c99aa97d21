"""How long MongoDB takes to answer, as seen by who asks; no exporter is needed for that."""

from typing import Final

from prometheus_client import Counter, Histogram
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from filemill_common.metrics import bounded

_COMMANDS: Final = frozenset(
    {
        "aggregate",
        "commitTransaction",
        "delete",
        "find",
        "findAndModify",
        "getMore",
        "insert",
        "update",
    }
)

_duration = Histogram(
    "filemill_store_command_duration_seconds",
    "From asking MongoDB to its answer.",
    ["command"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
_failures = Counter(
    "filemill_store_command_failures_total",
    "Commands that MongoDB refused or did not answer, lost races included.",
    ["command"],
)
for _command in _COMMANDS:
    _duration.labels(_command)
    _failures.labels(_command)


class Watch(CommandListener):
    """Is told by the driver of each command."""

    def started(self, event: CommandStartedEvent) -> None:
        """Wait for its end."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Measure one that was answered."""
        _duration.labels(bounded(event.command_name, _COMMANDS)).observe(event.duration_micros / 1e6)

    def failed(self, event: CommandFailedEvent) -> None:
        """Measure and count one that was not."""
        command = bounded(event.command_name, _COMMANDS)
        _duration.labels(command).observe(event.duration_micros / 1e6)
        _failures.labels(command).inc()
