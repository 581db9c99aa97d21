"""The rules about kinds of steps and about what steers a run: what waits, what holds, what goes on."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tests.chaos.checker_facts import FINAL, Facts, Findings, Json, is_deleted, is_final, pairs
from tests.chaos.journal import Line

_UNDER_WAY: Final = frozenset({"ready", "running", "retrying"})
_BEGUN: Final = _UNDER_WAY | {"completed"}
_FAILED_BEFORE: Final = frozenset({"upstream_failed", "run_failed"})
_ON_ITS_WAY: Final = 60.0
"""Seconds that an accepted command may take to be applied while servers are away."""
_APART: Final = 0.05
"""Seconds by which the clocks of a witness and of the store's log may differ."""


def dependents_wait(facts: Facts) -> Findings:
    """No step began before its trigger rule and the conditions that name it allowed, and no task unasked."""
    for identity, now in _beginnings(facts):
        named = now.get("depends_on") or ()
        if now.get("workflow_id"):
            found = [_came_to(facts.was("task", each, now["at"])) for each in named]
        else:  # told once how each ended, whatever a rerun makes of it afterwards
            found = ["success" if _completed(facts, each, now["at"]) else "open" for each in named]
        rule = now.get("trigger_rule", "all_success")
        barred = [each for each in named if _is_barred(now, facts.was("task", each, now["at"]))]
        if not _allows(rule, found):
            yield f"task {identity} began by {rule} after {found}"
        else:
            yield f"task {identity} began though {', '.join(barred)} did not choose it" if barred else None
    for line in facts.said("began"):
        versions = facts.versions("task", line["task_id"])
        asked = any(
            (each.get("attempt") or 1) >= line["attempt"] and each["at"] <= line["at"] + _APART
            for each in versions
            if each.get("status") in _BEGUN | FINAL
        )
        yield None if asked else f"task {line['task_id']} began before it was ready"


def _beginnings(facts: Facts) -> Iterator[tuple[str, Json]]:
    for identity, versions in facts.histories("task").items():
        for before, now in pairs(versions):
            if before.get("status") not in _BEGUN | {"failed"} and now.get("status") in _BEGUN:
                yield identity, now


def _came_to(task: Json | None) -> str:
    status = (task or {}).get("status")
    if status == "completed":
        return "success"
    if status == "skipped":
        return "failure" if (task or {}).get("reason") in _FAILED_BEFORE else "skip"
    return "failure" if status in FINAL else "open"


def _completed(facts: Facts, identity: str, moment: float) -> bool:
    return any(
        each.get("status") == "completed" and each["at"] <= moment
        for each in facts.versions("task", identity)
    )


def _allows(rule: str, found: Sequence[str]) -> bool:
    if not found or rule == "always":
        return True
    if rule in {"one_success", "one_failed"}:
        return ("success" if rule == "one_success" else "failure") in found
    kinds = set(found)
    allowed = {
        "all_success": {"success"},
        "all_failed": {"failure"},
        "all_done": {"success", "failure", "skip"},
        "none_failed": {"success", "skip"},
        "none_failed_min_one_success": {"success", "skip"},
        "none_skipped": {"success", "failure"},
    }[rule]
    return kinds <= allowed and (rule != "none_failed_min_one_success" or "success" in kinds)


def _is_barred(step: Json, condition: Json | None) -> bool:
    """Tell whether a condition names a step, and has not chosen it."""
    if condition is None or condition.get("kind") != "condition":
        return False
    if step["step_id"] not in json.loads(condition["spec"])["named"]:
        return False
    if condition.get("status") != "completed":
        return condition.get("status") not in FINAL
    return step["step_id"] not in json.loads(condition["output"])["chosen"]


def holders_end_last(facts: Facts) -> Findings:
    """A parallel or map runs as long as something in it is open, and no longer."""
    for run, steps in facts.steps.items():
        inside: dict[str, list[str]] = defaultdict(list)
        for identity in steps.values():
            if parent := _any(facts.versions("task", identity), "parent"):
                inside[str(parent)].append(identity)
        for name, identities in inside.items():
            for before, now in pairs(facts.versions("task", steps[name])):
                if before.get("status") == "running" and now.get("status") in FINAL:
                    lies = [facts.was("task", each, now["at"]) for each in identities]
                    left = [
                        str(each["step_id"]) for each in lies if each and each.get("status") in _UNDER_WAY
                    ]
                    yield f"{name} of {run} ended before {', '.join(left)}" if left else None


def few_at_once(facts: Facts) -> Findings:
    """No more items of a map were under way than may be."""
    for run, steps in facts.steps.items():
        for name, identity in steps.items():
            last = facts.versions("task", identity)[-1]
            if last.get("kind") == "map" and (most := json.loads(last["spec"]).get("max_concurrency")):
                items = [steps[each] for each in steps if each.rpartition("[")[0] == name]
                peak = _peak(facts, items)
                yield f"{peak} items of {name} of {run} were under way, not {most}" if peak > most else None


def _peak(facts: Facts, items: Sequence[str]) -> int:
    """Count how many of some tasks were under way at most."""
    written = sorted(
        (each["at"], identity, each.get("status") in _UNDER_WAY)
        for identity in items
        for each in facts.versions("task", identity)
    )
    under_way: set[str] = set()
    peak = 0
    for place, (moment, identity, is_under_way) in enumerate(written):
        (under_way.add if is_under_way else under_way.discard)(identity)
        if place + 1 == len(written) or written[place + 1][0] > moment:
            peak = max(peak, len(under_way))
    return peak


def maps_say_all(facts: Facts) -> Findings:
    """What a map says is what its items came to, in their order."""
    for ending in facts.endings:
        version = ending.version
        output = facts.output(version) if ending.kind == "task" else {}
        if version.get("kind") != "map" or "items" not in output:
            continue
        steps = facts.steps[version["workflow_id"]]
        names = [f"{version['step_id']}[{index}]" for index in range(output["total"])]
        items = [facts.was("task", steps.get(name, ""), version["at"], shown=True) or {} for name in names]
        made = [
            {"index": index, "status": each.get("status"), "output": facts.output(each)}
            for index, each in enumerate(items)
        ]
        yield None if made == output["items"] else f"map {ending.id} says {output['items']}, made was {made}"


def finally_last(facts: Facts) -> Findings:
    """What stands under finally begins when all else has ended, once a start."""
    for run, steps in facts.steps.items():
        last = {each for each in steps.values() if _any(facts.versions("task", each), "in_finally")}
        others = [each for name, each in steps.items() if each not in last and not name.endswith("]")]
        starts = facts.starts.get(run, [])
        for identity in sorted(last):
            begins = [now["at"] for each, now in _beginnings_of(facts, identity)]
            early = [
                each for at in begins for each in others if not is_final(facts.was("task", each, at) or {})
            ]
            wrong = f"before {', '.join(early)}" if early else ""
            if len(begins) > len(starts):
                wrong = f"{len(begins)} times in {len(starts)} starts"
            yield f"{identity} under finally of {run} began {wrong}" if wrong else None


def _beginnings_of(facts: Facts, identity: str) -> Iterator[tuple[Json, Json]]:
    for before, now in pairs(facts.versions("task", identity)):
        if before.get("status") in {None, "pending"} and now.get("status") in _BEGUN:
            yield before, now


def paused_holds(facts: Facts) -> Findings:
    """Nothing began in a run while it was paused."""
    for run, steps in facts.steps.items():
        held = [
            (now["at"], later)
            for now, later in _spans(facts.versions("workflow", run))
            if now.get("held") and now.get("status") in {"paused", "pending"}
        ]
        if held:
            begun = [
                f"{name} of {run} began while that was paused"
                for name, identity in steps.items()
                for before, now in pairs(facts.versions("task", identity))
                if now.get("status") == "ready" != before.get("status")
                and any(since < now["at"] < until for since, until in held)
            ]
            yield "; ".join(begun) or None


def _spans(versions: Sequence[Json]) -> Iterator[tuple[Json, float]]:
    """Give each version, and the moment of the next one."""
    for place, version in enumerate(versions):
        yield version, versions[place + 1]["at"] if place + 1 < len(versions) else float("inf")


def _perhaps_taken(facts: Facts) -> list[Line]:
    """Give what was commanded, in order: also in vain, since an answer may be lost and its command taken."""
    said = [*facts.said("commanded"), *facts.said("commanded in vain")]
    return sorted(said, key=lambda line: float(line["at"]))


def last_said(facts: Facts) -> dict[str, set[str]]:
    """Tell which pause or resume a run may have taken last: the last accepted, or one in vain since."""
    found: dict[str, set[str]] = {}
    for line in _perhaps_taken(facts):
        identity, command = line["id"], line["command"]
        if command in {"pause", "resume"}:
            before = found.get(identity, {"resume"}) if line["what"] == "commanded in vain" else set()
            found[identity] = before | {command}
    return found


def paused_as_told(facts: Facts) -> Findings:
    """Whether a run is paused is what the last command said."""
    for identity, commands in last_said(facts).items():
        versions = facts.versions("workflow", identity)
        if not versions or is_final(versions[-1]) or is_deleted(versions[-1]):
            yield None
            continue
        held = bool(versions[-1].get("held"))
        fine = ("pause" if held else "resume") in commands
        about = f"workflow {identity} is held: {held}, the last command was {' or '.join(sorted(commands))}"
        yield None if fine else about


def reruns_open(facts: Facts) -> Findings:
    """A rerun opens its run again, if it names a step or one had failed."""
    for line in facts.said("commanded"):
        if line["command"] != "rerun":
            continue
        names = bool((line.get("body") or {}).get("step"))
        steps = facts.steps.get(line["id"], {}).values()
        failed = any(_came_to(facts.was("task", each, line["at"])) == "failure" for each in steps)
        versions = facts.versions("workflow", line["id"])
        again = len(facts.starts.get(line["id"], ())) > 1
        fine = again or not (names or failed) or (bool(versions) and is_deleted(versions[-1]))
        yield None if fine else f"workflow {line['id']} was not run again"


def children_follow(facts: Facts) -> Findings:
    """The run that stands for a step ends with it, and goes with it."""
    for identity, versions in facts.histories("workflow").items():
        parent = _any(versions, "parent_task_id")
        if parent is None:
            continue
        step = (facts.versions("task", str(parent)) or [{}])[-1]
        run = versions[-1]
        fine = is_final(run) or is_deleted(run) if is_final(step) else True
        if is_deleted(step) and step.get("item") is None:
            fine = is_deleted(run)
        about = f"workflow {identity} is {run.get('status')}, its step {parent} is {step.get('status')}"
        yield None if fine else about


def waits_give(facts: Facts) -> Findings:
    """A wait for a signal gives what was said with it, and has not timed out if something was."""
    said: dict[str, list[Json]] = defaultdict(list)
    since: dict[str, float] = {}
    for line in _perhaps_taken(facts):
        if line["command"] == "signal":
            said[line["id"]].append(line.get("body") or {})
            if line["what"] == "commanded":
                since.setdefault(line["id"], line["at"])
    for ending in facts.endings:
        version = ending.version
        is_wait = ending.kind == "task" and version.get("kind") == "wait" and ending.status == "completed"
        if not is_wait or not json.loads(version["spec"]).get("signal"):
            continue
        output, run = facts.output(version), version["workflow_id"]
        if output == {"timed_out": True}:
            is_early = version["at"] < since.get(run, float("inf")) + _ON_ITS_WAY
            yield None if is_early else f"wait {ending.id} timed out, and its signal had come"
        else:
            yield None if output in said[run] else f"wait {ending.id} gives {output}, which nobody said"


def _any(versions: Sequence[Json], name: str) -> object:
    """Give what a document ever said in a field: a tombstone has forgotten it."""
    return next((each[name] for each in versions if each.get(name) is not None), None)


SHAPE_RULES: Final[tuple[Callable[[Facts], Findings], ...]] = (
    holders_end_last,
    few_at_once,
    maps_say_all,
    finally_last,
    paused_holds,
    paused_as_told,
    reruns_open,
    children_follow,
    waits_give,
)
