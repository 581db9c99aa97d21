"""Options are validated, and the format follows the output's name unless it is given."""

from typing import Any

import pytest
from pydantic import ValidationError

from filemill_common.task_types import (
    TASK_TYPES,
    VideoConvertOptions,
    VideoThumbnailOptions,
    default_output,
    resolve_options,
)


def problems(name: str, options: dict[str, Any], output_file: str | None = None) -> list[Any]:
    with pytest.raises(ValidationError) as caught:
        resolve_options(TASK_TYPES[name], options, output_file)
    return [(problem["loc"], problem["type"], problem["msg"]) for problem in caught.value.errors()]


class TestFormat:
    def test_it_follows_the_suffix_of_the_output(self) -> None:
        options = resolve_options(TASK_TYPES["video_convert"], {"width": 320}, "out/clip.MP4")

        assert options == VideoConvertOptions(format="mp4", width=320)

    def test_a_suffix_may_have_two_spellings(self) -> None:
        options = resolve_options(TASK_TYPES["video_thumbnail"], {}, "a.b/cover.jpeg")

        assert options == VideoThumbnailOptions(format="jpg")

    def test_a_format_that_is_given_wins(self) -> None:
        options = resolve_options(TASK_TYPES["video_convert"], {"format": "mkv"}, "clip.mp4")

        assert options == VideoConvertOptions(format="mkv")

    @pytest.mark.parametrize("output_file", [None, "clip", "folder.mp4/clip", ".webm"])
    def test_without_a_suffix_it_is_the_default(self, output_file: str | None) -> None:
        options = resolve_options(TASK_TYPES["video_convert"], {}, output_file)

        assert options == VideoConvertOptions(format="webm")

    def test_an_unknown_suffix_says_which_are_known(self) -> None:
        assert problems("video_thumbnail", {}, "cover.tiff") == [
            (
                ("format",),
                "unknown_suffix",
                "output_file ends in .tiff, which video_thumbnail does not write; "
                "give a format or one of .jpg, .png, .webp",
            )
        ]

    def test_a_type_without_a_file_does_not_look_at_it(self) -> None:
        options = resolve_options(TASK_TYPES["echo"], {"a": [1, None]}, "x.tiff")

        assert options.model_dump() == {"a": [1, None]}


class TestDefaultOutput:
    def test_it_is_named_for_the_task_and_its_type(self) -> None:
        task_type = TASK_TYPES["video_convert"]

        assert default_output("t1", task_type, VideoConvertOptions()) == ("outputs/t1/video_convert.webm")

    def test_a_type_without_a_file_has_none(self) -> None:
        task_type = TASK_TYPES["sleep"]

        with pytest.raises(ValueError, match="sleep makes no file"):
            default_output("t1", task_type, task_type.options.model_validate({"seconds": 1}))


class TestOptions:
    def test_an_unknown_option_is_an_error(self) -> None:
        assert problems("video_convert", {"speed": 2}) == [
            (("speed",), "extra_forbidden", "Extra inputs are not permitted")
        ]

    def test_a_container_refuses_a_codec_it_cannot_hold(self) -> None:
        assert problems("video_convert", {"format": "webm", "video_codec": "h264"}) == [
            ((), "codec_not_in_format", "a webm cannot hold h264; it holds vp9")
        ]

    def test_quality_is_given_in_one_way(self) -> None:
        assert problems("video_convert", {"crf": 30, "bitrate": 800}) == [
            ((), "crf_and_bitrate", "give either crf or bitrate, not both")
        ]

    def test_the_worst_crf_depends_on_the_codec(self) -> None:
        assert VideoConvertOptions(crf=63).crf == 63
        assert problems("video_convert", {"format": "mp4", "crf": 52}) == [
            ((), "crf_out_of_range", "crf of h264 is at most 51")
        ]

    @pytest.mark.parametrize("size", [15, 17, 0, -2, 100_000])
    def test_a_video_is_even_and_of_sane_size(self, size: int) -> None:
        assert [place for place, _, _ in problems("video_convert", {"width": size})] == [("width",)]

    @pytest.mark.parametrize("at", [0, 1.5, "0%", "33.3%", "100%"])
    def test_a_thumbnail_is_taken_at_seconds_or_a_share(self, at: float | str) -> None:
        assert VideoThumbnailOptions(at=at).at == at

    @pytest.mark.parametrize("at", [-1, "101%", "half", float("nan"), "-5%"])
    def test_a_thumbnail_is_taken_nowhere_else(self, at: float | str) -> None:
        places = [place for place, _, _ in problems("video_thumbnail", {"at": at})]

        assert {place[0] for place in places} == {"at"}


class TestRegistry:
    def test_all_types_are_there(self) -> None:
        shapes = {
            name: (each.pool, each.needs_input, each.produces_file) for name, each in TASK_TYPES.items()
        }

        assert shapes == {
            "echo": ("default", False, False),
            "sleep": ("default", False, False),
            "fail": ("default", False, False),
            "probe": ("video", True, False),
            "video_convert": ("video", True, True),
            "video_thumbnail": ("video", True, True),
            "video_preview": ("video", True, True),
        }

    @pytest.mark.parametrize("name", TASK_TYPES)
    def test_options_have_a_json_schema_of_an_object(self, name: str) -> None:
        assert TASK_TYPES[name].options.model_json_schema()["type"] == "object"
