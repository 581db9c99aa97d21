"""A definition: what a workflow is to do, checked and frozen."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    model_validator,
)

MAX_STEPS = 10_000
FILES = ("input_file", "output_file")

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
_not_empty = AfterValidator(_one_or_more)

Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(_seconds)]
StepId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
Url = Annotated[str, StringConstraints(max_length=2_048, pattern=r"^https?://[^\s/?#]+\S*$")]
WorkflowEvent = Literal["workflow.completed", "workflow.failed", "workflow.cancelled"]


class _Part(BaseModel):
    # By alias alone for documents (`load` says so), by name too for those who build one in Python.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)


class Retry(_Part):
    """How often a step is tried again after an error that may pass.

    Attributes:
        max_retries: Tries after the first, 0 to 100.
        retry_delay: Pause before the first retry, at most an hour; later ones double, as the
            scheduler bounds them.
    """

    max_retries: Annotated[int, Strict()] = Field(2, ge=0, le=100)
    retry_delay: Duration = Field(timedelta(seconds=1), ge=timedelta(0), le=timedelta(hours=1))


class Step(_Part):
    """One task of a workflow.

    Attributes:
        id: Unique in the definition; what expressions and ``depends_on`` say.
        order: The number that the flat shape calls it by; a name, not a sequence.
        with_: ``input_file``, ``output_file`` and the options of the task type, merged. Strings may
            hold expressions.
        timeout: Longest run of one attempt, over 0 and at most 30 days.
    """

    id: StepId
    name: Name | None = None
    order: Annotated[int, Strict()] | None = Field(None, ge=0, lt=2**63)
    type: Literal["task"] = "task"
    task: Name
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    depends_on: tuple[StepId, ...] = ()
    retry: Retry = Retry()
    timeout: Duration | None = Field(None, gt=timedelta(0), le=timedelta(days=30))


class EmailTarget(_Part):
    """Whom to write to, and in which language."""

    to: Email
    locale: Literal["zh", "en"] | None = None


class UrlTarget(_Part):
    """Where to post to."""

    url: Url


class Notify(_Part):
    """Tell one target about the end of the workflow; completed and failed unless it says which."""

    events: Annotated[tuple[WorkflowEvent, ...], _not_empty] = ("workflow.completed", "workflow.failed")
    email: EmailTarget | None = None
    webhook: UrlTarget | None = None
    callback: UrlTarget | None = None

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if sum(target is not None for target in (self.email, self.webhook, self.callback)) != 1:
            raise ValueError("say exactly one of 'email', 'webhook' and 'callback'")
        return self


class Definition(_Part):
    """What a workflow does. Made by `load`, which checks what a type cannot say.

    Attributes:
        input: JSON Schema (2020-12) of the input, or None if any will do.
        failure_policy: ``fail_fast``: the first failure cancels what is under way and skips the rest.
    """

    name: Name
    description: str | None = Field(None, max_length=10_000)
    user_id: Name | None = None
    input: dict[str, Any] | None = None
    failure_policy: Literal["fail_fast"] = "fail_fast"
    steps: Annotated[tuple[Step, ...], _not_empty] = Field(max_length=MAX_STEPS)
    notify: tuple[Notify, ...] = Field((), max_length=100)


def field_names(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Name the fields, as documents say them, of the model found at a path inside ``model``."""
    at: type[BaseModel] | None = model
    for part in path:
        if at is None:
            break
        if isinstance(part, str):
            fields = {field.alias or name: field for name, field in at.model_fields.items()}
            at = next(_models(fields[part].annotation), None) if part in fields else None
    return tuple(field.alias or name for name, field in at.model_fields.items()) if at else ()


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)
