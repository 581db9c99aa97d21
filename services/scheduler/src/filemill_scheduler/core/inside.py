"""What lies in a parallel or map has come to so much: counted, and what failure that makes."""

from collections.abc import Iterable

from filemill_common.events import Failure, TaskStatus
from filemill_scheduler.core.state import Task, Unmet, replace


def counted(inside: Unmet, ended: Task) -> Unmet:
    """Count one more that ended in a parallel or a map; a failure that is allowed is none."""
    if ended.is_failure:
        return replace(inside, failed=inside.failed + 1)
    if ended.status is TaskStatus.SKIPPED:
        return replace(inside, skipped=inside.skipped + 1)
    return replace(inside, succeeded=inside.succeeded + 1)


def recounted(around: Task, ended: Iterable[Task]) -> Task:
    """Count anew what has ended of all that lies directly in a parallel or map."""
    around = replace(around, inside=Unmet(total=around.inside.total), error=None)
    for each in ended:
        around = replace(around, inside=counted(around.inside, each))
        if each.is_failure and around.error is None:
            around = replace(around, error=failure_by(around, each))
    return around


def failure_by(around: Task, task: Task) -> Failure | None:
    """Say why a parallel or map fails if a task in it did, which is counted; None if that is tolerated."""
    error = blame(task)
    if around.kind != "map":
        return error
    if around.inside.failed <= int((around.spec or {})["tolerated_failures"]):
        return None
    message = f"{around.inside.failed} of {around.inside.total} items failed; the last: {error.message}"
    return Failure(code="items_failed", message=message)


def blame(task: Task) -> Failure:
    """Say which step is why something has failed."""
    if task.error is None:
        return Failure(code="step_cancelled", message=f"step {task.step_id!r} was cancelled")
    return Failure(code=task.error.code, message=f"step {task.step_id!r} failed: {task.error.message}")
