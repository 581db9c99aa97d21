"""Every kind of step on real files, as the examples say it; and a long run through deaths in the middle."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from filemill_local.stack import Stack
from filemill_local.user import User

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> dict[str, Any]:
    """Read an example."""
    read: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    return read


@pytest.fixture
def uploaded(user: User, clip: Path) -> str:
    """The path of a clip of two seconds."""
    user.upload("in/language.mp4", clip.read_bytes())
    return "in/language.mp4"


def steps(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the steps of a run by their ids."""
    return {step["id"]: step for step in run["steps"]}


def statuses(run: dict[str, Any]) -> dict[str, str]:
    """Give the status of each step, or why it was skipped."""
    return {step["id"]: step["reason"] or step["status"] for step in run["steps"]}


def waiting(user: User, run: str, step: str) -> Any:
    """Wait until a step waits."""
    return user.eventually(lambda: steps(user.get_workflow(run))[step]["status"] == "running", within=30)


def signal(user: User, run: str, name: str, **payload: object) -> int:
    """Send a signal; give the status of the answer."""
    return user.http.post(f"/v1/workflows/{run}/signals/{name}", json=payload).status_code


def encoders(stack: Stack) -> list[int]:
    """Give the processes that a worker of the stack has encode a video."""
    descendants, found = {stack.pid("worker")}, []
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            name, _, rest = (process / "stat").read_text().partition(" ")[2].rpartition(")")
        except FileNotFoundError:
            continue
        if int(rest.split()[1]) in descendants:
            descendants.add(int(process.name))
            found += [int(process.name)] if name == "(ffmpeg" else []
    return found


class TestTheExamples:
    def test_a_condition_chooses_the_thumbnail_for_a_short_video(self, user: User, uploaded: str) -> None:
        run = user.ended_workflow(user.workflow(example("condition"), {"input_file": uploaded}))

        assert run["status"] == "completed"
        assert statuses(run) == {
            "inspect": "completed",
            "is_long": "completed",
            "preview": "condition",
            "thumbnail": "completed",
            "report": "completed",
        }
        found = steps(run)
        assert found["is_long"]["output"] == {"chosen": ["thumbnail"], "case": None}
        assert found["report"]["output"]["picture"] == found["thumbnail"]["output"]["file"]

    def test_branches_run_side_by_side_and_are_joined(self, user: User, uploaded: str) -> None:
        run = user.ended_workflow(user.workflow(example("parallel"), {"input_file": uploaded}))

        found = steps(run)
        assert (run["status"], {step["status"] for step in run["steps"]}) == ("completed", {"completed"})
        assert {name for name, step in found.items() if step["parent"] == "make"} == {
            "convert",
            "inspect",
            "thumbnail",
            "preview",
        }
        assert found["report"]["output"]["seconds"] == pytest.approx(2, abs=0.2)
        ended = [step["completed_at"] for step in found.values() if step["parent"] == "make"]
        assert found["report"]["started_at"] >= max(ended)  # by the clock of those who did them

    def test_a_map_converts_each_rendition_and_keeps_the_order_of_the_list(
        self, user: User, uploaded: str
    ) -> None:
        asked = {"input_file": uploaded, "heights": [72, 36, 54]}
        run = user.ended_workflow(user.workflow(example("map"), asked), within=120)

        made = steps(run)["renditions"]["output"]
        assert run["status"] == "completed"
        assert [(item["index"], item["status"]) for item in made["items"]] == [
            (0, "completed"),
            (1, "completed"),
            (2, "completed"),
        ]
        assert steps(run)["report"]["output"] == {
            "files": [f"renditions/{run['id']}/{height}p.mp4" for height in (72, 36, 54)],
            "failed": 0,
        }
        assert len(run["steps"]) == 2

    def test_a_wait_goes_on_with_the_signal_that_fits(self, user: User) -> None:
        run = user.workflow(example("wait"))
        waiting(user, run, "approval")

        assert signal(user, run, "approval", agreed=True) == 422
        assert signal(user, run, "approvel", approved=True) == 404
        assert signal(user, run, "approval", approved=True, by="ann") == 202

        done = user.ended_workflow(run)
        assert (done["status"], steps(done)["publish"]["output"]) == ("completed", {"approved_by": "ann"})

    def test_a_template_is_a_step(self, user: User, uploaded: str) -> None:
        user.http.put("/v1/templates/poster", json=example("templates/poster")).raise_for_status()
        run = user.ended_workflow(user.workflow(example("subworkflow"), {"input_file": uploaded}))

        found = steps(run)
        assert run["status"] == "completed", run["error"]
        assert set(found["poster"]["output"]) == {"inspect", "picture"}
        assert found["report"]["output"]["picture"] == found["poster"]["output"]["picture"]["file"]

    def test_what_fails_is_rescued_and_summed_up(self, user: User) -> None:
        run = user.ended_workflow(user.workflow(example("cleanup")))

        assert (run["status"], run["error"]["code"]) == ("failed", "disk_full")
        assert statuses(run) == {
            "risky": "failed",
            "rescue": "completed",
            "never": "upstream_failed",
            "summary": "completed",
        }
        assert steps(run)["rescue"]["output"] == {"because": "there is no room left"}
        assert steps(run)["summary"]["output"] == {"status": "failed", "rescued": True}


RENDITIONS = [{"name": f"r{height}", "height": height} for height in (36, 54, 72, 90)]


class TestAdaptivePublish:
    def test_asks_converts_checks_and_publishes(self, user: User, uploaded: str) -> None:
        asked = {"input_file": uploaded, "renditions": RENDITIONS, "ask_above": 1}
        run = user.workflow(example("adaptive-publish"), asked)
        waiting(user, run, "approval")
        assert signal(user, run, "approval", approved=True) == 202

        done = user.ended_workflow(run, within=120)

        found = steps(done)
        assert (done["status"], done["error"]) == ("completed", None)
        assert found["publish"]["output"]["files"] == [
            f"published/{run}/{each['name']}.mp4" for each in RENDITIONS
        ]
        assert found["report_gaps"]["reason"] == "condition"
        assert found["record"]["output"] == {"status": "completed", "published": True}
        assert any(run in message["text"] for message in user.messages("you@example.com"))

    def test_short_videos_are_not_asked_about_and_gaps_are_reported(self, user: User, uploaded: str) -> None:
        odd = [*RENDITIONS[:1], {"name": "odd", "height": 37}]
        run = user.workflow(example("adaptive-publish"), {"input_file": uploaded, "renditions": odd})

        done = user.ended_workflow(run, within=120)

        found = steps(done)
        assert (done["status"], found["approval"]["reason"]) == ("completed", "condition")
        assert found["report_gaps"]["output"] == {"missing": [1]}
        assert (found["poster"]["reason"], found["publish"]["reason"]) == ("condition", "condition")

    def test_refused_it_publishes_nothing_and_keeps_a_record(self, user: User, uploaded: str) -> None:
        asked = {"input_file": uploaded, "renditions": RENDITIONS, "ask_above": 1}
        run = user.workflow(example("adaptive-publish"), asked)
        waiting(user, run, "approval")
        signal(user, run, "approval", approved=False)

        done = user.ended_workflow(run)

        assert (done["status"], steps(done)["renditions"]["reason"]) == ("completed", "condition")
        assert steps(done)["record"]["output"] == {"status": "completed", "published": False}

    @pytest.mark.parametrize("victim", ["scheduler", "worker"])
    def test_goes_on_when_killed_while_it_waits_and_while_it_converts(
        self, stack: Stack, user: User, uploaded: str, victim: str
    ) -> None:
        asked = {"input_file": uploaded, "renditions": RENDITIONS, "ask_above": 1}
        run = user.workflow(example("adaptive-publish"), asked)
        waiting(user, run, "approval")
        stack.kill(victim)
        assert signal(user, run, "approval", approved=True) == 202
        waiting(user, run, "renditions")
        stack.wait_ready(victim)
        stack.kill(victim)

        done = user.ended_workflow(run, within=180)

        found = steps(done)
        assert (done["status"], done["error"]) == ("completed", None)
        assert [item["status"] for item in found["renditions"]["output"]["items"]] == ["completed"] * 4
        assert found["record"]["attempt"] >= 1
        for path in found["publish"]["output"]["files"]:
            assert user.download(path)


class TestControl:
    def test_a_paused_run_starts_nothing_until_it_is_resumed(self, user: User) -> None:
        definition = {
            "name": "paused",
            "steps": [
                {"id": "a", "task": "sleep", "with": {"seconds": 1.5}},
                {"id": "b", "task": "echo", "depends_on": ["a"]},
            ],
        }
        run = user.workflow(definition)
        waiting(user, run, "a")
        assert user.http.post(f"/v1/workflows/{run}/pause").status_code == 202
        user.eventually(lambda: steps(user.get_workflow(run))["a"]["status"] == "completed", within=20)

        paused = user.get_workflow(run)
        assert (paused["status"], steps(paused)["b"]["status"]) == ("paused", "pending")
        assert user.http.post(f"/v1/workflows/{run}/resume").status_code == 202

        assert user.ended_workflow(run)["status"] == "completed"

    def test_a_cancel_stops_what_runs_within_five_seconds_and_finally_runs_once(self, user: User) -> None:
        definition = {
            "name": "cancelled",
            "steps": [{"id": "long", "task": "sleep", "with": {"seconds": 60}}],
            "finally": [{"id": "last", "task": "echo", "with": {"status": "${{ run.status }}"}}],
        }
        run = user.workflow(definition)
        waiting(user, run, "long")
        for _ in range(2):
            assert user.http.post(f"/v1/workflows/{run}/cancel").status_code == 202

        done = user.ended_workflow(run, within=5)

        assert (done["status"], statuses(done)) == ("cancelled", {"long": "cancelled", "last": "completed"})
        assert steps(done)["last"]["output"] == {"status": "cancelled"}
        assert steps(done)["last"]["attempt"] == 1

    def test_a_cancel_ends_the_program_that_processes_a_file(
        self, stack: Stack, user: User, uploaded: str
    ) -> None:
        slow = {"input_file": uploaded, "format": "webm", "height": 4320, "preset": "quality"}
        run = user.workflow(
            {"name": "slow", "steps": [{"id": "slow", "task": "video_convert", "with": slow}]}
        )
        user.eventually(lambda: encoders(stack), within=30)
        waiting(user, run, "slow")
        assert user.http.post(f"/v1/workflows/{run}/cancel").status_code == 202

        user.eventually(lambda: not encoders(stack), within=5)

    def test_a_rerun_does_again_what_failed_and_what_depends_on_it(self, user: User) -> None:
        definition = {
            "name": "again",
            "steps": [
                {"id": "good", "task": "echo", "with": {"n": 1}},
                {
                    "id": "bad",
                    "task": "fail",
                    "depends_on": ["good"],
                    "with": {"times": 1},
                    "retry": {"max_retries": 0},
                },
                {"id": "after", "task": "echo", "depends_on": ["bad"]},
            ],
        }
        run = user.workflow(definition)
        failed = user.ended_workflow(run)
        assert statuses(failed) == {"good": "completed", "bad": "failed", "after": "run_failed"}

        assert user.http.post(f"/v1/workflows/{run}/rerun", json={}).status_code == 202
        user.eventually(lambda: user.get_workflow(run)["status"] == "completed", within=20)

        done = user.get_workflow(run)
        assert [(step["id"], step["attempt"]) for step in done["steps"]] == [
            ("good", 1),
            ("bad", 2),
            ("after", 1),
        ]
        assert steps(done)["good"]["completed_at"] == steps(failed)["good"]["completed_at"]
