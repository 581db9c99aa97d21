"""What happened to a run is kept; played again through the rules alone it comes to the same."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from filemill_local.stack import Stack
from filemill_local.user import User
from filemill_scheduler.core.replaying import read, replay

FILEMILL = Path(__file__).parents[2] / ".venv" / "bin" / "filemill"


def filemill(stack: Stack, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    command = [str(each) for each in (FILEMILL, *arguments)]
    env = {"FILEMILL_URL": stack.plan.address("gateway"), "NO_COLOR": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def everything(sub: str) -> dict[str, Any]:
    """A run with a retry, a condition, a map, a subworkflow, a wait, and somebody to be told."""
    inner = {"task": "echo", "with": {"n": "${{ each }}"}}
    flaky = {"times": 1, "retryable": True, "code": "flaky", "message": "not yet"}
    return {
        "name": "everything",
        "steps": [
            {
                "id": "flaky",
                "task": "fail",
                "with": flaky,
                "retry": {"max_retries": 2, "retry_delay": "PT0.1S"},
            },
            {
                "id": "choice",
                "type": "condition",
                "depends_on": ["flaky"],
                "cases": [{"when": "size(input.list) > 2", "then": ["all"]}],
                "default": ["none"],
            },
            {
                "id": "all",
                "type": "map",
                "items": "input.list",
                "as": "each",
                "step": inner,
                "max_concurrency": 2,
            },
            {"id": "none", "task": "echo"},
            {"id": "inner", "type": "subworkflow", "workflow": sub, "depends_on": ["all"]},
            {"id": "go", "type": "wait", "signal": {"name": "go"}, "depends_on": ["inner"]},
            {"id": "slow", "task": "sleep", "with": {"seconds": 30}, "depends_on": ["go"]},
        ],
        "notify": [
            {"events": ["workflow.completed"], "webhook": {"url": "https://u:password@example.com/secret"}}
        ],
    }


@pytest.fixture
def sub(user: User) -> str:
    """A template to use."""
    body = {"name": "inner", "steps": [{"id": "q", "task": "echo", "with": {"deep": {"$x": 1}}}]}
    put = user.http.put("/v1/templates/inner", json=body).raise_for_status().json()
    return f"{put['name']}@{put['version']}"


def test_a_run_is_exported_and_played_again(stack: Stack, user: User, sub: str, tmp_path: Path) -> None:
    run = user.workflow(everything(sub), {"list": [1, 2, 3]})

    def is_at(step: str, status: str = "running") -> Any:
        def look() -> bool:
            return any(
                each["id"] == step and each["status"] == status for each in user.get_workflow(run)["steps"]
            )

        return user.eventually(look, within=60)

    is_at("go")
    user.http.post(f"/v1/workflows/{run}/signals/go", json={"by": "ann"}).raise_for_status()
    is_at("slow")
    file, under_way = tmp_path / "run.jsonl", tmp_path / "under_way.jsonl"
    assert filemill(stack, "history", run, "--output", under_way).returncode == 0
    user.http.post(f"/v1/workflows/{run}/cancel").raise_for_status()
    shown = user.ended_workflow(run)
    assert filemill(stack, "history", run, "--output", file).returncode == 0

    whole, half = filemill(stack, "replay", file), filemill(stack, "replay", under_way)

    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.endswith(" events, as they were recorded, and all stands as it did\n")
    assert (half.returncode, half.stderr) == (0, "")
    played = replay(read(file.read_text().splitlines()))
    assert {step["id"]: step["status"] for step in shown["steps"]} == {
        task.step_id: str(task.status)
        for task in played.tasks()
        if task.workflow_id == run and task.item is None
    }
    assert (played.task("flaky").retry_count, str(played.task("none").status)) == (1, "skipped")
    assert "password" not in file.read_text()
    assert "secret" not in file.read_text()

    table = filemill(stack, "history", run).stdout
    assert "flaky: ready -> retrying (flaky)" in table
    child = next(step["child"] for step in shown["steps"] if step["id"] == "inner")
    its_own = user.http.get(f"/v1/workflows/{child}/history").json()["items"]
    assert [item["event"] for item in its_own] == ["Check", "AttemptSucceeded"]


def test_a_tampered_export_says_where_it_differs(stack: Stack, user: User, tmp_path: Path) -> None:
    steps = [{"id": "a", "task": "echo"}, {"id": "b", "task": "echo", "depends_on": ["a"]}]
    run = user.workflow({"name": "two", "steps": steps})
    user.ended_workflow(run)
    file = tmp_path / "run.jsonl"
    filemill(stack, "history", run, "--output", file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    [place] = [
        place
        for place, line in enumerate(lines)
        if line.get("event") == "AttemptSucceeded" and line["step"] == "a"
    ]
    lines[place]["changes"] = [each for each in lines[place]["changes"] if each["step"] == "a"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    played = filemill(stack, "replay", file)

    assert played.returncode == 1
    assert f"event {place}, AttemptSucceeded: decided" in played.stderr
    assert "b: pending -> ready" in played.stderr.partition("; recorded")[0]


def test_a_deleted_run_has_no_history_any_more(user: User) -> None:
    run = user.workflow({"name": "one", "steps": [{"id": "a", "task": "echo"}]})
    user.ended_workflow(run)
    assert user.http.get(f"/v1/workflows/{run}/history").json()["items"]

    user.http.delete(f"/v1/workflows/{run}").raise_for_status()

    def gone() -> bool:
        answers = [user.http.get(f"/v1/workflows/{run}/history{each}") for each in ("", "/export")]
        return {answer.status_code for answer in answers} == {404}

    assert user.eventually(gone, within=20)
