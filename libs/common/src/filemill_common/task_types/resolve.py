"""The rules that tie a task's options to the name of its output."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from filemill_common.task_types.registry import TaskType

_SAME_FORMAT = {"jpeg": "jpg", "m4v": "mp4"}


def resolve_options(task_type: TaskType, options: Mapping[str, Any], output_file: str | None) -> BaseModel:
    """Validate a task's options; a ``format`` not given follows the suffix of ``output_file``.

    A format that is given wins over the suffix; an output name without a suffix leaves the
    type's default.

    Args:
        task_type: Whose options they are.
        options: As submitted, expressions already rendered.
        output_file: The path asked for; only its suffix is looked at.

    Raises:
        pydantic.ValidationError: The options are wrong, with the place of each problem; or the
            suffix is of no format that this type writes (type ``unknown_suffix``, at ``format``).
    """
    suffix = PurePosixPath(output_file or "").suffix.lower().removeprefix(".")
    if not task_type.produces_file or options.get("format") is not None or not suffix:
        return task_type.options.model_validate(options)

    known = get_args(task_type.options.model_fields["format"].annotation)
    implied = _SAME_FORMAT.get(suffix, suffix)
    if implied not in known:
        raise _unknown_suffix(task_type, suffix, known)
    return task_type.options.model_validate({**options, "format": implied})


def default_output(task_id: str, task_type: TaskType, options: BaseModel) -> str:
    """Return the path of the output of a task that asked for none.

    Raises:
        ValueError: This type makes no file.
    """
    return f"outputs/{task_id}/{task_type.name}.{task_type.suffix(options)}"


def _unknown_suffix(task_type: TaskType, suffix: str, known: tuple[str, ...]) -> ValidationError:
    problem = PydanticCustomError(
        "unknown_suffix",
        "output_file ends in .{suffix}, which {task_type} does not write; give a format or one of {known}",
        {
            "suffix": suffix,
            "task_type": task_type.name,
            "known": ", ".join(f".{each}" for each in known),
        },
    )
    return ValidationError.from_exception_data(
        task_type.options.__name__,
        [InitErrorDetails(type=problem, loc=("format",), input=suffix)],
    )
