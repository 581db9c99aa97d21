"""Fold a batch of events into the state they are about."""

from collections.abc import Sequence
from datetime import datetime

from filemill_common.errors import FilemillError
from filemill_common.events import (
    AttemptEvent,
    AttemptProgressed,
    Check,
    Command,
    Event,
    TaskCommand,
    TaskCreated,
    WorkflowCommand,
    WorkflowCreated,
)
from filemill_scheduler.core.commands import on_task_command, on_workflow_command
from filemill_scheduler.core.creation import on_task_created, on_workflow_created, rejected, step_ids_of
from filemill_scheduler.core.noting import Notes
from filemill_scheduler.core.policy import DEFERRALS_ALLOWED, deferral_delay
from filemill_scheduler.core.reports import on_check, on_report
from filemill_scheduler.core.settling import settle_all
from filemill_scheduler.core.view import Decision, Loaded, MissingError, Needs, Parked, View

BATCH_DOCUMENTS = 2_000
"""A batch ends after the event with which it changes this many documents."""


class TooDeepError(FilemillError):
    """One event needs more rounds of reading than a fold gets."""

    code = "too_deep"


def concerns(events: Sequence[Event]) -> Needs:
    """Tell what a batch is surely about, so that the first read brings most of it."""
    tasks: set[str] = set()
    runs: set[str] = set()
    for event in events:
        match event:
            case TaskCreated():
                tasks.update((event.task_id, *event.task.depends_on))
            case AttemptEvent() | TaskCommand() | Check():
                tasks.add(event.task_id)
                if event.partition_key != event.task_id:
                    runs.add(event.partition_key)
            case WorkflowCreated():
                runs.add(event.workflow_id)
                tasks.update(step_ids_of(event))
            case WorkflowCommand():
                runs.update((event.workflow_id, event.partition_key or event.workflow_id))
            case _:
                pass  # refused in the fold
    return Needs(tasks=frozenset(tasks), runs=frozenset(runs))


def fold(
    loaded: Loaded,
    events: Sequence[Event],
    *,
    now: datetime,
    may_lapse: bool = True,
    may_ask: bool = True,
) -> Decision | Needs:
    """Apply events, in order, to what was loaded.

    Args:
        loaded: What was read, in one snapshot, for at least `concerns` of the events.
        events: Of one partition.
        now: The store's time; stamped on what changes.
        may_lapse: Whether a lease that is over counts as lost.
        may_ask: False in the last round, when nothing more is read.

    Returns:
        What changes, for a prefix of the events; or what else must be read first.

    Raises:
        TooDeepError: It is the last round, and one event alone needs more.
    """
    view = View(loaded, now=now, may_lapse=may_lapse, may_ask=may_ask)
    notes = Notes(view)
    needs = Needs()
    for index, event in enumerate(events):
        if isinstance(event, Command) and view.has_ended(event.subject):
            # Each end is stored and told by itself; opened again in one batch, two would share a version.
            return needs or view.decision(index)
        try:
            _apply(view, event)
            settle_all(view)
            notes.note(event)
        except MissingError as missing:
            if not may_ask:
                return _prefix(loaded, events[:index], now=now, may_lapse=may_lapse)
            needs |= missing.needs  # go on, so that one read brings what all events need
            view.ended.clear()
            view.due.clear()
            view.burying.clear()
            notes.forget()
        if view.changed >= BATCH_DOCUMENTS and not needs:
            return view.decision(index + 1)
    return needs or view.decision(len(events))


def _prefix(loaded: Loaded, events: Sequence[Event], *, now: datetime, may_lapse: bool) -> Decision | Needs:
    if not events:
        raise TooDeepError("an event needs more rounds of reading than a fold gets")
    return fold(loaded, events, now=now, may_lapse=may_lapse, may_ask=False)


def _apply(view: View, event: Event) -> None:
    match event:
        case TaskCreated():
            on_task_created(view, event)
        case WorkflowCreated():
            on_workflow_created(view, event)
        case AttemptEvent():
            early = not on_report(view, event)
            # A heartbeat that is early says nothing that the next one does not say again.
            if early and not isinstance(event, AttemptProgressed):
                _defer(view, event)
        case Check():
            on_check(view, event)
        case TaskCommand():
            if not on_task_command(view, event):
                _defer(view, event)
        case WorkflowCommand():
            if not on_workflow_command(view, event):
                _defer(view, event)
        case _:
            message = f"the scheduler takes no {type(event).__name__}"
            view.owe(rejected(event, "unexpected_event", message, now=view.now))


def _defer(view: View, event: Event) -> None:
    """Look at an early event again later; after the sixth time a report is parked and a command refused."""
    if event.deferrals < DEFERRALS_ALLOWED:
        again = event.model_copy(update={"deferrals": event.deferrals + 1})
        view.deferred.append((again, view.now + deferral_delay(event.deferrals)))
        return
    message = f"{event.subject} is not known, also after {event.deferrals} looks"
    if isinstance(event, Command):
        view.owe(rejected(event, "not_found", message, now=view.now))
    else:
        view.parked.append(Parked(event, "unknown_task", message))
