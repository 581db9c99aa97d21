"""Steps that wait: for a time, or for a signal from outside. They take no worker."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from filemill_common.clock import rfc3339
from filemill_common.events import Failure, JsonObject, WorkflowWaiting
from filemill_common.language.schema import check_value
from filemill_common.language.words import Duration
from filemill_scheduler.core.readiness import NotReadyError, rendered
from filemill_scheduler.core.state import Run, Task, replace
from filemill_scheduler.core.transitions import conclude, fail, occupy, run_event, skip
from filemill_scheduler.core.view import View

_LONGEST = timedelta(days=366)
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


def begin_wait(view: View, task: Task) -> None:
    """Wait for the time that the step says, or for its signal; one that came before it counts.

    Raises:
        NotReadyError: An expression fails, or gives neither a duration nor a point in time.
    """
    spec = task.spec or {}
    if spec.get("signal") is not None:
        _await_signal(view, task, spec["signal"]["name"])
        return
    moment = _moment(view, rendered(view, task, {name: spec.get(name) for name in ("duration", "until")}))
    if moment <= view.now:
        conclude(view, task, {})
        return
    _tell(view, occupy(view, task, due_at=moment, message=f"until {rfc3339(moment)}"))


def _moment(view: View, said: JsonObject) -> datetime:
    try:
        if said["duration"] is not None:
            return view.now + min(_DURATION.validate_python(said["duration"]), _LONGEST)
        moment = datetime.fromisoformat(said["until"])
    except (ValidationError, ValueError, TypeError) as error:
        wanted = "duration" if said["duration"] is not None else "point in time"
        shown = said["duration"] if said["duration"] is not None else said["until"]
        raise NotReadyError("expression_error", f"{shown!r:.80} is no {wanted}") from error
    if moment.tzinfo is None:
        raise NotReadyError("expression_error", f"{said['until']!r:.80} has no offset from UTC")
    return min(moment, view.now + _LONGEST)


def _await_signal(view: View, task: Task, name: str) -> None:
    run = view.run_of(task)
    payload = run.signals.get(name)
    if payload is not None and fits(task, payload):
        conclude(view, task, payload)
        return
    view.put_run(replace(run, waits={**run.waits, name: (*run.waits.get(name, ()), task.id)}))
    _tell(view, occupy(view, task, message=f"waiting for the signal {name!r}"))


def _tell(view: View, task: Task) -> None:
    view.owe(run_event(WorkflowWaiting, view.run_of(task), now=view.now))


def fits(task: Task, payload: Any) -> bool:
    """Whether what came with a signal is what the step takes."""
    schema = (task.spec or {})["signal"].get("schema")
    return not check_value(schema, payload, "payload")


def on_signal(view: View, run: Run, name: str, payload: JsonObject) -> bool:
    """Let all that wait for a signal go on, and keep it for those that will.

    Returns:
        False if somebody waits for it, and what came with it fits nobody; nothing is changed then.
    """
    waiting = [task for task in view.tasks(run.waits.get(name, ())) if task is not None and task.is_open]
    fitting = [task for task in waiting if fits(task, payload)]
    if waiting and not fitting:
        return False
    view.put_run(replace(run, signals={**run.signals, name: payload}))
    for task in fitting:
        conclude(view, task, payload)
    return True


def end_wait(view: View, task: Task) -> None:
    """End a wait whose time has come."""
    conclude(view, task, {})


def time_out(view: View, task: Task) -> None:
    """Do what the step says about a signal that did not come in time."""
    match (task.spec or {})["on_timeout"]:
        case "complete":
            conclude(view, task, {"timed_out": True})
        case "skip":
            skip(view, task, reason="condition")
        case _:
            message = f"the signal did not come within {task.timeout:g} s"
            fail(view, task, Failure(code="timeout", message=message))


def forget(run: Run, task: Task) -> Run:
    """Take a step that has ended from those that wait for a signal."""
    signal = (task.spec or {}).get("signal")
    if task.kind != "wait" or signal is None:
        return run
    left = tuple(each for each in run.waits.get(signal["name"], ()) if each != task.id)
    waits = {name: ids for name, ids in run.waits.items() if name != signal["name"]}
    return replace(run, waits={**waits, signal["name"]: left} if left else waits)
