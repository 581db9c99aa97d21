"""Random workflows, what their tasks will come to, and what that makes of them by the semantics.

The oracle is written to be obvious and not to be fast, and knows nothing of the scheduler.
"""

from dataclasses import dataclass, field
from typing import Any, get_args

from hypothesis import strategies as st

from filemill_common.events import JsonObject
from filemill_common.language.words import TriggerRule

RULES = get_args(TriggerRule)
EARLY = frozenset({"always", "one_success", "one_failed"})
"""Rules that may let a step begin before all that it depends on has ended."""
PLANS = (("ok",), ("fail",), ("retry", "ok"), ("release", "ok"), ("lost", "ok"), ("retry", "lost", "fail"))
"""What becomes of the attempts of a task; of any further one, what became of the last."""
MOST_STEPS = 14


@dataclass
class Workflow:
    """A definition, and what will happen when it runs.

    Attributes:
        plans: What becomes of the attempts of each task; the path of one in a run within a run has a ``/``.
        timed_out: Waits for signals that never come.
    """

    definition: JsonObject
    subworkflows: JsonObject = field(default_factory=dict)
    plans: dict[str, tuple[str, ...]] = field(default_factory=dict)
    timed_out: set[str] = field(default_factory=set)

    def plan(self, path: str) -> tuple[str, ...]:
        """Give what becomes of a task's attempts."""
        return self.plans.get(path, ("ok",))


class _Maker:
    def __init__(self, draw: st.DrawFn, policies: tuple[str, ...]) -> None:
        self.draw = draw
        self.policies = policies
        self.made = Workflow({})
        self.count = 0
        self.before: list[str] = []
        """Steps that those to come may depend on."""

    def one_of(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def chance(self, of: int) -> bool:
        return bool(self.draw(st.integers(0, of - 1)) == of - 1)

    def steps(self, depth: int, *, at_least: int, in_finally: bool = False) -> list[JsonObject]:
        found: list[JsonObject] = []
        choosing: list[tuple[JsonObject, list[str]]] = []
        for _ in range(self.draw(st.integers(at_least, 5 if depth == 0 else 3))):
            if self.count >= MOST_STEPS:
                break
            found.append(said := self.step(depth, in_finally))
            for _, later in choosing:
                later.append(said["id"])
            if said["type"] == "condition":
                choosing.append((said, []))
        for condition, later in choosing:
            named = [name for name in later if self.chance(2)]
            for case in condition["cases"]:
                case["then"] = [name for name in named if self.chance(2)]
            condition["default"] = [name for name in named if self.chance(2)]
        return found

    def step(self, depth: int, in_finally: bool) -> JsonObject:
        name = f"s{self.count}"
        self.count += 1
        kinds = (
            ["task"] * 4
            + ["condition", "map", "wait", "subworkflow"]
            + ["parallel"] * (2 if depth < 3 else 0)
        )
        kind = self.one_of(*kinds)
        depends_on = (
            self.draw(st.lists(st.sampled_from(self.before), max_size=3, unique=True)) if self.before else []
        )
        said: JsonObject = {"id": name, "type": kind, "depends_on": depends_on}
        said["trigger_rule"] = self.one_of("all_success", *RULES)
        said["allow_failure"] = self.chance(4)
        ifs = ["true", "false", "input.nothing"]
        if depends_on and said["trigger_rule"] not in EARLY:
            ifs.append(f"steps.{depends_on[0]}.status == 'completed'")
        if in_finally:
            ifs.append("run.status == 'completed'")
        if self.chance(5):
            said["if"] = self.one_of(*ifs)
        said |= getattr(self, f"_{kind}")(name, depth, in_finally)
        self.before.append(name)
        return said

    def _task(self, path: str, *_: object) -> JsonObject:
        self.made.plans[path] = self.one_of(("ok",), *PLANS)
        return {"task": "echo"}

    def _condition(self, *_: object) -> JsonObject:
        whens = [self.one_of("true", "false", "false", "input.nothing") for _ in range(self.one_of(1, 2))]
        return {"cases": [{"when": when} for when in whens]}

    def _parallel(self, _: str, depth: int, in_finally: bool) -> JsonObject:
        names = "lr"[: self.one_of(1, 2)]
        branches = {name: self.steps(depth + 1, at_least=0, in_finally=in_finally) for name in names}
        return {"branches": branches, "failure_policy": self.one_of(*self.policies)}

    def _wait(self, name: str, *_: object) -> JsonObject:
        if self.chance(2):
            return {"duration": self.one_of(0, 5)}
        if self.chance(3):
            self.made.timed_out.add(name)
        return {"signal": name, "timeout": 60, "on_timeout": self.one_of("fail", "complete", "skip")}

    def _subworkflow(self, path: str, *_: object) -> JsonObject:
        for inner in ("q", "r"):
            self.made.plans[f"{path}/{inner}"] = self.one_of(("ok",), *PLANS)
        return {"workflow": self.one_of("chain@1", "side@1")}

    def _map(self, path: str, depth: int, in_finally: bool) -> JsonObject:
        kind = self.one_of("task", "task", "task", "subworkflow", "map" if path.count("[") < 1 else "task")
        total = self.draw(st.integers(0, 4))
        said: JsonObject = {"type": kind, "allow_failure": self.chance(6)}
        if self.chance(4):
            said["if"] = "size(string(item)) != 1"
        inner: JsonObject = {}
        rows: list[Any] = []
        for index in range(total):
            inner = getattr(self, f"_{kind}")(f"{path}[{index}]", depth, in_finally)
            rows.append(inner.get("items", self.one_of(1, 10)))
        said |= inner or {"type": "task", "task": "echo"}
        if kind == "map":
            said |= {"items": "item"} if rows else {}
            said.pop("if", None)
        return {
            "items": rows,
            "step": said,
            "tolerated_failures": self.one_of(0, 0, 1, 2),
            **({"max_concurrency": self.one_of(1, 2)} if self.chance(2) else {}),
        }


CHAIN: JsonObject = {
    "name": "chain",
    "failure_policy": "continue",
    "steps": [
        {"id": "q", "task": "echo"},
        {"id": "r", "task": "echo", "depends_on": ["q"], "trigger_rule": "all_done"},
    ],
}
SIDE: JsonObject = {
    "name": "side",
    "failure_policy": "continue",
    "steps": [
        {
            "id": "p",
            "type": "parallel",
            "branches": {"b": [{"id": "q", "task": "echo", "allow_failure": True}]},
        }
    ],
    "finally": [{"id": "r", "task": "echo"}],
}


@st.composite
def workflows(draw: st.DrawFn, *, policies: tuple[str, ...]) -> Workflow:
    """Definitions of all kinds of steps, however they lie in each other, and what their tasks come to."""
    maker = _Maker(draw, policies)
    steps = maker.steps(0, at_least=1)
    maker.before = []
    last = maker.steps(0, at_least=1, in_finally=True) if maker.chance(2) else []
    maker.made.definition = {
        "name": "run",
        "failure_policy": maker.one_of(*policies),
        "steps": steps,
        **({"finally": last} if last else {}),
    }
    maker.made.subworkflows = {"chain@1": CHAIN, "side@1": SIDE}
    return maker.made


@dataclass(frozen=True)
class End:
    """What a step comes to."""

    status: str
    reason: str | None = None
    chosen: tuple[str, ...] = ()
    began: bool = True

    @property
    def counts_as(self) -> str:
        """How a trigger rule reads it: succeeded, failed, or skipped."""
        if self.status == "completed":
            return "s"
        return (
            "-" if self.status == "skipped" and self.reason not in {"upstream_failed", "run_failed"} else "f"
        )


def allows(rule: str, ends: list[str | None]) -> bool:
    """Whether a rule lets a step begin after what came to ``s``, ``f`` or ``-``; None has not ended."""
    if not ends:
        return True
    ended = None not in ends
    return {
        "always": True,
        "all_done": ended,
        "all_success": all(end == "s" for end in ends),
        "all_failed": all(end == "f" for end in ends),
        "one_success": "s" in ends,
        "one_failed": "f" in ends,
        "none_failed": ended and "f" not in ends,
        "none_failed_min_one_success": ended and "f" not in ends and "s" in ends,
        "none_skipped": ended and "-" not in ends,
    }[rule]


_WANTS_SUCCESS = frozenset({"all_success", "one_success", "none_failed", "none_failed_min_one_success"})


class Oracle:
    """What a workflow comes to where every failure policy is ``continue``."""

    def __init__(self, workflow: Workflow, definition: JsonObject | None = None, within: str = "") -> None:
        self.workflow = workflow
        self.within = within
        self.ends: dict[str, End] = {}
        said = definition or workflow.definition
        self.status = "running"
        self._list(said["steps"], None)
        self.status = self._outcome(said["steps"])
        self._list(said.get("finally", []), None)
        if self.status == "completed":
            self.status = self._outcome(said.get("finally", []))

    def _outcome(self, steps: list[JsonObject]) -> str:
        return "failed" if any(self._is_failure(said) for said in steps) else "completed"

    def _is_failure(self, said: JsonObject) -> bool:
        return self.ends[said["id"]].status == "failed" and not said.get("allow_failure", False)

    def _list(self, steps: list[JsonObject], around: End | None) -> None:
        named: dict[str, list[str]] = {}
        for said in steps:
            for case in [*said.get("cases", []), {"then": said.get("default", [])}]:
                for name in case["then"]:
                    if said["id"] not in named.setdefault(name, []):
                        named[name].append(said["id"])
        for said in steps:
            end = self._end(said, around, named.get(said["id"], []))
            self.ends[said["id"]] = end
            if said.get("type") == "parallel":
                inside = [one for branch in said["branches"].values() for one in branch]
                for branch in said["branches"].values():
                    self._list(branch, end)
                if end.status == "completed" and any(self._is_failure(one) for one in inside):
                    self.ends[said["id"]] = End("failed")

    def _end(self, said: JsonObject, around: End | None, named_by: list[str]) -> End:
        if around is not None and not around.began:
            if around.status == "failed":
                return End("skipped", "run_failed", began=False)
            reason = "upstream_skipped" if around.reason == "condition" else around.reason
            return End("skipped", reason, began=False)
        for name in named_by:
            choice = self.ends[name]
            if choice.status == "completed" and said["id"] not in choice.chosen:
                return End("skipped", "condition", began=False)
        waits = dict.fromkeys([*said.get("depends_on", []), *named_by])
        ends: list[str | None] = [self.ends[name].counts_as for name in waits]
        rule = said.get("trigger_rule", "all_success")
        if not allows(rule, ends):
            because = "upstream_failed" if rule in _WANTS_SUCCESS and "f" in ends else "upstream_skipped"
            return End("skipped", because, began=False)
        return self.begun(said, said["id"])

    def begun(self, said: JsonObject, path: str, item: Any = None) -> End:
        """Tell what a step comes to whose rule lets it begin."""
        match said.get("if", "true"):
            case "true":
                pass
            case "false":
                return End("skipped", "condition", began=False)
            case "input.nothing":
                return End("failed", began=False)
            case "run.status == 'completed'" if self.status != "completed":
                return End("skipped", "condition", began=False)
            case "size(string(item)) != 1" if len(str(item)) == 1:
                return End("skipped", "condition", began=False)
            case str(text) if text.startswith("steps."):
                if self.ends[text.split(".")[1]].status != "completed":
                    return End("skipped", "condition", began=False)
            case _:
                pass
        return self._comes_to(said, path, item)

    def _comes_to(self, said: JsonObject, path: str, item: Any) -> End:
        match said.get("type", "task"):
            case "task":
                ok = self.workflow.plan(self.within + path)[-1] == "ok"
                return End("completed" if ok else "failed")
            case "condition":
                for case in said["cases"]:
                    if case["when"] == "input.nothing":
                        return End("failed")
                    if case["when"] == "true":
                        return End("completed", chosen=tuple(case["then"]))
                return End("completed", chosen=tuple(said["default"]))
            case "wait" if path in self.workflow.timed_out:
                return {
                    "fail": End("failed"),
                    "complete": End("completed"),
                    "skip": End("skipped", "condition"),
                }[said["on_timeout"]]
            case "subworkflow":
                template = self.workflow.subworkflows[said["workflow"]]
                return End(Oracle(self.workflow, template, f"{self.within}{path}/").status)
            case "map":
                rows = item if said["items"] == "item" else said["items"]
                ends = [self.begun(said["step"], f"{path}[{index}]", row) for index, row in enumerate(rows)]
                failed = sum(end.status == "failed" for end in ends if not said["step"]["allow_failure"])
                return End("failed" if failed > said["tolerated_failures"] else "completed")
            case _:
                return End("completed")
