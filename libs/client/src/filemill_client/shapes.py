"""What the gateway sends, as far as this package looks into it; more fields may come along."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NotRequired, TypedDict

Json = dict[str, Any]
Kind = Literal["workflow", "task"]
MediaType = Literal["application/yaml", "application/json"]

FINAL: Final = frozenset({"completed", "failed", "cancelled", "skipped"})
"""Statuses of tasks and workflows that do not change by themselves."""


class Failure(TypedDict):
    """Why something failed; ``code`` is stable, ``message`` is for people."""

    code: str
    message: str


class Ending(TypedDict):
    """What a task, a step and a workflow have in common."""

    id: str
    status: str
    progress: NotRequired[float]
    """0 to 100."""
    error: NotRequired[Failure | None]
    started_at: NotRequired[str | None]
    completed_at: NotRequired[str | None]


class Step(Ending):
    """A step of a workflow."""

    type: str
    task_id: NotRequired[str]
    attempt: NotRequired[int]
    reason: NotRequired[str | None]
    parent: NotRequired[str | None]
    child: NotRequired[str | None]
    message: NotRequired[str | None]
    output: NotRequired[Json | None]


class Workflow(Ending):
    """A run of a definition; lists show it without its steps. ``duration`` is in seconds."""

    name: str
    created_at: str
    duration: NotRequired[float | None]
    steps: NotRequired[list[Step]]


class Task(Ending):
    """A task, of its own or of a step. ``duration`` is in seconds."""

    type: str
    created_at: str
    step_id: NotRequired[str | None]
    attempt: NotRequired[int]
    message: NotRequired[str | None]
    reason: NotRequired[str | None]
    input_file: NotRequired[str | None]
    duration: NotRequired[float | None]
    last_error: NotRequired[Failure | None]
    output: NotRequired[Json | None]


class StoredFile(TypedDict):
    """A file that was uploaded; ``size`` in bytes, ``digest`` as ``sha256:`` and 64 hexadecimal digits."""

    path: str
    uri: str
    size: int
    digest: str
    content_type: str


class Page(TypedDict):
    """A part of a list, newest first; ``next`` is the cursor of the part after it."""

    items: list[Json]
    next: str | None
    beyond: NotRequired[int]
    """Parked messages that were not looked at."""


class Problem(TypedDict):
    """One thing that is wrong with a request, and where (a JSON pointer; empty for all of it).

    ``line`` and ``column``, from 1, are those of the text that was sent.
    """

    pointer: str
    code: str
    message: str
    suggestion: NotRequired[str | None]
    line: NotRequired[int | None]
    column: NotRequired[int | None]


class Validation(TypedDict):
    """Whether a workflow could be submitted, and all that is wrong with it."""

    valid: bool
    problems: list[Problem]


class Template(TypedDict):
    """A version of a template; ``versions`` are all that there are, the newest first."""

    name: str
    version: int
    description: str
    created_at: str
    definition: Json
    uses: list[str]
    versions: list[int]


def is_final(shown: Mapping[str, Any]) -> bool:
    """Whether a task or workflow has ended."""
    return shown["status"] in FINAL
