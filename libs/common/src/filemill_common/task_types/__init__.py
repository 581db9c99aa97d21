"""What kinds of work there are, which options each takes, and what its output is called."""

from filemill_common.task_types.options import (
    EchoOptions,
    FailOptions,
    Options,
    ProbeOptions,
    SleepOptions,
)
from filemill_common.task_types.registry import TASK_TYPES, TaskType, option_models
from filemill_common.task_types.resolve import default_output, resolve_options
from filemill_common.task_types.video import (
    ImageFormat,
    VideoCodec,
    VideoConvertOptions,
    VideoFormat,
    VideoPreviewOptions,
    VideoThumbnailOptions,
)

__all__ = [
    "TASK_TYPES",
    "EchoOptions",
    "FailOptions",
    "ImageFormat",
    "Options",
    "ProbeOptions",
    "SleepOptions",
    "TaskType",
    "VideoCodec",
    "VideoConvertOptions",
    "VideoFormat",
    "VideoPreviewOptions",
    "VideoThumbnailOptions",
    "default_output",
    "option_models",
    "resolve_options",
]
