"""What a processor takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, JsonValue

from filemill_worker.errors import ProcessingError

Report = Callable[[float, str | None], None]
"""Takes how far a job is, in percent (0 to 100, never falling), and a few words about it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One execution of a task.

    Attributes:
        task_id: Whose it is.
        attempt: Its number, from 1.
        type: Name of the task type.
        options: Validated by the model of that type.
        input: Local file, only read; its name is never shown to a program.
        scratch: Empty folder of this execution; the caller removes it with all that is in it.
    """

    task_id: str
    attempt: int
    type: str
    options: BaseModel
    input: Path | None
    scratch: Path

    def needed_input(self) -> Path:
        """Return the input of a type that works on one.

        Raises:
            ProcessingError: ``input_missing``.
        """
        if self.input is None:
            raise ProcessingError("input_missing", f"{self.type} needs an input_file")
        return self.input


@dataclass(frozen=True, slots=True)
class Product:
    """What came of a job.

    Attributes:
        output: Inline fields of the task's output.
        file: In the scratch folder, for the caller to store; None if the type makes none.
        content_type: Of the file.
    """

    output: dict[str, JsonValue] = field(default_factory=dict)
    file: Path | None = None
    content_type: str | None = None
