"""Commands say what the options ask for, and nothing that a file's owner could choose becomes a flag."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filemill_common.task_types import VideoConvertOptions, VideoPreviewOptions
from filemill_worker.core.ffmpeg import convert_command, fit, frame_command, probe_command, sheet_command
from filemill_worker.core.launch import bwrap_launch, pod_launch
from filemill_worker.core.limits import Limits

IN, OUT, LIMITS = Path("/input/file"), Path("/scratch/output.webm"), Limits(threads=2)


def convert(options: VideoConvertOptions) -> tuple[str, ...]:
    return convert_command(IN, OUT, options, (640, 360), LIMITS)


def value(command: tuple[str, ...], flag: str) -> str:
    return command[command.index(flag) + 1]


class TestConvert:
    def test_the_default_is_fast_vp9(self) -> None:
        command = convert(VideoConvertOptions())

        assert [value(command, flag) for flag in ("-c:v", "-deadline", "-crf", "-b:v", "-c:a", "-ac")] == [
            "libvpx-vp9",
            "realtime",
            "33",
            "0",
            "libopus",
            "2",
        ]
        assert value(command, "-vf") == "scale=640:360,setsar=1"
        assert command[-3:] == ("-f", "webm", "/scratch/output.webm")

    def test_a_bit_rate_takes_the_place_of_the_rate_factor(self) -> None:
        command = convert(VideoConvertOptions(format="mp4", bitrate=800))

        assert value(command, "-b:v") == "800k"
        assert "-crf" not in command

    def test_a_part_is_cut_before_it_is_decoded(self) -> None:
        command = convert(VideoConvertOptions(start=1.5, duration=2, fps=12.5))

        assert (value(command, "-ss"), value(command, "-t")) == ("1.500", "2.000")
        assert command.index("-ss") < command.index("-i")
        assert value(command, "-vf") == "fps=12.5,scale=640:360,setsar=1"

    def test_without_sound_none_is_encoded(self) -> None:
        command = convert(VideoConvertOptions(audio=False))

        assert "-an" in command
        assert "-c:a" not in command


class TestReading:
    @pytest.mark.parametrize(
        "command",
        [
            probe_command(IN, LIMITS),
            convert(VideoConvertOptions()),
            frame_command(IN, OUT, at=1, size=(2, 2), image="jpg", quality=85, limits=LIMITS),
            sheet_command(IN, OUT, VideoPreviewOptions(), tile=(2, 2), duration=5, limits=LIMITS),
        ],
        ids=["probe", "convert", "frame", "sheet"],
    )
    def test_every_input_is_read_under_the_same_lists(self, command: tuple[str, ...]) -> None:
        formats = set(value(command, "-format_whitelist").split(","))

        assert value(command, "-protocol_whitelist") == "file,pipe"
        assert "mov" in formats
        assert not formats & {"hls", "dash", "concat", "image2", "sdp", "rtsp", "lavfi", "imf", "applehttp"}
        assert value(command, "-max_pixels") == str(LIMITS.pixels)
        assert command.index("-format_whitelist") < command.index("-i")

    def test_the_quality_of_a_jpeg_is_turned_into_ffmpegs_scale(self) -> None:
        scales = [
            value(frame_command(IN, OUT, at=0, size=(2, 2), image="jpg", quality=q, limits=LIMITS), "-q:v")
            for q in (100, 85, 1)
        ]

        assert scales == ["2", "6", "31"]


class TestSheet:
    def test_a_long_video_is_sampled_at_its_key_frames(self) -> None:
        options = VideoPreviewOptions(columns=4, rows=3)
        short, long = (
            sheet_command(IN, OUT, options, tile=(240, 134), duration=seconds, limits=LIMITS)
            for seconds in (60, 3_600)
        )

        assert "-skip_frame" not in short
        assert value(long, "-skip_frame") == "nokey"
        assert "fps=0.003333:round=near" in value(long, "-vf")

    def test_without_a_length_there_is_one_picture_a_second(self) -> None:
        command = sheet_command(IN, OUT, VideoPreviewOptions(), tile=(2, 2), duration=None, limits=LIMITS)

        assert "fps=1.000000:round=near" in value(command, "-vf")


class TestFit:
    @pytest.mark.parametrize(
        ("box", "result"),
        [
            ((None, None), (640, 360)),
            ((320, None), (320, 180)),
            ((None, 720), (1280, 720)),
            ((320, 320), (320, 180)),
            ((1000, 90), (160, 90)),
        ],
    )
    def test_a_picture_is_fitted_into_the_box(
        self, box: tuple[int | None, int | None], result: tuple[int, int]
    ) -> None:
        assert fit((640, 360), width=box[0], height=box[1]) == result

    @given(
        st.tuples(st.integers(1, 8_192), st.integers(1, 8_192)),
        st.integers(16, 7_680),
        st.integers(16, 7_680),
    )
    def test_it_is_never_larger_and_always_divisible(
        self, size: tuple[int, int], width: int, height: int
    ) -> None:
        wide, high = fit(size, width=width - width % 2, height=height - height % 2, multiple=2)

        assert 2 <= wide <= width
        assert 2 <= high <= height
        assert wide % 2 == high % 2 == 0


class TestLaunch:
    def test_in_bubblewrap_no_command_sees_a_name_of_the_machine(self) -> None:
        launch = bwrap_launch(Path("/data/-i evil"), Path("/tmp/x"), LIMITS)

        assert (launch.source, launch.folder) == (Path("/input/file"), Path("/scratch"))
        place = launch.prefix.index("/data/-i evil")
        assert launch.prefix[place - 1 : place + 2] == ("--ro-bind", "/data/-i evil", "/input/file")
        assert {"--unshare-all", "--die-with-parent", "--new-session", "--clearenv"} < set(launch.prefix)

    def test_in_a_pod_limits_stay_and_names_are_absolute(self) -> None:
        launch = pod_launch(Path("-i"), Path("/scratch/x"), Limits(memory=1_000, file_size=2_000))

        assert launch.source.is_absolute()
        assert {"--as=1000", "--fsize=2000", "--cpu=14400:14405"} < set(launch.prefix)
