"""Videos are converted and pictured: real files in, real files out, looked at by ffprobe."""

from typing import Any

import pytest

from filemill_worker.testing.bench import Bench, look


class TestConvert:
    async def test_a_webm_is_the_default(self, bench: Bench) -> None:
        product = await bench.work("video_convert", "clip.mp4")

        found = look(product)
        assert found.pop("duration") == pytest.approx(1, abs=0.1)
        assert found == {"format": "matroska,webm", "codecs": ["vp9", "opus"], "size": (160, 90)}
        assert product.content_type == "video/webm"
        duration = product.output.pop("duration")
        assert duration == pytest.approx(1, abs=0.1)
        assert product.output == {
            "format": "webm",
            "video_codec": "vp9",
            "width": 160,
            "height": 90,
            "frames": 25,
        }

    @pytest.mark.parametrize(
        ("options", "form", "codecs"),
        [
            ({"format": "mp4"}, "mov,mp4,m4a,3gp,3g2,mj2", ["h264", "aac"]),
            ({"format": "mp4", "video_codec": "h265"}, "mov,mp4,m4a,3gp,3g2,mj2", ["hevc", "aac"]),
            ({"format": "mov", "bitrate": 200}, "mov,mp4,m4a,3gp,3g2,mj2", ["h264", "aac"]),
            ({"format": "mkv", "crf": 40}, "matroska,webm", ["h264", "opus"]),
            ({"preset": "balanced", "bitrate": 100}, "matroska,webm", ["vp9", "opus"]),
            ({"preset": "quality", "audio": False}, "matroska,webm", ["vp9"]),
        ],
    )
    async def test_each_format_holds_its_codecs(
        self, bench: Bench, options: dict[str, Any], form: str, codecs: list[str]
    ) -> None:
        found = look(await bench.work("video_convert", "clip.mp4", **options))

        assert (found["format"], found["codecs"]) == (form, codecs)

    async def test_a_video_without_sound_stays_without(self, bench: Bench) -> None:
        assert look(await bench.work("video_convert", "silent.mp4"))["codecs"] == ["vp9"]

    @pytest.mark.parametrize(
        ("clip", "options", "size"),
        [
            ("clip.mp4", {"width": 80}, (80, 46)),
            ("clip.mp4", {"width": 100, "height": 40}, (72, 40)),
            ("odd.mkv", {}, (162, 92)),
            ("turned.mp4", {}, (90, 160)),
            ("turned.mp4", {"height": 80}, (46, 80)),
        ],
    )
    async def test_the_size_is_even_and_the_picture_undistorted(
        self, bench: Bench, clip: str, options: dict[str, Any], size: tuple[int, int]
    ) -> None:
        assert look(await bench.work("video_convert", clip, **options))["size"] == size

    async def test_a_part_can_be_taken_at_another_rate(self, bench: Bench) -> None:
        product = await bench.work("video_convert", "faststart.mp4", start=1, duration=1.5, fps=10)

        assert product.output["frames"] == 15
        assert product.output["duration"] == pytest.approx(1.5, abs=0.11)

    async def test_progress_rises_to_the_end(self, bench: Bench) -> None:
        await bench.work("video_convert", "long.mp4")

        percents = [percent for percent, _ in bench.reports]
        assert percents == sorted(percents)
        assert len(percents) > 3
        assert percents[0] == 0
        assert percents[-1] == pytest.approx(100, abs=1)
        assert bench.reports[-1][1] == "20.0 of 20.0 s"


class TestThumbnail:
    @pytest.mark.parametrize(
        ("image", "codec", "content_type"),
        [("jpg", "mjpeg", "image/jpeg"), ("png", "png", "image/png"), ("webp", "webp", "image/webp")],
    )
    async def test_it_is_an_image_as_large_as_the_video(
        self, bench: Bench, image: str, codec: str, content_type: str
    ) -> None:
        product = await bench.work("video_thumbnail", "clip.mp4", format=image)

        found = look(product)
        assert (found["codecs"], found["size"]) == ([codec], (160, 90))
        assert (product.content_type, product.output) == (
            content_type,
            {"format": image, "width": 160, "height": 90, "at": 0.1},
        )

    @pytest.mark.parametrize("at", [0, 0.5, 0.99, "0%", "99.9%", "100%"])
    async def test_it_is_taken_anywhere_in_the_video(self, bench: Bench, at: float | str) -> None:
        product = await bench.work("video_thumbnail", "silent.mp4", at=at, height=45)

        assert look(product)["size"] == (80, 45)

    async def test_a_video_that_was_filmed_upright_stays_upright(self, bench: Bench) -> None:
        assert look(await bench.work("video_thumbnail", "turned.mp4", width=45))["size"] == (45, 80)

    async def test_behind_the_end_there_is_none(self, bench: Bench) -> None:
        assert await bench.failure("video_thumbnail", "clip.mp4", at=7) == (
            "out_of_range",
            False,
            "at is 7 s, but the input ends at 1 s",
        )


class TestPreview:
    async def test_it_is_a_sheet_of_pictures(self, bench: Bench) -> None:
        product = await bench.work("video_preview", "clip.mp4", columns=3, rows=2, width=80)

        assert look(product)["size"] == (256, 102)
        assert (product.content_type, product.output) == (
            "image/jpeg",
            {"format": "jpg", "width": 256, "height": 102, "columns": 3, "rows": 2},
        )

    async def test_more_pictures_than_the_video_has_are_no_error(self, bench: Bench) -> None:
        product = await bench.work("video_preview", "clip.mp4", columns=10, rows=10, width=16, format="png")

        assert look(product)["size"] == (204, 134)
