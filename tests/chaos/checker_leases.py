"""The rules about leases and offers: no worker that was well counts as lost, and no offer gets lost."""

from collections import defaultdict
from itertools import pairwise
from typing import Final

from tests.chaos.checker_facts import Facts, Findings, Json, pairs

LEASE: Final = 20.0
"""Seconds that a worker may be silent."""

_STILL: Final = 5.0
"""Seconds without a sign of life after which a process counts as frozen: it gives one each second."""

_RECOVERY: Final = 25.0
"""Seconds that a worker may need after a cut to notice it, connect and be heard of."""

CUTS: Final = frozenset({"cut", "silence", "delay"})
"""Faults that keep a worker which lives from being heard, if they are aimed at its line."""


def healthy_leases(facts: Facts) -> Findings:
    """No lease of a worker that was well has lapsed."""
    beats = _beats(facts)
    executions: dict[tuple[str, int], list[Json]] = defaultdict(list)
    for line in facts.said("began"):
        executions[line["task_id"], line["attempt"]].append(line)
    for identity, versions in facts.histories("task").items():
        for before, now in pairs(versions):
            if (now.get("losses") or 0) <= (before.get("losses") or 0):
                continue
            lost = now["at"]
            # Who took over less than a lease ago may have been heard of behind the look that found it silent.
            well = [
                each["worker"]
                for each in executions[identity, before.get("attempt") or 1]
                if each["at"] <= lost - LEASE
                and not _gave_up(facts, each["execution"], before, lost)
                and _was_well(facts, beats[each["by"]], lost - LEASE, lost)
            ]
            yield f"task {identity} was taken from {', '.join(well)}, which was well" if well else None
    # A long task that kept its lease to its end is a case too.
    for ended in facts.said("ended"):
        if (
            ended["outcome"] == "succeeded"
            and _length(executions[ended["task_id"], ended["attempt"]], ended) > 5
        ):
            yield None


def offers_taken(facts: Facts) -> Findings:
    """No ready task had to be offered again because nobody had been told of it."""
    beats = _beats(facts)
    for identity, versions in facts.histories("task").items():
        for before, now in pairs(versions):
            if not before.get("status") == now.get("status") == "ready":
                continue
            if before.get("attempt") != now.get("attempt") or before.get("ready_at") == now.get("ready_at"):
                continue
            since = before["at"]
            held = [
                by
                for by, times in beats.items()
                if by.startswith("worker") and _stood_still(times, since, now["at"])
            ]
            fine = held or _cut(facts, since, now["at"])
            yield (
                None
                if fine
                else f"task {identity} was ready and offered to nobody from version {before['version']}"
            )
        if versions and any(version.get("status") == "ready" for version in versions):
            yield None


def _beats(facts: Facts) -> dict[str, list[float]]:
    beats: dict[str, list[float]] = defaultdict(list)
    for line in facts.said("alive"):
        beats[line["by"]].append(line["at"])
    return beats


def _was_well(facts: Facts, beats: list[float], since: float, until: float) -> bool:
    """Tell whether a process lived, turned and could be heard all the time."""
    lived = bool(beats) and beats[0] - 2 <= since and beats[-1] + 2 >= until
    return lived and not _stood_still(beats, since, until) and not _cut(facts, since, until)


def _gave_up(facts: Facts, execution: str, task: Json, until: float) -> bool:
    """Tell whether an execution failed beside the one that counts: its failure changes nothing, and the other
    one's worker may be dead.
    """
    ended = facts.executions.get(execution, {})
    failed = ended.get("outcome") == "failed" and ended["at"] <= until
    return failed and task.get("execution") not in {None, execution}


def _stood_still(beats: list[float], since: float, until: float) -> bool:
    return any(
        after - before > _STILL and before < until and after > since for before, after in pairwise(beats)
    )


def _cut(facts: Facts, since: float, until: float) -> bool:
    return any(
        line["name"] in CUTS
        and "worker" in line["target"]
        and line["at"] < until
        and line["at"] + (line.get("seconds") or 0) + _RECOVERY > since
        for line in facts.said("fault")
    )


def _length(began: list[Json], ended: Json) -> float:
    starts = [each["at"] for each in began if each["execution"] == ended["execution"]]
    return float(ended["at"] - min(starts, default=ended["at"]))
