"""Short words for definitions, and for what a scene has come to."""

from typing import Any

from filemill_common.events import Event, EventRejected, JsonObject, TaskReady
from filemill_common.language.words import TriggerRule
from filemill_scheduler.testing import Scene

SUCCEEDED, FAILED, SKIPPED = "succeeded", "failed", "skipped"


def step(step_id: str, *depends_on: str, rule: TriggerRule | None = None, **said: Any) -> JsonObject:
    """Say an ``echo`` step that depends on others; ``if_`` and ``with_`` are ``if`` and ``with``."""
    return placed({"id": step_id, "task": "echo"}, depends_on, rule, said)


def condition(
    step_id: str, *depends_on: str, default: list[str] | None = None, cases: dict[str, list[str]], **said: Any
) -> JsonObject:
    """Say a condition; ``cases`` gives what each expression chooses."""
    listed = [{"when": when, "then": then} for when, then in cases.items()]
    return placed(
        {"id": step_id, "type": "condition", "cases": listed, "default": default or []},
        depends_on,
        None,
        said,
    )


def parallel(step_id: str, *depends_on: str, **said: Any) -> JsonObject:
    """Say a parallel; what is a list is a branch of it."""
    branches = {name: value for name, value in said.items() if isinstance(value, list)}
    rest = {name: value for name, value in said.items() if name not in branches}
    return placed({"id": step_id, "type": "parallel", "branches": branches}, depends_on, None, rest)


def each(step_id: str, *depends_on: str, items: Any = "input.items", **said: Any) -> JsonObject:
    """Say a map, with an ``echo`` for each item unless told otherwise."""
    return placed(
        {"id": step_id, "type": "map", "items": items, "step": {"task": "echo"}}, depends_on, None, said
    )


def wait(step_id: str, *depends_on: str, **said: Any) -> JsonObject:
    """Say a wait."""
    return placed({"id": step_id, "type": "wait"}, depends_on, None, said)


def subworkflow(step_id: str, *depends_on: str, workflow: str = "sub@1", **said: Any) -> JsonObject:
    """Say a subworkflow."""
    return placed({"id": step_id, "type": "subworkflow", "workflow": workflow}, depends_on, None, said)


def last(*steps: JsonObject) -> dict[str, Any]:
    """Say the steps under ``finally``."""
    return {"finally": list(steps)}


def placed(said: JsonObject, depends_on: tuple[str, ...], rule: str | None, more: JsonObject) -> JsonObject:
    """Put what is said of all steps to what is said of one."""
    named = {name.removesuffix("_"): value for name, value in more.items()}
    waits: JsonObject = {"depends_on": list(depends_on)} if depends_on else {}
    return {**said, **waits, **({"trigger_rule": rule} if rule else {}), **named}


def ready(scene: Scene) -> list[str]:
    """Name the steps that the last decision hands to workers."""
    return [name_of(scene, event.task_id) for event in scene.last.owed if isinstance(event, TaskReady)]


def name_of(scene: Scene, task_id: str) -> str:
    """Name a task by its step, if it is one."""
    return scene.state.tasks[task_id].step_id or task_id


def kinds(scene: Scene) -> list[str]:
    """Name the events that the last decision owes and that must not be lost."""
    return [type(event).__name__ for event in scene.last.durable]


def told(scene: Scene, kind: type[Event]) -> int:
    """Count the events of a kind that the last decision owes."""
    return sum(isinstance(event, kind) for event in scene.last.owed)


def bring(scene: Scene, name: str, how: str) -> None:
    """Let a step end in a way."""
    scene.play(scene.succeeded(name) if how == SUCCEEDED else scene.failed(name))


def why(scene: Scene, name: str) -> str:
    """Tell how a step has ended, and why if it was skipped or failed."""
    task = scene.task(name)
    reason = task.reason or (task.error.code if task.error else None)
    return f"{task.status}: {reason}" if reason else str(task.status)


def rerun(scene: Scene, **arguments: Any) -> None:
    scene.play(scene.run_command("run", "rerun", **arguments))


def ended(scene: Scene, outcomes: dict[str, str], *steps: JsonObject, **said: Any) -> None:
    """A run of which each step has ended as it is told."""
    scene.define(steps=list(steps), **said)
    for name, how in outcomes.items():
        bring(scene, name, how)
    assert not scene.run().is_open


def attempts(scene: Scene, *names: str) -> list[int]:
    return [scene.task(name).attempt for name in names]


def assert_refused(scene: Scene) -> None:
    assert [event.code for event in scene.last.owed if isinstance(event, EventRejected)] == [
        "command_not_applicable"
    ]
    assert not scene.run().is_open
