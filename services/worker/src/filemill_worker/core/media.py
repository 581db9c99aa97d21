"""What ffprobe says about a file, as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """The moving picture of a file, as it is shown: turned upright and with square pixels.

    Attributes:
        width: In pixels.
        height: In pixels.
        duration: In seconds; None if the file does not say.
    """

    width: int
    height: int
    duration: float | None


@dataclass(frozen=True, slots=True)
class Media:
    """A file of sound and pictures.

    Attributes:
        format: ffmpeg's name of the container, such as ``mov,mp4,m4a,3gp,3g2,mj2``.
        duration: In seconds; None if the file does not say, or is a still image.
        picture: The first video stream that is no cover; None if there is none.
        has_sound: Whether there is an audio stream.
        streams: One object a stream, as published in the metadata.
    """

    format: str
    duration: float | None
    picture: Picture | None
    has_sound: bool
    streams: tuple[Json, ...]

    @property
    def family(self) -> str:
        """One of ``video``, ``image``, ``audio``, ``other``."""
        if self.picture is not None:
            return "image" if self.format.endswith("_pipe") else "video"
        return "audio" if self.has_sound else "other"


def parse_probe(output: bytes) -> Media:
    """Read what ``probe_command`` printed.

    Raises:
        ValueError: It is not the JSON of a probe.
    """
    data = json.loads(output)
    if not isinstance(data, dict) or "format" not in data:
        raise ValueError("ffprobe printed no format")
    form, found = data["format"], data.get("streams", [])
    name = form.get("format_name", "")
    duration = None if name.endswith("_pipe") else _number(form.get("duration"))
    pictures = [each for each in found if _is_picture(each)]
    return Media(
        format=name,
        duration=duration,
        picture=_picture(pictures[0], duration) if pictures else None,
        has_sound=any(each.get("codec_type") == "audio" for each in found),
        streams=tuple(_stream(each) for each in found),
    )


def _is_picture(stream: Mapping[str, Any]) -> bool:
    """Tell a video from a cover image, which ffprobe lists as a video stream too."""
    is_cover = stream.get("disposition", {}).get("attached_pic") == 1
    return stream.get("codec_type") == "video" and not is_cover and bool(stream.get("width"))


def _picture(stream: Mapping[str, Any], of_file: float | None) -> Picture:
    width, height = int(stream["width"]), int(stream["height"])
    wide, _, high = str(stream.get("sample_aspect_ratio", "1:1")).partition(":")
    aspect = int(wide) / int(high) if wide.isdigit() and high.isdigit() and int(wide) * int(high) else 1.0
    width = max(1, round(width * aspect))
    is_turned = any(_number(each.get("rotation")) in {90, -90, 270, -270} for each in _side_data(stream))
    duration = _number(stream.get("duration")) or of_file
    return Picture(*((height, width) if is_turned else (width, height)), duration)


def _side_data(stream: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(stream.get("side_data_list", []))


def _stream(stream: Mapping[str, Any]) -> Json:
    tags = stream.get("tags", {})
    facts = {
        "index": stream.get("index"),
        "kind": stream.get("codec_type", "unknown"),
        "codec": stream.get("codec_name"),
        "language": tags.get("language"),
        "duration": _number(stream.get("duration")),
        "width": stream.get("width"),
        "height": stream.get("height"),
        "fps": _ratio(stream.get("avg_frame_rate")),
        "sample_rate": _whole(stream.get("sample_rate")),
        "channels": stream.get("channels"),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def _whole(text: object) -> int | None:
    return int(str(text)) if str(text).isdigit() else None


def _ratio(text: object) -> float | None:
    top, _, bottom = str(text).partition("/")
    if not (top.isdigit() and bottom.isdigit() and int(top) and int(bottom)):
        return None
    return round(int(top) / int(bottom), 3)
