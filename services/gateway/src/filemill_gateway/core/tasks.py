"""Tasks at the door: from a request to `TaskCreated`, and what a task looks like until it is stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, ValidationError

from filemill_common.events import TaskCreated, TaskSpec, TaskStatus, TaskView
from filemill_common.language import Problem, check_options
from filemill_common.language.problems import Speller
from filemill_common.language.words import Email, Url
from filemill_common.storage.paths import InvalidPathError
from filemill_common.task_types import TASK_TYPES, TaskType, resolve_options
from filemill_gateway.core.invalid import field_problem, problem
from filemill_gateway.core.paths import user_path

_PATTERNS = {
    "notify_email": "an address of email has a name, one @ and a domain",
    "notify_webhook": "an address begins with http:// or https:// and a host",
    "callback_url": "an address begins with http:// or https:// and a host",
}


class TaskRequest(TaskSpec):
    """A task as a client asks for it: an unknown field is an error, since it is most likely misspelt."""

    model_config = ConfigDict(extra="forbid")

    notify_email: Email | None = None
    notify_webhook: Url | None = None
    callback_url: Url | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What can be said of a request without looking at the storage.

    Attributes:
        task: What is asked, if nothing is wrong.
        problems: All that is wrong.
        input: The path that must stand for a file now.
    """

    task: TaskSpec | None
    problems: tuple[Problem, ...]
    input: str | None


def check_task(body: object) -> Checked:
    """Check a request for a task: its fields, its type, the type's options and the paths.

    A field that is null counts as not given.
    """
    if not isinstance(body, dict):
        wrong = problem("wrong_type", f"a task is an object, not {type(body).__name__}")
        return Checked(task=None, problems=(wrong,), input=None)
    given = {name: value for name, value in body.items() if value is not None}
    task: TaskSpec | None = None
    found: list[Problem] = []
    try:
        asked = TaskRequest.model_validate(given)
        task = TaskSpec(**{name: getattr(asked, name) for name in TaskSpec.model_fields})
    except ValidationError as error:
        found += (_field_problem(detail) for detail in error.errors(include_url=False, include_context=False))
    found += _path_problems(given)
    found += _type_problems(given)
    found += _dependency_problems(given)
    looks_for: str | None = None
    if not given.get("depends_on") and not any(p.pointer == "/input_file" for p in found):
        looks_for = user_path(given["input_file"]) if "input_file" in given else None
    return Checked(task=None if found else task, problems=tuple(found), input=looks_for)


def input_missing(path: str) -> Problem:
    """Say that a task's input is not there."""
    message = (
        f"there is no file {path[:200]!r}; upload it first, or name the task that writes it in depends_on"
    )
    return problem("input_not_found", message, "input_file")


def pending_task(event: TaskCreated) -> TaskView:
    """Show a task that is asked for and not stored yet."""
    fields: dict[str, Any] = {name: getattr(event.task, name) for name in TaskSpec.model_fields}
    return TaskView(
        id=event.task_id,
        tenant=event.tenant,
        status=TaskStatus.PENDING,
        created_at=event.time,
        updated_at=event.time,
        **fields,
    )


def probe_task(task_id: str, tenant: str, path: str, *, now: datetime) -> TaskCreated:
    """Ask for the metadata of a file."""
    task = TaskSpec(type="probe", input_file=path, priority=8)
    return TaskCreated(task_id=task_id, tenant=tenant, task=task, time=now, partition_key=task_id)


def _field_problem(detail: Any) -> Problem:
    found = field_problem(detail, TaskRequest)
    if detail["type"] == "string_pattern_mismatch" and str(detail["loc"][0]) in _PATTERNS:
        return found.model_copy(update={"message": _PATTERNS[str(detail["loc"][0])]})
    return found


def _path_problems(given: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("input_file", "output_file"):
        path = given.get(name)
        if isinstance(path, str) and 0 < len(path) <= 1024:  # the rest is said already
            try:
                user_path(path)
            except InvalidPathError as error:
                yield problem(error.code, str(error), name)


def _type_problems(given: Mapping[str, Any]) -> Iterator[Problem]:
    name, options = given.get("type"), given.get("options", {})
    if not isinstance(name, str) or len(name) > 200:
        return
    task_type = TASK_TYPES.get(name)
    if task_type is None:
        hint = Speller().suggestion(name, TASK_TYPES.keys())
        yield problem("unknown_task_type", f"no task type {name[:80]!r}", "type", suggestion=hint)
        return
    if task_type.needs_input and "input_file" not in given:
        yield problem("missing_field", f"{name} works on a file, and 'input_file' is missing", "input_file")
    if isinstance(options, dict):
        yield from _option_problems(task_type, options, given.get("output_file"))


def _option_problems(task_type: TaskType, options: Mapping[str, Any], output: object) -> Iterator[Problem]:
    problems = check_options(task_type.name, options, task_type.options)
    for found in problems:
        yield found.model_copy(update={"pointer": f"/options{found.pointer}"})
    if problems:
        return
    try:
        # Again, because the suffix of the output decides the format, and expressions are not
        # rendered in a task of its own.
        resolve_options(task_type, options, output if isinstance(output, str) else None)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False):
            if detail["type"] == "unknown_suffix":
                yield problem("invalid_options", detail["msg"], "output_file")
            else:
                yield problem("invalid_options", detail["msg"], "options", *detail["loc"])


def _dependency_problems(given: Mapping[str, Any]) -> Iterator[Problem]:
    listed = given.get("depends_on")
    seen: set[str] = set()
    for index, name in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(name, str):
            if name in seen:
                yield problem("duplicate_dependency", f"{name[:80]!r} is listed twice", "depends_on", index)
            seen.add(name)
