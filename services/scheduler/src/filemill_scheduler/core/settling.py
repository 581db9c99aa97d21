"""What the end of a task brings about: one end, or one beginning, after the other, until nothing is left.

Queues and no recursion, so that a long chain of skips is only long.
"""

from filemill_common.events import Saw
from filemill_scheduler.core.beginning import begin_if_due
from filemill_scheduler.core.choices import heard
from filemill_scheduler.core.control import bury
from filemill_scheduler.core.rules import count_ended
from filemill_scheduler.core.scopes import leave
from filemill_scheduler.core.state import Task, replace
from filemill_scheduler.core.transitions import check
from filemill_scheduler.core.view import MissingError, Needs, View


def settle_all(view: View) -> None:
    """Settle what has ended, begin what is due, and so on.

    Raises:
        MissingError: More must be read; all that was found to be missing is named at once.
    """
    needs = Needs()
    while view.ended or view.due or view.burying:
        try:
            _next(view)
        except MissingError as missing:
            if not view.may_ask:
                raise
            needs |= missing.needs
    if needs:
        raise MissingError(needs)


def _next(view: View) -> None:
    if view.ended:
        task = view.task(view.ended.popleft())
        if task is not None:
            leave(view, task)
            settle(view, task)
    elif view.due:
        task = view.task(view.due.popleft())
        if task is not None:
            _begin(view, task)
    else:
        run = view.run(view.burying.pop())
        if run is not None:
            bury(view, run)


def settle(view: View, task: Task) -> None:
    """Count a task that ended in all that wait for it, and let those begin that this decides."""
    try:
        waiting = view.tasks(task.dependents)
    except MissingError:
        if view.may_ask:
            raise
        # A chain of skips deeper than the rounds of one fold goes on in the next one.
        task = view.put(replace(task, unsettled=True))
        view.owe(check(task, Saw.CONTINUE, at=task.completed_at or view.now, now=view.now))
        return
    if task.unsettled:
        view.put(replace(task, unsettled=False))
    for dependent in waiting:
        if dependent is not None and dependent.is_open:
            counted = replace(dependent, unmet=count_ended(dependent.unmet, task))
            view.put(heard(counted, task))
            view.due.append(dependent.id)


def _begin(view: View, task: Task) -> None:
    try:
        begin_if_due(view, task)
    except MissingError:
        if view.may_ask:
            raise
        view.owe(check(task, Saw.CONTINUE, at=view.now, now=view.now))
