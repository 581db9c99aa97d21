"""What the end of a task brings about: one end, or one beginning, after the other, until nothing is left.

Queues and no recursion, so that a long chain of skips is only long.
"""

from collections.abc import Callable

from filemill_common.events import Saw
from filemill_scheduler.core.beginning import begin_if_due
from filemill_scheduler.core.choices import heard
from filemill_scheduler.core.control import bury
from filemill_scheduler.core.rules import count_ended
from filemill_scheduler.core.scopes import finish, leave
from filemill_scheduler.core.state import Task, replace
from filemill_scheduler.core.transitions import check
from filemill_scheduler.core.view import MissingError, Needs, View


def settle_all(view: View) -> None:
    """Settle what has ended, begin what is due, and so on.

    In the last round of reading nothing more can be asked for: what would need it is left to a `Check`, which
    begins it in a fold of its own. What is told of a task does not wait for that.

    Raises:
        MissingError: More must be read; all that was found to be missing is named at once.
    """
    needs = Needs()
    while view.ended or view.due or view.burying:
        try:
            _next(view)
        except MissingError as missing:
            needs |= missing.needs
    if needs:
        raise MissingError(needs)


def _next(view: View) -> None:
    if view.ended:
        task = view.task(view.ended.popleft())
        if task is not None:
            _or_later(view, task, _settle)
    elif view.due:
        task = view.task(view.due.popleft())
        if task is not None:
            _or_later(view, task, begin_if_due)
    else:
        run = view.run(view.burying.pop())
        if run is not None and run.is_open:  # all of it has ended, and some of that is not counted yet
            finish(view, run)
            run = view.run(run.id)
        if run is not None:
            bury(view, run)


def _or_later(view: View, task: Task, do: Callable[[View, Task], None]) -> None:
    """Do something with a task, or none of it and ask for another look, if it needs what cannot be read."""
    if view.may_ask and not view.to_leave:
        do(view, task)
        return
    step = f"{'settle' if do is _settle else 'begin'}:{task.id}"
    is_left = step in view.to_leave
    before = view.mark()
    try:
        if not is_left:
            do(view, task)
    except MissingError:
        if view.may_ask:
            raise
        is_left = True
    if is_left:
        view.back_to(before)
        view.left.append(step)
        if do is _settle:
            task = view.put(replace(task, unsettled=True))
        view.owe(check(task, Saw.CONTINUE, at=task.completed_at or view.now, now=view.now))


def _settle(view: View, task: Task) -> None:
    """Count a task that ended in what it lies in and in all that wait for it, and begin what that decides."""
    if task.unsettled:
        task = view.put(replace(task, unsettled=False))
    leave(view, task)
    for dependent in view.tasks(task.dependents):
        if dependent is not None and dependent.is_open:
            counted = replace(dependent, unmet=count_ended(dependent.unmet, task))
            view.put(heard(counted, task))
            view.due.append(dependent.id)
