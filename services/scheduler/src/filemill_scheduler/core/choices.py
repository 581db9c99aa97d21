"""Conditions: which way a run goes on."""

from filemill_common.events import TaskStatus
from filemill_scheduler.core.readiness import ask_for, decided
from filemill_scheduler.core.state import Task, replace
from filemill_scheduler.core.transitions import conclude
from filemill_scheduler.core.view import View


def begin_condition(view: View, task: Task) -> None:
    """Choose the first case whose ``when`` is true, or what is named for none.

    Raises:
        NotReadyError: A ``when`` fails, or is neither true nor false.
    """
    spec = task.spec or {}
    ask_for(view, task, (case["when"] for case in spec["cases"]))
    for number, case in enumerate(spec["cases"]):
        if decided(view, task, case["when"]):
            conclude(view, task, {"chosen": case["then"], "case": number})
            return
    conclude(view, task, {"chosen": spec["default"], "case": None})


def heard(dependent: Task, ended: Task) -> Task:
    """Let a task that an ended condition names take note of its choice; any other is as it was."""
    if dependent.step_id not in names(ended):
        return dependent
    chosen = (ended.output or {}).get("chosen", ())
    barred = ended.status is TaskStatus.COMPLETED and dependent.step_id not in chosen
    unmet = replace(dependent.unmet, gates=dependent.unmet.gates - 1)
    return replace(dependent, unmet=unmet, barred=dependent.barred or barred)


def names(task: Task) -> tuple[str, ...]:
    """Give the steps that a task chooses between; none unless it is a condition."""
    return tuple((task.spec or {})["named"]) if task.kind == "condition" else ()
