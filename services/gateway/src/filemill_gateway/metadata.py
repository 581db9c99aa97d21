"""Metadata of files: from the cache in the process, from the store, or from a probe.

All of them go by the content's digest, so an overwritten file is never described by what it was before.
"""

from datetime import datetime, timedelta
from typing import Final

from filemill_common.events import JsonObject, StoredFile, TaskStatus, TaskView
from filemill_common.ids import keyed_id
from filemill_gateway import metrics
from filemill_gateway.core.tasks import pending_task, probe_task
from filemill_gateway.dependencies import TENANT, Dependencies
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Stored

_SAME_PROBE: Final = timedelta(minutes=5)
"""Who asks within it waits for the same probe; after it, one that failed is tried anew."""


async def metadata_of(file: StoredFile, path: str, needs: Dependencies) -> JsonObject | TaskView:
    """Give the metadata of a file, from the caches or from a probe.

    All who ask for the same content meanwhile share the probe.

    Returns:
        The metadata, or the task that is still to find it out.

    Raises:
        ProblemError: The file cannot be read as what it seems to be.
    """
    now = needs.now()
    found = needs.metadata.get(file.digest, now=now)
    if found is not None:
        metrics.hits.labels("process").inc()
        return _complete(found, file, path)
    found = await needs.queries.metadata(file.digest, now=now)
    if found is not None:
        metrics.hits.labels("store").inc()
        needs.metadata.put(file.digest, found, now=now)
        return _complete(found, file, path)
    metrics.misses.inc()
    probe = await _probed(file, path, needs, now=now)
    if isinstance(probe, TaskView):
        return probe
    needs.metadata.put(file.digest, probe, now=now)
    return _complete(probe, file, path)


async def _probed(
    file: StoredFile, path: str, needs: Dependencies, *, now: datetime
) -> JsonObject | TaskView:
    period = int(now.timestamp() // _SAME_PROBE.total_seconds())
    asked = probe_task(keyed_id(TENANT, "probe", f"{file.digest} {period}"), TENANT, path, now=now)

    async def ended() -> Stored[TaskView] | None:
        stored = await needs.queries.task(asked.task_id)
        return stored if stored and stored.view and stored.view.status.is_final else None

    stored = await ended()
    if stored is None:
        await needs.publisher.publish_or_raise(asked)
        stored = await needs.hub.until(asked.task_id, ended, seconds=needs.limits.probe.total_seconds())
    if stored is None or stored.view is None:
        latest = await needs.queries.task(asked.task_id)
        return latest.view if latest and latest.view else pending_task(asked)
    task = stored.view
    if task.status is not TaskStatus.COMPLETED:
        reason = task.error.message if task.error else f"its probe was {task.status.value}"
        raise ProblemError("file_unreadable", f"the metadata of {path[:200]!r} cannot be read: {reason}")
    if stored.input is not None and stored.input.digest != file.digest:
        # The path was given to other content after we looked it up, and the probe read that.
        message = f"{path[:200]!r} was overwritten while it was read; ask again"
        raise ProblemError("file_changed", message)
    return task.output or {}


def _complete(metadata: JsonObject, file: StoredFile, path: str) -> JsonObject:
    return {
        "content_type": file.content_type,
        **metadata,
        "path": path,
        "digest": file.digest,
        "size": file.size,
    }
