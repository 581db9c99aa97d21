"""The options of the video task types, with the bounds that keep ffmpeg's commands sane."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from filemill_common.task_types.options import Options

VideoFormat = Literal["webm", "mp4", "mkv", "mov"]
VideoCodec = Literal["vp9", "h264", "h265"]
ImageFormat = Literal["jpg", "png", "webp"]

CODECS: Mapping[VideoFormat, tuple[VideoCodec, ...]] = {
    "webm": ("vp9",),
    "mp4": ("h264", "h265", "vp9"),
    "mkv": ("h264", "h265", "vp9"),
    "mov": ("h264", "h265"),
}
"""What each container can hold; the first is taken where none is asked for."""

_WORST_CRF: Mapping[VideoCodec, int] = {"vp9": 63, "h264": 51, "h265": 51}

EvenPixels = Annotated[int, Field(ge=16, le=7_680, multiple_of=2)]
Pixels = Annotated[int, Field(ge=1, le=8_192)]
Percent = Annotated[str, Field(pattern=r"^(100(\.0+)?|\d{1,2}(\.\d+)?)%$")]
Seconds = Annotated[float, Field(ge=0, le=604_800)]


class VideoConvertOptions(Options):
    """How to re-encode a video."""

    format: VideoFormat = Field("webm", description="The container to write.")
    video_codec: VideoCodec | None = Field(
        None, description="Without it: VP9 in a webm, H.264 in all others."
    )
    width: EvenPixels | None = Field(
        None,
        description="Width in pixels, even. The aspect ratio is kept: with width and height the "
        "picture is fitted into both, with neither it keeps its size.",
    )
    height: EvenPixels | None = Field(None, description="Height in pixels, even.")
    fps: float | None = Field(None, gt=0, le=240, description="Frames per second; without it, the input's.")
    crf: int | None = Field(
        None,
        ge=0,
        le=63,
        description="Constant rate factor, 0 (best) to 51 (H.264, H.265) or 63 (VP9).",
    )
    bitrate: int | None = Field(
        None, ge=16, le=200_000, description="Video bit rate in kbit/s, instead of crf."
    )
    preset: Literal["fast", "balanced", "quality"] = Field(
        "fast", description="What to spend the processor's time on."
    )
    audio: bool = Field(True, description="Whether to keep the sound, as stereo.")
    audio_bitrate: int = Field(128, ge=16, le=512, description="Audio bit rate in kbit/s.")
    start: Seconds = Field(0.0, description="Where in the input to begin, in seconds.")
    duration: float | None = Field(
        None, gt=0, le=604_800, description="How much to take, in seconds; without it, all."
    )

    @property
    def codec(self) -> VideoCodec:
        """The codec asked for, or the container's usual one."""
        return self.video_codec or CODECS[self.format][0]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.codec not in CODECS[self.format]:
            raise PydanticCustomError(
                "codec_not_in_format",
                "a {format} cannot hold {codec}; it holds {known}",
                {
                    "format": self.format,
                    "codec": self.codec,
                    "known": ", ".join(CODECS[self.format]),
                },
            )
        if self.crf is not None and self.bitrate is not None:
            raise PydanticCustomError("crf_and_bitrate", "give either crf or bitrate, not both")
        if self.crf is not None and self.crf > _WORST_CRF[self.codec]:
            raise PydanticCustomError(
                "crf_out_of_range",
                "crf of {codec} is at most {worst}",
                {"codec": self.codec, "worst": _WORST_CRF[self.codec]},
            )
        return self


class VideoThumbnailOptions(Options):
    """Which picture to take out of a video."""

    format: ImageFormat = Field("jpg", description="The image to write.")
    at: Seconds | Percent = Field(
        "10%", description="Where in the video: seconds, or a share of its length such as 50%."
    )
    width: Pixels | None = Field(
        None,
        description="Width in pixels. The aspect ratio is kept: with width and height the picture "
        "is fitted into both, with neither it is as large as the video.",
    )
    height: Pixels | None = Field(None, description="Height in pixels.")
    quality: int = Field(85, ge=1, le=100, description="1 (worst) to 100; a png ignores it.")


class VideoPreviewOptions(Options):
    """How to lay out a contact sheet."""

    format: ImageFormat = Field("jpg", description="The image to write.")
    columns: int = Field(4, ge=1, le=10, description="Pictures side by side.")
    rows: int = Field(3, ge=1, le=10, description="Pictures one below another.")
    width: int = Field(240, ge=16, le=640, description="Width of one picture in pixels.")
    quality: int = Field(85, ge=1, le=100, description="1 (worst) to 100; a png ignores it.")
