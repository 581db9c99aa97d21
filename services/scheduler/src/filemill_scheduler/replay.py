"""What the command ``filemill replay`` plays, for the `filemill.replay` entry point by which it finds us."""

from collections.abc import Iterable, Iterator

from filemill_common.clock import rfc3339
from filemill_common.events import JsonObject
from filemill_scheduler.core.replaying import Replay, Step, read


def tell(lines: Iterable[str], *, until: int | None = None) -> Iterator[JsonObject]:
    """Play an export, and tell of each event when it has been played, and of all in the end.

    Args:
        lines: As `GET /v1/workflows/{id}/history/export` gives them.
        until: Number of the last event to play, from 1; None for all.

    Yields:
        ``{number, at, event, run, step, made, changes, outcome, difference}`` for each event, as it was
        decided now; then ``{played, events, difference, workflows}``, with each workflow's status and those
        of its steps and map items. A ``difference`` is a sentence, or null.

    Raises:
        ValueError: These are no lines of an export, or some are missing.
    """
    record = read(lines)
    replay = Replay(record)
    for step in replay.play(until=until):
        yield _told(step)
    yield {
        "played": len(replay.steps),
        "events": len(record.events),
        "difference": replay.difference,
        "workflows": [
            {
                "id": run.id,
                "name": run.name,
                "status": str(run.status),
                "steps": [
                    {
                        "id": task.step_id,
                        "status": str(task.status),
                        "reason": task.reason,
                        "attempt": task.ran,
                    }
                    for task in replay.tasks()
                    if task.workflow_id == run.id
                ],
            }
            for run in replay.runs()
        ],
    }


def _told(step: Step) -> JsonObject:
    return {
        "number": step.number,
        "at": rfc3339(step.recorded.at),
        "event": type(step.recorded.event).__name__,
        "run": step.recorded.run,
        "step": step.recorded.step,
        "made": step.decided.get("made", 0),
        "changes": step.decided.get("changes", []),
        "outcome": step.decided.get("outcome"),
        "difference": step.difference,
    }
