"""Another run in which all went well: a map, a wait, a subworkflow, finally, a pause, a rerun."""

import json
from typing import Any, Protocol

Json = dict[str, Any]


class Told(Protocol):
    """What notes down what happened."""

    def say(self, what: str, at: float, **said: object) -> Json: ...
    def stored(self, kind: str, identity: str, at: float, /, **changes: object) -> Json: ...
    def told(self, kind: str, subject: str, outcome: str, sequence: int, **shown: object) -> Json: ...
    def ran(
        self, task: str, execution: str, began: float, ended: float, *, attempt: int = 1, **made: object
    ) -> Json: ...


def shapes(run: Told) -> None:
    """Let a run ``q`` be paused and resumed, be told what it waits for, end, and be run again from ``f``."""
    run.say("accepted", 25, kind="workflow", id="q", key="kq")
    run.stored("workflows", "q", 25, status="running", started_at=25, counts={"total": 4})
    _step(run, "m", "map", status="running", spec=json.dumps({"max_concurrency": 1}))
    _item(run, 0, status="ready", ready_at=25)
    _item(run, 1, status="pending")
    _step(run, "w", "wait", status="running", spec=json.dumps({"signal": {"name": "go"}}))
    _step(run, "s", "subworkflow", status="running", child="qc")
    run.stored("tasks", "f", 25, status="pending", workflow_id="q", step_id="f", in_finally=True)
    run.stored("workflows", "qc", 25, status="running", parent_task_id="s", counts={"total": 0})
    _command(run, 25.2, "pause", {}, status="paused", held=True)
    _command(run, 25.8, "resume", {}, status="running", held=False)
    _work(run, "m0", 26, 27)
    run.stored("tasks", "m1", 27, status="ready", ready_at=27)
    _work(run, "m1", 28, 29)
    items = [
        {"index": index, "status": "completed", "output": {"execution": f"xm{index}-1"}} for index in (0, 1)
    ]
    _ended(run, "m", 29, {"items": items, "total": 2, "failed": 0})
    _command(run, 29.5, "signal", {"by": "somebody"})
    _ended(run, "w", 30, {"by": "somebody"})
    child = run.stored("workflows", "qc", 31, status="completed", completed_at=31)
    run.told("workflow", "qc", "completed", child["version"])
    _ended(run, "s", 31, {})
    run.stored("tasks", "f", 31, status="ready", ready_at=31)
    _work(run, "f", 31.5, 32)
    _run_ended(run, 32)
    again = {"status": "running", "started_at": 34, "completed_at": None}
    _command(run, 34, "rerun", {"step": "f"}, **again, counts={"total": 4, "completed": 3})
    run.stored("tasks", "f", 34, status="pending", attempt=2, output=None, completed_at=None)
    run.stored("tasks", "f", 34.5, status="ready", ready_at=34.5)
    _work(run, "f", 35, 36, attempt=2)
    _run_ended(run, 36)


def _step(run: Told, name: str, kind: str, **said: object) -> None:
    run.stored("tasks", name, 25, workflow_id="q", step_id=name, kind=kind, **said)


def _item(run: Told, index: int, **said: object) -> None:
    place = {"workflow_id": "q", "step_id": f"m[{index}]", "parent": "m", "item": index}
    run.stored("tasks", f"m{index}", 25, **place, **said)


def _command(run: Told, at: float, command: str, body: Json, **changes: object) -> None:
    said = {"kind": "workflow", "id": "q", "command": command, "command_id": command}
    run.say("commanded", at - 0.1, **said, body=body, status=202)
    taken = ["pause", "resume", "signal", "rerun"]
    run.stored("workflows", "q", at, commands=taken[: taken.index(command) + 1], **changes)


def _work(run: Told, task: str, began: float, ended: float, *, attempt: int = 1) -> None:
    execution = f"x{task}-{attempt}"
    run.ran(task, execution, began, ended, attempt=attempt, output={"execution": execution})
    _ended(run, task, ended, {"execution": execution})


def _ended(run: Told, task: str, at: float, output: Json) -> None:
    done = run.stored("tasks", task, at, status="completed", output=json.dumps(output), completed_at=at)
    run.told("task", task, "completed", done["version"])


def _run_ended(run: Told, at: float) -> None:
    counts = {"total": 4, "completed": 4}
    done = run.stored("workflows", "q", at, status="completed", completed_at=at, counts=counts)
    run.told("workflow", "q", "completed", done["version"])
