"""A probe says what a file is, whatever it is called."""

import pytest

from filemill_worker.testing.bench import Bench


class TestProbe:
    async def test_a_video_is_described_with_its_streams(self, bench: Bench) -> None:
        product = await bench.work("probe", "clip.mp4")

        assert product.file is None
        assert product.output == {
            "content_type": "video/mp4",
            "family": "video",
            "duration": pytest.approx(1.0, abs=0.03),
            "width": 160,
            "height": 90,
            "streams": [
                {
                    "index": 0,
                    "kind": "video",
                    "codec": "h264",
                    "language": "und",
                    "duration": 1.0,
                    "width": 160,
                    "height": 90,
                    "fps": 25.0,
                },
                {
                    "index": 1,
                    "kind": "audio",
                    "codec": "aac",
                    "language": "und",
                    "duration": pytest.approx(1.0, abs=0.03),
                    "sample_rate": 44100,
                    "channels": 1,
                },
            ],
        }

    async def test_the_size_is_the_one_that_is_shown(self, bench: Bench) -> None:
        output = (await bench.work("probe", "turned.mp4")).output

        assert (output["width"], output["height"]) == (90, 160)

    async def test_sound_has_no_size(self, bench: Bench) -> None:
        output = (await bench.work("probe", "sound.wav")).output

        assert (output["family"], output["duration"], "width" in output) == ("audio", 1.0, False)

    @pytest.mark.parametrize(
        ("clip", "output"),
        [
            ("text.txt", {"content_type": "text/plain", "family": "text"}),
            ("hls.mp4", {"content_type": "text/plain", "family": "text"}),
            ("empty.mp4", {"content_type": "application/octet-stream", "family": "other"}),
            ("random.mp4", {"content_type": "application/octet-stream", "family": "other"}),
        ],
    )
    async def test_what_is_no_medium_is_described_by_its_type(
        self, bench: Bench, clip: str, output: dict[str, str]
    ) -> None:
        assert (await bench.work("probe", clip)).output == output

    async def test_a_broken_video_is_an_error(self, bench: Bench) -> None:
        code, retryable, message = await bench.failure("probe", "truncated.mp4")

        assert (code, retryable) == ("corrupt_input", False)
        assert "moov atom not found" in message
