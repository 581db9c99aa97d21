"""Definitions of random shapes: steps of every kind, in each other, with all that a step can say."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from tests.simulation.clock import BEGIN
from tests.simulation.world import Luck

Document = dict[str, Any]
Work = Callable[[Luck, str], tuple[str, Document]]
"""Chooses the type of a task, and its options."""

SIGNALS: Final = ("go", "stop")
FITTING: Final[Document] = {"ok": True}
"""What may come with every signal."""

TRUE: Final = ("true", "input.yes")
FALSE: Final = ("false", "${{ input.no }}")

_RULES: Final = (
    "all_done",
    "all_failed",
    "one_success",
    "one_failed",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "always",
)
_DEEPEST: Final = 3


def given(luck: Luck) -> Document:
    """Draw the input of a run: what the expressions of its steps may use."""
    return {"yes": True, "no": False, "list": [*range(luck.choice((0, 1, 2, 3, 5)))]}


def rich(luck: Luck, name: str, work: Work, templates: Mapping[str, Document]) -> Document:
    """Draw a definition of steps of every kind.

    Args:
        luck: Decides.
        name: Of the definition.
        work: Chooses what tasks do.
        templates: What subworkflows may name.
    """
    draft = _Draft(luck, work, tuple(templates))
    steps = draft.steps(luck.randint(1, 5), [], depth=0)
    draft.names = [f"f{number}" for number in range(30)]
    last = draft.steps(luck.randint(1, 2), [], depth=1) if luck.chance(0.5) else []
    policy = luck.choice(("fail_fast", "fail_fast", "drain", "continue"))
    return {"name": name, "failure_policy": policy, "steps": steps, "finally": last}


class _Draft:
    """A definition being drawn; a step waits only for earlier ones, so nothing waits in a circle."""

    def __init__(self, luck: Luck, work: Work, templates: tuple[str, ...]) -> None:
        self._luck = luck
        self._work = work
        self._templates = templates
        self.names = [f"s{number}" for number in range(60)]

    def steps(self, number: int, before: list[str], *, depth: int) -> list[Document]:
        """Draw a list of steps; they may wait for those before the list and for earlier ones in it."""
        luck = self._luck
        made: list[Document] = []
        known = list(before)
        for _ in range(number):
            step = self._step(known, depth=depth)
            made.append(step)
            known += _ids(step)
        for place, step in enumerate(made):
            if step["type"] == "condition":
                later = [each["id"] for each in made[place + 1 :]]
                step["cases"] = [
                    {"when": self._truth(step["depends_on"]), "then": self._some(later)}
                    for _ in range(luck.randint(1, 2))
                ]
                step["default"] = self._some(later)
        return made

    def _some(self, names: list[str]) -> list[str]:
        return sorted(self._luck.sample(names, min(len(names), self._luck.choice((0, 1, 1, 2)))))

    def _truth(self, needed: list[str]) -> str:
        """Draw a condition; one in a while fails."""
        luck = self._luck
        if needed and luck.chance(0.4):
            status = luck.choice(("completed", "failed"))
            return f"steps.{luck.choice(needed)}.status == '{status}'"
        if luck.chance(0.05):
            return luck.choice(("input.nothing.at.all", "input.list"))
        return luck.choice(TRUE + FALSE)

    def _step(self, known: list[str], *, depth: int) -> Document:
        luck = self._luck
        needed = sorted(luck.sample(known, min(len(known), luck.choice((0, 1, 1, 1, 2, 3)))))
        step: Document = {"id": self.names.pop(0), "depends_on": needed}
        if needed and luck.chance(0.45):
            step["trigger_rule"] = luck.choice(_RULES)
        kinds: tuple[str, ...] = ("task",) * 6 + ("condition", "map", "map", "wait", "wait")
        kinds += ("subworkflow",) * 2 * bool(self._templates) + ("parallel", "parallel") * (depth < _DEEPEST)
        kind = luck.choice(kinds)
        if kind == "parallel":
            inside = list(known)
            branches: dict[str, list[Document]] = {}
            for name in ("one", "two", "three")[: luck.randint(1, 3)]:
                branches[name] = self.steps(luck.choice((0, 1, 1, 2, 3)), inside, depth=depth + 1)
                inside += [each for step in branches[name] for each in _ids(step)]
            policy = luck.choice(("fail_fast", "drain", "continue"))
            return step | {"type": kind, "branches": branches, "failure_policy": policy} | self._said(step)
        if kind == "condition":
            return step | {"type": kind} | self._said(step)
        return step | self._item(kind, step["id"], depth=depth) | self._said(step)

    def _said(self, step: Document) -> Document:
        """Draw what every step may say."""
        luck = self._luck
        said: Document = {}
        if luck.chance(0.12):
            said["if"] = self._truth(step["depends_on"])
        if luck.chance(0.15):
            said["allow_failure"] = True
        return said

    def _item(self, kind: str, name: str, *, depth: int) -> Document:
        """Draw a step without its place: of a list, or of a map."""
        luck = self._luck
        late = {"timeout": luck.choice((2, 6))} if luck.chance(0.12) else {}
        match kind:
            case "map":
                inner = ("task",) * 4 + ("wait",) + ("map",) * (depth < _DEEPEST)
                inner += ("subworkflow",) * bool(self._templates)
                said: Document = {
                    "items": luck.choice(("input.list", "${{ input.list }}", [1, 2, 3], "[[1], [2, 3]]")),
                    "step": self._item(luck.choice(inner), name, depth=depth + 1),
                    "tolerated_failures": luck.choice((0, 0, 1, 5)),
                }
                at_once = {"max_concurrency": luck.choice((1, 2))} if luck.chance(0.6) else {}
                return {"type": kind} | said | at_once | late
            case "wait":
                return {"type": kind} | self._wait()
            case "subworkflow":
                return {"type": kind, "workflow": luck.choice(self._templates), "with": given(luck)} | late
            case _:
                task, values = self._work(luck, name)
                kept = {key: value for key, value in values.items() if value is not None}
                if depth and kept.get("seconds", 0) > 3:
                    kept["seconds"] = 3.0  # there may be many of them, one after the other
                retry = {"max_retries": luck.choice((0, 1, 2)), "retry_delay": luck.choice((0, 1, 4))}
                return {"type": "task", "task": task, "with": kept, "retry": retry} | late

    def _wait(self) -> Document:
        luck = self._luck
        match luck.randrange(5):
            case 0 | 1:
                return {"duration": luck.choice((0, 0.5, 2, "6s", "${{ 1 + 1 }}"))}
            case 2:
                return {"until": (BEGIN + timedelta(seconds=luck.randint(0, 12))).isoformat()}
            case _:
                name = luck.choice(SIGNALS)
                schema = {"required": ["ok"]} if luck.chance(0.3) else None
                signal = {"name": name, "schema": schema} if schema else name
                timeout = {"timeout": luck.choice((2, 9))} if luck.chance(0.5) else {}
                return {"signal": signal, "on_timeout": luck.choice(("fail", "complete", "skip"))} | timeout


def _ids(step: Document) -> list[str]:
    """Name a step and all that lies in it."""
    steps = [inner for branch in step.get("branches", {}).values() for inner in branch]
    return [step["id"], *(each for inner in steps for each in _ids(inner))]
