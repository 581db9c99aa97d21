"""Upload a video, get a WebM, a thumbnail and a preview of it, and be told."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from filemill_local.user import User

EXAMPLE = Path(__file__).parents[2] / "examples" / "video-processing.yaml"


def probed(user: User, path: str, folder: Path) -> dict[str, Any]:
    """Read a stored file with ffprobe."""
    local = folder / Path(path).name
    local.write_bytes(user.download(path))
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(local)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer


class TestTheExample:
    def test_makes_a_webm_a_thumbnail_and_a_preview_and_sends_a_mail(
        self, user: User, clip: Path, tmp_path: Path
    ) -> None:
        user.upload("in/clip.mp4", clip.read_bytes())
        run = user.workflow(yaml.safe_load(EXAMPLE.read_text()), {"input_file": "in/clip.mp4"})

        done = user.ended_workflow(run)

        assert (done["status"], done["error"], done["progress"]) == ("completed", None, 100)
        files = {step["id"]: step["output"]["file"] for step in done["steps"]}
        video = probed(user, files["transcode"], tmp_path)
        assert video["format"]["format_name"] == "matroska,webm"
        assert {stream["codec_type"] for stream in video["streams"]} == {"video", "audio"}
        pictures = [probed(user, files[name], tmp_path) for name in ("thumbnail", "preview")]
        assert [picture["streams"][0]["codec_name"] for picture in pictures] == ["mjpeg", "mjpeg"]
        mail = user.messages("you@example.com")
        assert any(run in message["text"] for message in mail)


class TestTheOriginalsExample:
    def test_sent_as_it_was_gives_its_three_files(self, user: User, clip: Path, tmp_path: Path) -> None:
        user.upload("in/original.mp4", clip.read_bytes())
        steps = [
            {
                "name": "transcode",
                "type": "task",
                "order": 1,
                "status": "pending",
                "config": {
                    "type": "video_convert",
                    "input_file": "in/original.mp4",
                    "output_file": "original/out.webm",
                },
            },
            {
                "name": "thumbnail",
                "type": "task",
                "order": 2,
                "depends_on": [1],
                "config": json.dumps(
                    {
                        "type": "video_thumbnail",
                        "input_file": "original/out.webm",
                        "output_file": "original/thumb.jpg",
                    }
                ),
            },
            {
                "name": "preview",
                "type": "task",
                "order": 3,
                "depends_on": "[1]",
                "config": {
                    "type": "video_preview",
                    "input_file": "original/out.webm",
                    "output_file": "original/preview.jpg",
                },
            },
        ]
        flat = {"name": "video", "description": "as it was", "user_id": "u1", "steps": steps}

        answer = user.http.post("/v1/workflows", json=flat)
        assert answer.status_code == 202, answer.text
        done = user.ended_workflow(answer.json()["id"])

        assert done["status"] == "completed"
        assert [(step["id"], step["order"], step["output"]["file"]) for step in done["steps"]] == [
            ("s1", 1, "original/out.webm"),
            ("s2", 2, "original/thumb.jpg"),
            ("s3", 3, "original/preview.jpg"),
        ]
        assert probed(user, "original/out.webm", tmp_path)["format"]["format_name"] == "matroska,webm"


class TestTheMetrics:
    def test_of_the_original_are_there_to_the_letter(self, user: User) -> None:
        user.ended_task(user.task("echo"))
        user.ended_task(user.task("fail", options={"code": "x", "message": "x", "retryable": False}))

        shown = user.eventually(lambda: metrics(user), within=15)

        for name in ("task_created_total", "task_completed_total", "task_duration_seconds_count"):
            assert f'{name}{{type="echo"}}' in shown
        assert 'task_failed_total{type="fail"}' in shown
        assert 'task_duration_seconds_bucket{le="512.0",type="echo"}' in shown


def metrics(user: User) -> str:
    """Give the scheduler's metrics, once the replica that sweeps has measured the queues."""
    text = user.http.get(f"{user.stack.plan.address('scheduler')}/metrics").text
    return text if "# TYPE task_queue_size gauge" in text else ""
