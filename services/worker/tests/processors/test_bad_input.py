"""What is no video, or a hostile one, gets a clear error with a stable code."""

import asyncio
import subprocess
from datetime import timedelta

import pytest

from filemill_worker.core.limits import Limits
from filemill_worker.sandbox import Mode
from filemill_worker.testing.bench import Bench

VIDEO_TYPES = ["video_convert", "video_thumbnail", "video_preview"]


class TestBrokenInput:
    @pytest.mark.parametrize("kind", VIDEO_TYPES)
    @pytest.mark.parametrize("clip", ["random.mp4", "truncated.mp4", "empty.mp4", "text.txt"])
    async def test_it_is_refused_for_good(self, bench: Bench, kind: str, clip: str) -> None:
        code, retryable, _ = await bench.failure(kind, clip)

        assert code in {"corrupt_input", "unsupported_input"}
        assert not retryable

    async def test_the_message_says_what_is_wrong_in_the_users_words(self, bench: Bench) -> None:
        assert await bench.failure("video_convert", "empty.mp4") == (
            "corrupt_input",
            False,
            "the input is empty",
        )
        assert await bench.failure("video_convert", "truncated.mp4") == (
            "corrupt_input",
            False,
            "ffmpeg failed: [mov,mp4,m4a,3gp,3g2,mj2] moov atom not found; "
            "the input: Invalid data found when processing input",
        )

    async def test_half_a_video_is_no_success(self, bench: Bench) -> None:
        code, _, message = await bench.failure("video_convert", "damaged.mp4")

        assert (code, message.partition(":")[0]) == ("corrupt_input", "the input is damaged")

    @pytest.mark.parametrize("kind", VIDEO_TYPES)
    async def test_sound_alone_is_no_video(self, bench: Bench, kind: str) -> None:
        assert await bench.failure(kind, "sound.wav") == (
            "no_video",
            False,
            "the input has no video stream",
        )

    async def test_a_start_behind_the_end_is_named(self, bench: Bench) -> None:
        assert await bench.failure("video_convert", "silent.mp4", start=2) == (
            "out_of_range",
            False,
            "start is 2 s, but the input ends at 1 s",
        )

    async def test_a_type_that_needs_an_input_says_so(self, bench: Bench) -> None:
        assert await bench.failure("probe") == ("input_missing", False, "probe needs an input_file")


class TestHostileInput:
    @pytest.mark.parametrize("mode", ["bwrap", "pod"])
    @pytest.mark.parametrize(
        ("clip", "code"),
        [
            ("hls.mp4", "unsupported_input"),
            ("concat.mp4", "unsupported_input"),
            ("dash.mp4", "corrupt_input"),
        ],
    )
    async def test_a_playlist_reads_no_other_file(
        self, bench: Bench, clip: str, code: str, mode: Mode
    ) -> None:
        assert (await bench.failure("video_convert", clip, mode=mode))[:2] == (code, False)
        assert list(bench.scratch.iterdir()) == []

    async def test_the_playlist_would_read_it_if_it_were_let(self, bench: Bench) -> None:
        command = ("ffprobe", "-v", "error", str(bench.clips / "hls.mp4"), "-show_entries", "format=duration")
        found = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)

        assert b"duration=1.0" in found.stdout or b"duration=9.0" in found.stdout

    @pytest.mark.parametrize("kind", VIDEO_TYPES)
    async def test_a_small_file_of_a_huge_picture_is_refused(self, bench: Bench, kind: str) -> None:
        code, retryable, _ = await bench.failure(kind, "bomb.png")

        assert (code, retryable) == ("picture_too_large", False)

    async def test_an_output_larger_than_allowed_is_refused(self, bench: Bench) -> None:
        limits = Limits(pixels=20_000)

        assert await bench.failure("video_convert", "clip.mp4", width=320, limits=limits) == (
            "picture_too_large",
            False,
            "320x180 pixels are more than the 20000 that are allowed",
        )


class TestLimits:
    @pytest.mark.parametrize("mode", ["bwrap", "pod"])
    @pytest.mark.parametrize(
        ("limits", "code", "retryable"),
        [
            (Limits(wall_time=timedelta(seconds=0.5)), "timeout", True),
            (Limits(cpu_time=timedelta(seconds=1)), "cpu_time_exceeded", False),
            (Limits(file_size=20_000), "file_too_large", False),
            (Limits(memory=200 * 2**20), "out_of_memory", False),
        ],
        ids=["wall_time", "cpu_time", "file_size", "memory"],
    )
    async def test_what_goes_over_a_limit_ends_with_its_name(
        self, bench: Bench, mode: Mode, limits: Limits, code: str, retryable: bool
    ) -> None:
        failure = await bench.failure("video_convert", "long.mp4", mode=mode, limits=limits, width=640)

        assert failure[:2] == (code, retryable), failure
