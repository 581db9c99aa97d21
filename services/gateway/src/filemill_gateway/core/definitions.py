"""Definitions at the door: from a document to what may run, with all that is wrong and where."""

from collections.abc import Iterable, Iterator

from filemill_common.language import (
    Definition,
    InvalidDefinitionError,
    Item,
    ParallelStep,
    Problem,
    Step,
    load,
    pointers_of,
    read_yaml,
)
from filemill_common.language.expressions import has_expression
from filemill_common.language.model import MapItem, TaskItem
from filemill_common.language.problems import pointer
from filemill_common.storage.paths import InvalidPathError
from filemill_common.task_types import TASK_TYPES, option_models
from filemill_gateway.core.invalid import InvalidRequestError
from filemill_gateway.core.paths import user_path


def read_definition(document: object, *, at: str = "") -> Definition:
    """Check a definition, in our shape or the original's flat one.

    Args:
        document: As somebody wrote it.
        at: Where it stands in the request, as a pointer.

    Raises:
        InvalidRequestError: With all that is wrong.
    """
    try:
        definition = load(document, task_types=option_models())
    except InvalidDefinitionError as error:
        raise InvalidRequestError(_moved(error.problems, at), code=error.code) from error
    original = pointers_of(document) if isinstance(document, dict) else str
    wrong = [
        found.model_copy(update={"pointer": original(found.pointer)})
        for place, task in placed(definition)
        if isinstance(task, TaskItem)
        for found in _file_problems(task, f"{place}/with")
    ]
    if wrong:
        raise InvalidRequestError(_moved(wrong, at), code="invalid_definition")
    return definition


def located(text: str, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Say of each problem where in a text of YAML or JSON it stands, as far as the text can be read."""
    try:
        _, places = read_yaml(text)
    except InvalidDefinitionError:
        return tuple(problems)  # they say themselves where it cannot
    return tuple(each.model_copy(update=_spot(places.of(each.pointer))) for each in problems)


def placed(definition: Definition) -> Iterator[tuple[str, Step | Item]]:
    """Give all steps of a definition at whatever depth, those of maps too, each with its pointer."""
    for name, steps in (("steps", definition.steps), ("finally", definition.finally_)):
        for index, step in enumerate(steps):
            yield from _inside(pointer(name, index), step)


def _inside(place: str, step: Step | Item) -> Iterator[tuple[str, Step | Item]]:
    yield place, step
    if isinstance(step, MapItem):
        yield from _inside(f"{place}/step", step.step)
    elif isinstance(step, ParallelStep):
        for name, branch in step.branches.items():
            for index, each in enumerate(branch):
                yield from _inside(place + pointer("branches", name, index), each)


def _file_problems(task: TaskItem, inside: str) -> Iterator[Problem]:
    """Say whether a task lacks its input, and which paths can be none, as far as they stand there plainly."""
    task_type = TASK_TYPES.get(task.task)
    if task_type is not None and task_type.needs_input and not task.with_.get("input_file"):
        message = f"{task.task} works on a file, and 'input_file' is missing"
        yield Problem(pointer=f"{inside}/input_file", code="missing_field", message=message)
    for name in ("input_file", "output_file"):
        path = task.with_.get(name)
        if isinstance(path, str) and path and not has_expression(path):
            try:
                user_path(path)
            except InvalidPathError as error:
                yield Problem(pointer=f"{inside}/{name}", code=error.code, message=str(error))


def _moved(problems: Iterable[Problem], at: str) -> list[Problem]:
    return [each.model_copy(update={"pointer": at + each.pointer}) for each in problems]


def _spot(place: tuple[int, int]) -> dict[str, int]:
    return {"line": place[0], "column": place[1]}
