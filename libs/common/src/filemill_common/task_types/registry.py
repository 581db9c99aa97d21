"""The table of all task types: what each is called, takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel

from filemill_common.task_types.options import EchoOptions, FailOptions, ProbeOptions, SleepOptions
from filemill_common.task_types.video import (
    VideoConvertOptions,
    VideoPreviewOptions,
    VideoThumbnailOptions,
)


@dataclass(frozen=True, slots=True)
class TaskType:
    """One kind of work.

    Attributes:
        name: What tasks and workflow steps call it.
        title: A few words for people.
        description: One sentence for people.
        options: The model that validates its options; its JSON Schema is public.
        needs_input: Whether it works on a file.
        produces_file: Whether it makes one; its options then have a ``format``.
        pool: The worker pool it runs in where the settings say nothing else.
    """

    name: str
    title: str
    description: str
    options: type[BaseModel]
    needs_input: bool = False
    produces_file: bool = False
    pool: str = "default"

    def suffix(self, options: BaseModel) -> str:
        """Return the suffix of the output's default name, without a dot, such as ``webm``.

        Raises:
            ValueError: This type makes no file.
        """
        if not self.produces_file:
            raise ValueError(f"{self.name} makes no file, so its output has no suffix")
        return str(options.model_dump(include={"format"})["format"])


_ALL = (
    TaskType(
        name="echo",
        title="Echo",
        description="Gives its options back as its output.",
        options=EchoOptions,
    ),
    TaskType(
        name="sleep",
        title="Sleep",
        description="Waits, reporting progress.",
        options=SleepOptions,
    ),
    TaskType(
        name="fail",
        title="Fail",
        description="Fails, always or the first few times.",
        options=FailOptions,
    ),
    TaskType(
        name="probe",
        title="Read metadata",
        description="Says what a file is: type, length, size of the picture, streams.",
        options=ProbeOptions,
        needs_input=True,
        pool="video",
    ),
    TaskType(
        name="video_convert",
        title="Convert a video",
        description="Encodes a video anew, in another container, codec, size or length.",
        options=VideoConvertOptions,
        needs_input=True,
        produces_file=True,
        pool="video",
    ),
    TaskType(
        name="video_thumbnail",
        title="Take a thumbnail",
        description="Takes one picture out of a video.",
        options=VideoThumbnailOptions,
        needs_input=True,
        produces_file=True,
        pool="video",
    ),
    TaskType(
        name="video_preview",
        title="Make a contact sheet",
        description="Lays pictures from all along a video out in one image.",
        options=VideoPreviewOptions,
        needs_input=True,
        produces_file=True,
        pool="video",
    ),
)

TASK_TYPES: Mapping[str, TaskType] = MappingProxyType({each.name: each for each in _ALL})


def option_models() -> Mapping[str, type[BaseModel]]:
    """Return the options model of each task type, by the type's name."""
    return {name: task_type.options for name, task_type in TASK_TYPES.items()}
