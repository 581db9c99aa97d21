"""Logs: one event a line, as JSON or for a terminal, that names what it is about and holds no secrets."""

import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

import structlog
from opentelemetry import trace

from filemill_common.events import Event, TaskEvent, WorkflowEvent

if TYPE_CHECKING:  # the settings know the topology, and the bus logs: a circle if it were real
    from filemill_common.settings import Settings

_NAMED: Final = ("workflow_id", "task_id", "attempt", "execution", "delivery_id")
_QUIETER: Final = ("asyncio", "httpcore", "httpx", "pymongo", "urllib3", "uvicorn")
_TOLD_BY_US: Final = ("aio_pika", "aiormq")
"""Each loss of a connection is logged where it is handled."""


def configure(settings: "Settings") -> None:
    """Set up the logs of this process, those of libraries too; call it once.

    Args:
        settings: From which level on, and in which form.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _with_trace,
    ]
    last: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    for noisy in _QUIETER:
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    for name in _TOLD_BY_US:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def names(event: Event) -> dict[str, Any]:
    """Name what an event is about: its own id, and those of ``workflow_id, task_id, attempt`` it has."""
    match event:
        case TaskEvent():
            task = event.task
            found = {"workflow_id": task.workflow_id, "task_id": task.id, "attempt": task.attempt or None}
        case WorkflowEvent():
            found = {"workflow_id": event.workflow.id}
        case _:
            found = {name: getattr(event, name, None) for name in _NAMED}
    return {"event_id": event.id, **known(found)}


def known(found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out names without a value."""
    return {name: value for name, value in found.items() if value is not None}


def speaking_of(events: Sequence[Event]) -> AbstractContextManager[None]:
    """Let all that is logged meanwhile name what it is about: one event, or how many."""
    named = names(events[0]) if len(events) == 1 else {"events": len(events)}
    return structlog.contextvars.bound_contextvars(**named)


def _with_trace(_: Any, __: str, line: Any) -> Any:
    context = trace.get_current_span().get_span_context()
    if context.is_valid and "trace_id" not in line:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
    return line
