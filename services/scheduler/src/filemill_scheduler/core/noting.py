"""Notes what became of each event of a fold, for the history of its run."""

from typing import Any, Final

from filemill_common.events import (
    AttemptEvent,
    AttemptProgressed,
    Check,
    Event,
    EventRejected,
    JsonObject,
    Saw,
    TaskCommand,
    WorkflowCommand,
    WorkflowCreated,
)
from filemill_scheduler.core.history import Folded, Given
from filemill_scheduler.core.state import Run, Task
from filemill_scheduler.core.view import View

_HIDDEN: Final[JsonObject] = {
    "email": {"to": "hidden@hidden.invalid"},
    "webhook": {"url": "https://hidden.invalid/"},
    "callback": {"url": "https://hidden.invalid/"},
}
"""What stands for an address of somebody who is told: a definition with it is as valid as before."""


class Notes:
    """Notes each event once it is folded; what happened since the one before is what became of it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._ignored = self._owed = self._deferred = self._parked = 0

    def forget(self) -> None:
        """Begin with the next event: nothing is noted of what did not come to its end."""
        view = self._view
        view.changes, view.told, view.taken, view.left = [], {}, [], []
        self._ignored, self._owed = view.ignored, len(view.owed)
        self._deferred, self._parked = len(view.deferred), len(view.parked)

    def note(self, event: Event) -> None:
        """Note an event that is about a run, unless it says nothing: a heartbeat, or a request told again.

        A task of its own keeps no history, nor does a run that is deleted.

        Raises:
            MissingError: The run that all is part of must be read, to tell whether it was deleted.
        """
        view = self._view
        subject, run, step = self._subject(event)
        is_about_nothing = isinstance(event, (AttemptProgressed, WorkflowCreated)) and not view.changes
        if subject is not None and not is_about_nothing:
            root = subject.partition_key or run
            if self._is_there(root):
                view.history.append(
                    Folded(
                        root=root,
                        tenant=subject.tenant,
                        run=run,
                        step=step,
                        event=_shown(event),
                        changes=tuple(view.changes),
                        outcome=self._outcome(),
                        given=self._given(event),
                    )
                )
        self.forget()

    def _subject(self, event: Event) -> tuple[Task | Run | None, str, str | None]:
        """Give what an event is about, the run that this is or is part of, and the step that it is."""
        match event:
            case WorkflowCreated() | WorkflowCommand():
                return self._view.run(event.workflow_id), event.workflow_id, None
            case AttemptEvent() | Check() | TaskCommand():
                task = self._view.task(event.task_id)
                if task is not None and task.workflow_id is not None:
                    return task, task.workflow_id, task.step_id
            case _:
                pass  # of no run
        return None, "", None

    def _is_there(self, root: str) -> bool:
        view = self._view
        if not view.may_ask and not view.knows(root):
            return True
        found = view.run(root)
        return found is not None and found.status is not None

    def _outcome(self) -> str:
        view = self._view
        refused = next((each for each in view.owed[self._owed :] if isinstance(each, EventRejected)), None)
        if refused is not None:
            return f"rejected: {refused.code}"
        if len(view.parked) > self._parked:
            return "parked"
        if len(view.deferred) > self._deferred:
            return "deferred"
        return "ignored" if view.ignored > self._ignored else ""

    def _given(self, event: Event) -> Given:
        view = self._view
        is_lapse = isinstance(event, Check) and event.saw is Saw.LEASE_LAPSED
        if not (is_lapse or view.told or view.taken or view.left):
            return _NOTHING
        return Given(
            view.told, tuple(view.taken), tuple(view.left), lapsed=bool(view.changes) if is_lapse else None
        )


_NOTHING: Final = Given()


def _shown(event: Event) -> Event:
    """Take from a request the addresses of those who are told, which may hold passwords; none decides."""
    if not isinstance(event, WorkflowCreated):
        return event
    return event.model_copy(
        update={
            "definition": _without_addresses(event.definition),
            "subworkflows": {name: _without_addresses(each) for name, each in event.subworkflows.items()},
        }
    )


def _without_addresses(definition: Any) -> Any:
    if not isinstance(definition, dict) or not isinstance(definition.get("notify"), list):
        return definition
    hidden = [
        {name: _hidden(name, said) for name, said in entry.items()} if isinstance(entry, dict) else entry
        for entry in definition["notify"]
    ]
    return {**definition, "notify": hidden}


def _hidden(name: str, said: Any) -> Any:
    if name not in _HIDDEN or said is None:
        return said
    return {**said, **_HIDDEN[name]} if isinstance(said, dict) else _HIDDEN[name]
