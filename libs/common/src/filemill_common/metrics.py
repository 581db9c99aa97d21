"""What all metrics keep to: labels out of known sets, traces as exemplars, and how they are shown.

Types and codes of failures come from users. A label that took them as they are would make a series of each
that anybody ever wrote, so what is not known here is ``other``.
"""

from collections.abc import Container
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.openmetrics import exposition
from prometheus_client.openmetrics.exposition import ALLOWUTF8

from filemill_common.task_types import TASK_TYPES
from filemill_common.telemetry import is_sampled, trace_id

OTHER: Final = "other"

ATTEMPT_CODES: Final = frozenset(
    {
        "corrupt_input",
        "cpu_time_exceeded",
        "crashed",
        "dependency_unknown",
        "expression_error",
        "ffmpeg_failed",
        "file_too_large",
        "input_missing",
        "input_not_found",
        "internal",
        "invalid_options",
        "killed",
        "no_picture",
        "no_video",
        "out_of_memory",
        "out_of_range",
        "output_too_large",
        "picture_too_large",
        "sandbox_failed",
        "storage_full",
        "timeout",
        "unknown_task_type",
        "unsupported_input",
        "worker_lost",
    }
)
"""Why attempts and tasks fail, as far as we say so; a ``fail`` task says whatever its user likes."""

REFUSAL_CODES: Final = frozenset(
    {
        "internal",
        "invalid_definition",
        "invalid_event",
        "invalid_input",
        "invalid_options",
        "invalid_path",
        "missing_field",
        "store_refused",
        "too_deep",
        "undecodable",
        "unexpected_event",
        "unknown_event_type",
        "unknown_task",
        "unknown_task_type",
    }
)
"""Why events are parked."""

# Beside each counter and histogram a series with the time of its making, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


def bounded(value: str, known: Container[str]) -> str:
    """Give a label: the value if it is known, or else ``other``."""
    return value if value in known else OTHER


def type_label(task_type: str) -> str:
    """Give the label of a task type."""
    return bounded(task_type, TASK_TYPES)


def exemplar(traceparent: str | None) -> dict[str, str] | None:
    """Name the trace that a sample is an example of; None where none was recorded."""
    found = trace_id(traceparent)
    return {"trace_id": found} if found is not None and is_sampled(traceparent) else None


def shown(accept: str, registry: CollectorRegistry = REGISTRY) -> tuple[bytes, str]:
    """Show all metrics, as OpenMetrics, which has exemplars, to those who take it.

    Our names are of letters and underscores, so that OpenMetrics has nothing to escape: told so, it takes a
    third less time.

    Returns:
        The text and its content type.
    """
    if "application/openmetrics-text" in accept:
        text: bytes = exposition.generate_latest(registry, ALLOWUTF8)  # type: ignore[no-untyped-call]
        return text, exposition.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_LATEST
