"""What ffprobe prints becomes values, whatever is missing from it."""

import json
from typing import Any

import pytest

from filemill_worker.core.media import Media, Picture, parse_probe

VIDEO: dict[str, Any] = {"index": 0, "codec_type": "video", "codec_name": "h264", "width": 640, "height": 360}
COVER = VIDEO | {"disposition": {"attached_pic": 1}}
SOUND: dict[str, Any] = {"index": 1, "codec_type": "audio", "codec_name": "aac", "sample_rate": "48000"}


def probe(*streams: dict[str, Any], form: str = "mov,mp4", duration: str | None = "5.0") -> Media:
    container = {"format_name": form} | ({} if duration is None else {"duration": duration})
    return parse_probe(json.dumps({"format": container, "streams": streams}).encode())


class TestMedia:
    def test_a_video_is_read_whole(self) -> None:
        assert probe(VIDEO | {"avg_frame_rate": "30000/1001", "duration": "4.9"}, SOUND) == Media(
            format="mov,mp4",
            duration=5.0,
            picture=Picture(640, 360, 4.9),
            has_sound=True,
            streams=(
                {
                    "index": 0,
                    "kind": "video",
                    "codec": "h264",
                    "duration": 4.9,
                    "width": 640,
                    "height": 360,
                    "fps": 29.97,
                },
                {"index": 1, "kind": "audio", "codec": "aac", "sample_rate": 48000},
            ),
        )

    @pytest.mark.parametrize(
        ("more", "size"),
        [
            ({"side_data_list": [{"rotation": -90}]}, (360, 640)),
            ({"side_data_list": [{"rotation": 180}]}, (640, 360)),
            ({"side_data_list": [{}]}, (640, 360)),
            ({"sample_aspect_ratio": "2:1"}, (1280, 360)),
            ({"sample_aspect_ratio": "0:1"}, (640, 360)),
            ({"sample_aspect_ratio": "N/A"}, (640, 360)),
        ],
    )
    def test_a_picture_is_as_large_as_it_is_shown(self, more: dict[str, Any], size: tuple[int, int]) -> None:
        assert probe(VIDEO | more).picture == Picture(*size, 5.0)

    def test_what_the_file_does_not_say_is_unknown(self) -> None:
        media = probe(VIDEO | {"avg_frame_rate": "0/0", "duration": "N/A"}, duration=None)

        assert (media.duration, media.picture) == (None, Picture(640, 360, None))
        assert "fps" not in media.streams[0]

    @pytest.mark.parametrize(
        ("streams", "form", "family"),
        [
            ((VIDEO, SOUND), "mov,mp4", "video"),
            ((COVER, SOUND), "mp3", "audio"),
            ((VIDEO,), "png_pipe", "image"),
            ((), "mov,mp4", "other"),
        ],
    )
    def test_the_family_is_told_from_the_streams(
        self, streams: tuple[dict[str, Any], ...], form: str, family: str
    ) -> None:
        assert probe(*streams, form=form).family == family

    @pytest.mark.parametrize("output", [b"", b"{", b"[]", b"{}", b'{"streams": []}'])
    def test_what_is_no_probe_is_refused(self, output: bytes) -> None:
        with pytest.raises(ValueError, match=r"Expecting|no format"):
            parse_probe(output)
