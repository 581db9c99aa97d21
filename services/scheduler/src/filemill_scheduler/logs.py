"""One line for what became of tasks and runs, once it is stored."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from filemill_common.events import (
    Event,
    TaskCancelled,
    TaskEvent,
    TaskFailed,
    TaskRetrying,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowEvent,
    WorkflowFailed,
)
from filemill_common.logs import known, names
from filemill_common.telemetry import trace_id

_LEVELS: Final[Mapping[type[Event], int]] = {
    TaskFailed: logging.WARNING,
    TaskRetrying: logging.INFO,
    TaskCancelled: logging.INFO,
    WorkflowCompleted: logging.INFO,
    WorkflowFailed: logging.WARNING,
    WorkflowCancelled: logging.INFO,
}
"""What an operator looks for; all else that happens in the best of days is ``debug``."""

_log = structlog.get_logger(__name__)


def tell(events: Iterable[Event]) -> None:
    """Log the events that say what became of tasks and runs."""
    for event in events:
        if isinstance(event, TaskEvent | WorkflowEvent):
            level = _LEVELS.get(type(event), logging.DEBUG)
            if _log.is_enabled_for(level):
                _log.log(level, _said(event), **names(event), **_trace(event), **_more(event))


def _said(event: TaskEvent | WorkflowEvent) -> str:
    """Say it as its type does: ``task failed``, ``workflow completed``."""
    return event.type.removeprefix("io.filemill.").removesuffix(".v1").replace(".", " ")


def _more(event: TaskEvent | WorkflowEvent) -> dict[str, Any]:
    more: dict[str, Any]
    if isinstance(event, TaskEvent):
        error = event.task.error or event.task.last_error
        more = {"type": event.task.type, "step": event.task.step_id, "duration": event.task.duration}
    else:
        error = event.workflow.error
        more = {"name": event.workflow.name, "duration": event.workflow.duration}
    if error:
        more |= {"code": error.code, "error": error.message}
    return known(more)


def _trace(event: Event) -> dict[str, str]:
    """Name the trace of what asked for it, rather than that of the batch it was decided in."""
    found = trace_id(event.traceparent)
    return {"trace_id": found} if found is not None else {}
