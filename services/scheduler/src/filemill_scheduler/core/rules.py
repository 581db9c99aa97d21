"""Trigger rules: what those that a step depends on must have come to before it begins.

| rule | begins | is skipped |
|---|---|---|
| ``all_success`` | all succeeded | one failed; or all ended and one was skipped |
| ``all_done`` | all ended | |
| ``all_failed`` | all failed | one did not |
| ``one_success`` | one succeeded, at once | all ended and none did |
| ``one_failed`` | one failed, at once | all ended and none did |
| ``none_failed`` | all ended, none failed | one failed |
| ``none_failed_min_one_success`` | all ended, none failed, one succeeded | one failed; or all were skipped |
| ``none_skipped`` | all ended, none was skipped | one was skipped |
| ``always`` | at once | |

*Failed* are failed and cancelled ones, and those skipped because of a failure. A step that depends on nothing
begins under every rule. What a rule comes to does not depend on the order in which they ended.

References:
    Apache Airflow, "DAGs", "Trigger Rules": the names and what they mean.
"""

from enum import StrEnum
from typing import assert_never

from filemill_common.events import TaskStatus
from filemill_common.language.words import TriggerRule
from filemill_scheduler.core.state import Task, Unmet, replace


class Verdict(StrEnum):
    """What a rule says; those that skip are named as the reason for that."""

    WAIT = "wait"
    BEGIN = "begin"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_SKIPPED = "upstream_skipped"


def verdict(rule: TriggerRule, unmet: Unmet) -> Verdict:  # noqa: C901, PLR0911, PLR0912 - a table of nine rules
    """Tell whether a step begins, is skipped, or waits on."""
    if unmet.total == 0:
        return Verdict.BEGIN
    over = unmet.ended == unmet.total
    match rule:
        case "always":
            return Verdict.BEGIN
        case "all_done":
            return Verdict.BEGIN if over else Verdict.WAIT
        case "all_failed" if unmet.ended > unmet.failed:
            return Verdict.UPSTREAM_SKIPPED
        case "none_skipped" if unmet.skipped:
            return Verdict.UPSTREAM_SKIPPED
        case "all_failed" | "none_skipped":
            return Verdict.BEGIN if over else Verdict.WAIT
        case "one_failed":
            if unmet.failed:
                return Verdict.BEGIN
            return Verdict.UPSTREAM_SKIPPED if over else Verdict.WAIT
        case "one_success" if unmet.succeeded:
            return Verdict.BEGIN
        case "all_success" | "none_failed" | "none_failed_min_one_success" if unmet.failed:
            return Verdict.UPSTREAM_FAILED
        case _ if not over:
            return Verdict.WAIT
        case "one_success":
            return Verdict.UPSTREAM_FAILED if unmet.failed else Verdict.UPSTREAM_SKIPPED
        case "all_success":
            return Verdict.UPSTREAM_SKIPPED if unmet.skipped else Verdict.BEGIN
        case "none_failed":
            return Verdict.BEGIN
        case "none_failed_min_one_success":
            return Verdict.BEGIN if unmet.succeeded else Verdict.UPSTREAM_SKIPPED
        case _:
            assert_never(rule)


_FAILURES = frozenset({"upstream_failed", "run_failed"})


def count_ended(unmet: Unmet, ended: Task) -> Unmet:
    """Count one more that ended: cancelled ones, and those skipped because of a failure, count as failed."""
    match ended.status:
        case TaskStatus.COMPLETED:
            return replace(unmet, succeeded=unmet.succeeded + 1)
        case TaskStatus.SKIPPED if ended.reason not in _FAILURES:
            return replace(unmet, skipped=unmet.skipped + 1)
        case _:
            return replace(unmet, failed=unmet.failed + 1)
