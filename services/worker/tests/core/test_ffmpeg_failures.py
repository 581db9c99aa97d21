"""Every way to fail has a stable code, and says in a user's words what happened."""

from pathlib import Path

import pytest

from filemill_worker.core.failures import explain
from filemill_worker.core.launch import Launch

LAUNCH = Launch((), source=Path("/data/objects/abc"), folder=Path("/var/scratch/t1"))


class TestFailure:
    @pytest.mark.parametrize(
        ("status", "printed", "code", "retryable"),
        [
            (137, "", "killed", True),
            (139, "", "crashed", False),
            (134, "terminate called", "crashed", False),
            (152, "", "cpu_time_exceeded", False),
            (255, "", "cpu_time_exceeded", False),
            (153, "", "file_too_large", False),
            (1, "x264 [error]: malloc of size 26453440 failed", "out_of_memory", False),
            (1, "av_interleaved_write_frame(): No space left on device", "storage_full", True),
            (1, "Format not on whitelist 'mov,mp4'", "unsupported_input", False),
            (1, "Decoder (codec prores_raw) not found for input stream #0:0", "unsupported_input", False),
            (
                1,
                "[png @ 0x5] Picture size 9x9 exceeds max pixel count 4",
                "picture_too_large",
                False,
            ),
            (1, "Invalid data found when processing input", "corrupt_input", False),
            (1, "bwrap: No permissions to create a new namespace", "sandbox_failed", True),
            (1, "Something nobody has seen", "ffmpeg_failed", False),
            (1, "", "ffmpeg_failed", False),
        ],
    )
    def test_it_is_told_from_the_status_and_the_last_words(
        self, status: int, printed: str, code: str, retryable: bool
    ) -> None:
        error = explain(status, printed, LAUNCH)

        assert (error.code, error.retryable) == (code, retryable)

    def test_the_message_has_no_addresses_paths_or_repetitions(self) -> None:
        printed = (
            "an early line\n[h264 @ 0x55f0c0ffee] no frame!\n[h264 @ 0x55f0c0ffff] no frame!\n"
            "/data/objects/abc: Invalid data; see /var/scratch/t1/output.webm\nConversion failed!\n\n"
        )

        assert str(explain(1, printed, LAUNCH)) == (
            "ffmpeg failed: [h264] no frame!; the input: Invalid data; see output.webm"
        )

    def test_without_words_it_says_so(self) -> None:
        assert str(explain(1, "Conversion failed!\n", LAUNCH)) == "ffmpeg failed: it printed no reason"
