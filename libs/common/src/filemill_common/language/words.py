"""The words of a definition: what an id, a duration, a rule and an expression look like."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, StringConstraints, WithJsonSchema

_SHORT = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,6})?)s)?", re.ASCII)
_ISO_8601 = re.compile(
    r"P(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,6})?)S)?)?", re.ASCII
)


def _duration(value: object) -> timedelta:
    """Read seconds (a number), "1d2h30m5s" or ISO 8601 without years and months."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9:
        return timedelta(seconds=value)
    if isinstance(value, str):
        found = _SHORT.fullmatch(value) or _ISO_8601.fullmatch(value)
        if found and any(found.groups()):
            days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    raise ValueError('a duration is a number of seconds, or text such as "90s", "1h30m" or "PT90S"')


def _seconds(value: timedelta) -> int | float:
    seconds = value.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _one_or_more(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise ValueError("at least one is needed")
    return items


# Unlike min_length it is silent where the items themselves are wrong.
not_empty = AfterValidator(_one_or_more)


def _text(value: object) -> object:
    """Let a bare ``true`` of YAML be the expression that it is."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def moment(value: str) -> str:
    """Let through a point in time with an offset, or what an expression makes one."""
    if "${{" not in value:
        try:
            is_exact = datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            is_exact = False
        if not is_exact:
            raise ValueError("a point in time has a date, a time and an offset, as in 2026-11-05T08:00:00Z")
    return value


def named(value: object) -> object:
    """Let a bare text be the name of a signal."""
    return {"name": value} if isinstance(value, str) else value


TriggerRule = Literal[
    "all_success",
    "all_done",
    "all_failed",
    "one_success",
    "one_failed",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "always",
]
"""What those that a step depends on must have come to; the names and meanings are Airflow's."""

FailurePolicy = Literal["fail_fast", "drain", "continue"]
Condition = Annotated[
    str,
    BeforeValidator(_text, json_schema_input_type=str | bool),
    StringConstraints(min_length=1, max_length=4_096),
]
"""A whole expression, with or without ``${{ }}`` around it."""
Template = Annotated[str, StringConstraints(pattern=r"\$\{\{", max_length=4_096)]
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
TemplateReference = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}@[1-9][0-9]{0,8}$")
]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(_seconds),
    WithJsonSchema(
        {
            "description": "Seconds, or text such as 90s, 1h30m, 1d or PT5M.",
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^([0-9.]+[dhms])+$|^P[0-9.DTHMS]+$"},
            ],
        }
    ),
]
StepId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
Url = Annotated[str, StringConstraints(max_length=2_048, pattern=r"^https?://[^\s/?#]+\S*$")]
WorkflowEvent = Literal["workflow.completed", "workflow.failed", "workflow.cancelled"]
