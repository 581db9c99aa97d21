"""What a task needs the moment it may begin: rendered options, a resolved input, a name for its output."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from pydantic import ValidationError

from filemill_common.events import Failure, JsonObject, WorkflowStatus
from filemill_common.ids import step_task_id
from filemill_common.language import ExpressionError, evaluate, references, references_of, render
from filemill_common.storage.paths import InvalidPathError, normalise
from filemill_common.task_types import TASK_TYPES, TaskType, default_output, resolve_options
from filemill_scheduler.core.state import Run, Task, replace
from filemill_scheduler.core.view import View


class NotReadyError(Exception):
    """The task cannot begin, and no retry would help; never seen outside the core."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(code=code, message=message)


def prepare(view: View, task: Task) -> Task:
    """Give the task as a worker will get it.

    The input is resolved here and nowhere else, and stays with the task: a retry reads the same bytes.

    Raises:
        NotReadyError: An expression fails, an option is wrong, or the input is not there.
    """
    task_type = TASK_TYPES.get(task.type)
    if task_type is None:
        raise NotReadyError("unknown_task_type", f"there is no task type {task.type!r}")
    if task.template is not None:
        task = _rendered(view, task, task.template)
    try:
        options = resolve_options(task_type, task.options, task.output_file)
    except ValidationError as error:
        raise NotReadyError("invalid_options", _sentence(error)) from error
    try:
        output_file = _output_file(task, task_type, normalise(task.output_file) if task.output_file else None)
        if output_file is None and task_type.produces_file:
            output_file = default_output(task.id, task_type, options)
    except InvalidPathError as error:
        raise NotReadyError(error.code, str(error)) from error
    resolved: JsonObject = options.model_dump(mode="json")
    return replace(_with_input(view, task, task_type), options=resolved, output_file=output_file)


def _output_file(task: Task, task_type: TaskType, path: str | None) -> str | None:
    if path is not None and not task_type.produces_file:
        raise NotReadyError("invalid_options", f"{task.type} makes no file, so it takes no output_file")
    return path


def _with_input(view: View, task: Task, task_type: TaskType) -> Task:
    if not task_type.needs_input or task.input is not None:
        return task
    if task.input_file is None:
        raise NotReadyError("input_not_found", f"{task.type} needs an input_file")
    try:
        path = normalise(task.input_file)
    except InvalidPathError as error:
        raise NotReadyError(error.code, str(error)) from error
    found = view.file(task.tenant, path)
    if found is None:
        raise NotReadyError(
            "input_not_found", f"there is no file {path!r}; upload it, or let an earlier step write it"
        )
    return replace(task, input_file=path, input=found)


def _rendered(view: View, task: Task, template: JsonObject) -> Task:
    options = rendered(view, task, template)
    return replace(
        task,
        input_file=_text(options.pop("input_file", None), "input_file"),
        output_file=_text(options.pop("output_file", None), "output_file"),
        options=options,
    )


def _text(value: object, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise NotReadyError("expression_error", f"{name} must be a text, and came out as {value!r:.80}")


def rendered(view: View, task: Task, values: JsonObject) -> JsonObject:
    """Evaluate the expressions in what a step says.

    Raises:
        NotReadyError: One fails.
    """
    try:
        found = render(values, context(view, task, references(values)))
    except ExpressionError as error:
        raise NotReadyError(error.code, str(error)) from error
    return dict(cast("JsonObject", found))


def ask_for(view: View, task: Task, expressions: Iterable[str]) -> None:
    """Have all steps read that any of some expressions names, and not those of one after the other."""
    named: set[str] = set()
    for expression in expressions:
        with suppress(ExpressionError):  # which is told if it comes to it
            named |= references_of(expression)
    view.tasks(step_task_id(task.workflow_id or "", name) for name in named)


def evaluated(view: View, task: Task, expression: str) -> object:
    """Evaluate a text that is one whole expression.

    Raises:
        NotReadyError: It fails.
    """
    try:
        return evaluate(expression, context(view, task, references_of(expression)))
    except ExpressionError as error:
        raise NotReadyError(error.code, str(error)) from error


def decided(view: View, task: Task, expression: str) -> bool:
    """Evaluate a condition.

    Raises:
        NotReadyError: It fails, or is neither true nor false.
    """
    value = evaluated(view, task, expression)
    if not isinstance(value, bool):
        shown = json.dumps(value, ensure_ascii=False)
        raise NotReadyError(
            "expression_error", f"{expression!r:.80} is {shown:.80}, and neither true nor false"
        )
    return value


def context(view: View, task: Task, named: Iterable[str]) -> dict[str, object]:
    """Give what the expressions of a step may use: the steps that they name, and what is always there."""
    run = view.run(task.workflow_id) if task.workflow_id else None
    if run is None:
        return {}
    names = tuple(named)
    found = view.tasks(step_task_id(run.id, name) for name in names)
    status = (run.outcome or outcome(run)).value if task.in_finally else "running"
    return {
        "input": run.input,
        "run": {"id": run.id, "name": run.name, "user_id": run.user_id, "status": status},
        "steps": {name: _result(step) for name, step in zip(names, found, strict=True) if step is not None},
        **(task.bindings or {}),
    }


def outcome(run: Run) -> WorkflowStatus:
    """Tell what a run comes to by what failed in it, unless something else decided it before."""
    return WorkflowStatus.FAILED if run.error else WorkflowStatus.COMPLETED


def _result(step: Task) -> JsonObject:
    return {
        "status": step.status.value if step.status else None,
        "output": step.output or {},
        "error": step.error.model_dump() if step.error else None,
    }


def _sentence(error: ValidationError) -> str:
    """Say all that is wrong in one line."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'options'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    )
