"""Seeded bugs in what the workflow language means: each must be found by some seed, as those of `bugs`."""

from typing import Final

from filemill_scheduler.core import (
    beginning,
    choices,
    commands,
    control,
    inside,
    maps,
    rerunning,
    rules,
    scopes,
    subworkflows,
    transitions,
    waits,
)
from tests.simulation.seeding import bug, instead, text

_ITEMS: Final = "[each for each in view.tasks(item_ids(task, task.inside.total)) if each is not None]"

bug(
    "skipped_counts_as_succeeded",
    "a step that was skipped counts as one that succeeded",
    text(
        rules,
        "count_ended",
        "replace(unmet, skipped=unmet.skipped + 1)",
        "replace(unmet, succeeded=unmet.succeeded + 1)",
    ),
)
bug(
    "failed_upstream_counts_as_skipped",
    "a step that did not run because of a failure counts as skipped, and not as failed",
    instead(rules, "_FAILURES", frozenset()),
)
bug(
    "choice_not_heard",
    "what a condition did not choose runs all the same",
    text(choices, "heard", "barred=dependent.barred or barred", "barred=dependent.barred"),
)
bug(
    "choice_not_waited_for",
    "a step that a condition names begins before that by a rule that lets it",
    text(beginning, "begin_if_due", "task.unmet.gates == 0", "task.unmet.gates >= 0"),
)
bug(
    "parallel_without_a_gate",
    "what lies in a parallel or map begins without it",
    text(beginning, "_has_its_turn", "parent.status is not TaskStatus.RUNNING", "parent.status is None"),
)
bug(
    "parallel_ends_with_its_first",
    "a parallel ends when something in it has",
    text(scopes, "_count_inside", "if inside.ended < inside.total:", "if inside.ended < 1:"),
)
bug(
    "max_concurrency_ignored",
    "all items of a map begin at once",
    text(maps, "slots", '(task.spec or {}).get("max_concurrency") or MAX_ITEMS', "MAX_ITEMS"),
)
bug(
    "map_in_order_of_completion",
    "a map's results stand in the order in which they came",
    text(maps, "finish_map", _ITEMS, f"sorted({_ITEMS}, key=lambda each: each.completed_at)"),
)
bug(
    "every_failure_tolerated",
    "a map never fails, however many of its items do",
    text(inside, "failure_by", "around.inside.failed <= ", "around.inside.failed <= 1_000 + "),
)
bug(
    "items_counted_as_steps",
    "the items of a map count among the steps of the run",
    text(scopes, "_count", "if task.item is None and", "if"),
)
bug(
    "drain_lets_all_begin",
    "after a failure that is to drain a run, what has not begun still does",
    text(scopes, "_fail_run", "if each.status is TaskStatus.PENDING and", "if each.status is None and"),
)
bug(
    "pause_without_sequence",
    "the pause or resume that comes last counts, and not the newest",
    text(commands, "_hold_or_release", "event.sequence < run.held_sequence", "event.sequence < 0"),
)
bug(
    "retry_begins_while_held",
    "a retry whose time has come begins, also in a run that is paused",
    text(transitions, "offer", "if is_held(view, task):", "if task.id is None:"),
)
bug(
    "resume_starts_nothing",
    "what could have begun while a run was paused does not begin when it is resumed",
    text(scopes, "go_on", "if current.status is TaskStatus.PENDING:", "if current.status is None:"),
)
bug(
    "no_finally_after_a_cancel",
    "a cancel ends the finally steps too",
    text(scopes, "end_run", "wholly = wholly or", "wholly = status is WorkflowStatus.CANCELLED or"),
)
bug(
    "finally_at_once",
    "the finally steps do not wait for the others",
    text(beginning, "_has_its_turn", "not task.in_finally or run.finishing", "True"),
    text(
        control,
        "start",
        "view.due.extend(task.id for task in tasks if not task.ancestors)",
        "view.due.extend(task.id for task in tasks)",
    ),
)
bug(
    "early_signal_dropped",
    "a signal that nobody waits for yet is not kept",
    text(waits, "on_signal", "view.put_run(replace(run, signals={**run.signals, name: payload}))", "pass"),
)
bug(
    "subworkflow_outlives_its_parent",
    "a run goes on when the step that it stands for has ended",
    text(
        subworkflows,
        "bring_in_line",
        "elif left.is_open and (over or",
        "elif left.is_open and (over is None or",
    ),
)
bug(
    "subworkflow_stays_when_deleted",
    "the runs that stood for its steps stay when a run is deleted",
    text(control, "bury", 'step.kind == "subworkflow"', "step.kind is None"),
)
bug(
    "rerun_keeps_the_attempt",
    "what runs again has the number of what ran before",
    text(rerunning, "_fresh", "attempt=max(task.attempt, task.ran + 1)", "attempt=task.attempt"),
)
bug(
    "rerun_forgets_who_waits",
    "what depends on a step that runs again keeps its result",
    text(rerunning, "planned", "rest += task.dependents\n", "pass\n"),
)
