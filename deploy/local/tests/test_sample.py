"""What ``make run`` makes and shows."""

import json
import subprocess
from pathlib import Path

from filemill_local.sample import clip_command, outputs


class TestClip:
    def test_it_is_a_video_of_five_seconds_with_sound(self, tmp_path: Path) -> None:
        subprocess.run(clip_command(tmp_path / "clip.mp4"), check=True)

        probe = ("ffprobe", "-v", "error", "-of", "json", "-show_streams", str(tmp_path / "clip.mp4"))
        streams = json.loads(subprocess.run(probe, check=True, capture_output=True).stdout)["streams"]
        assert [(s["codec_name"], s.get("width"), s.get("height")) for s in streams] == [
            ("h264", 640, 360),
            ("aac", None, None),
        ]
        assert [round(float(s["duration"])) for s in streams] == [5, 5]


class TestOutputs:
    def test_a_step_that_made_no_file_is_left_out(self) -> None:
        workflow = {
            "steps": [
                {"id": "convert", "output": {"file": "filemill:///outputs/1/video_convert.webm"}},
                {"id": "said", "output": {"words": 3}},
                {"id": "skipped", "output": None},
            ]
        }

        assert outputs(workflow) == {"convert": "outputs/1/video_convert.webm"}
