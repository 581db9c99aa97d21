"""The rules: each is a sentence, and a look at every case that it is about."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Final

from tests.chaos.checker_facts import (
    FINAL,
    KINDS,
    Facts,
    Findings,
    Json,
    is_deleted,
    is_final,
    is_work,
    new_commands,
    pairs,
)
from tests.chaos.checker_files import files_as_accepted
from tests.chaos.checker_leases import healthy_leases, offers_taken
from tests.chaos.checker_notices import asked_notified, one_id
from tests.chaos.checker_shapes import SHAPE_RULES, dependents_wait, last_said

_ALWAYS_SENT: Final = frozenset({"retry", "rerun", "pause", "resume", "signal"})
_OWED: Final = ("scheduler.", "worker.", "notifier.")


def acknowledged_ends(facts: Facts) -> Findings:
    """Every acknowledged workflow and task ended."""
    started = {line["id"] for line in facts.said("commanded") if line["command"] == "start"}
    paused = {identity for identity, commands in last_said(facts).items() if "pause" in commands}
    for line in facts.said("accepted"):
        kind, identity = line["kind"], line["id"]
        versions = facts.versions(kind, identity)
        if not versions:
            yield f"{kind} {identity} was accepted and is not there"
            continue
        last = versions[-1]
        asleep = line.get("start") is False and identity not in started and last.get("status") == "pending"
        asleep = asleep or (identity in paused and last.get("status") == "paused")
        fine = asleep or is_final(last) or is_deleted(last)
        yield None if fine else f"{kind} {identity} is still {last.get('status')}"


def ends_once(facts: Facts) -> Findings:
    """Each task and workflow ends once, and only a retry or rerun opens it again."""
    for kind in KINDS:
        for identity, versions in facts.histories(kind).items():
            wrong = [
                f"{kind} {identity} became {now.get('status')} after it was {before['status']}"
                for before, now in pairs([each for each in versions if "version" in each])
                if is_final(before)
                and now.get("status") != before["status"]
                and not is_deleted(now)
                and not (new_commands(before, now) or facts.reran(now))
            ]
            buried = False
            for version in versions:
                # An item of a map that is done all over is gone until the map has made it anew.
                if buried and version.get("status") is not None and version.get("item") is None:
                    wrong.append(f"{kind} {identity} came back after it was deleted")
                buried = buried or is_deleted(version)
            yield "; ".join(wrong) or None


def told_once(facts: Facts) -> Findings:
    """Every end is told, and by one event alone."""
    by_fact: dict[tuple[str, int], set[str]] = defaultdict(set)
    for identity, line in facts.told.items():
        by_fact[line["subject"], line["sequence"]].add(identity)
    commands = {
        (identity, now.get("version")): len(new_commands(before, now)) + is_deleted(now) + facts.reran(now)
        for kind in KINDS
        for identity, versions in facts.histories(kind).items()
        for before, now in pairs(versions)
    }
    for ending in facts.endings:
        if ending.status == "skipped":
            continue  # told to whoever listens, and owed to nobody
        told = by_fact.pop((ending.id, ending.version["version"]), set())
        # Two commands of one batch may end it, open it again and end it anew in one version.
        allowed = 1 + commands[ending.id, ending.version["version"]]
        if not told:
            yield f"nobody was told that {ending.kind} {ending.id} is {ending.status}"
        elif len(told) > allowed:
            yield f"{ending.kind} {ending.id} was told {ending.status} by {len(told)} events"
        else:
            yield None
    for subject, sequence in by_fact:
        if not commands.get((subject, sequence)):
            yield f"an end of {subject} was told that did not happen (version {sequence})"


def no_write_lost(facts: Facts) -> Findings:
    """Versions count up one by one, and no attempt's number falls."""
    for kind in KINDS:
        for identity, versions in facts.histories(kind).items():
            known = [each for each in versions if "version" in each]
            numbers = [each["version"] for each in known]
            attempts = [each.get("attempt") or 1 for each in known]
            if numbers != list(range(1, len(numbers) + 1)):
                yield f"{kind} {identity} has the versions {numbers}"
            elif attempts != sorted(attempts):
                yield f"{kind} {identity} has the attempts {attempts}"
            else:
                yield None


def accepted_results(facts: Facts) -> Findings:
    """What a completed task says is what one execution of its open attempt made."""
    for ending in facts.endings:
        if (ending.kind, ending.status) != ("task", "completed") or not is_work(ending.version):
            continue
        yield _wrong_result(facts, ending.id, ending.version)


def _wrong_result(facts: Facts, identity: str, version: Json) -> str | None:
    output = facts.output(version)
    execution = facts.executions.get(str(output.get("execution")))
    if execution is None or execution["task_id"] != identity or execution["outcome"] != "succeeded":
        return f"task {identity} completed with what no execution of it made"
    if execution["attempt"] != version.get("attempt", 1):
        return (
            f"task {identity} took attempt {execution['attempt']} while {version.get('attempt', 1)} was open"
        )
    said = {name: output.get(name) for name in execution["output"]}
    made = execution["output"]
    return None if said == made else f"task {identity} says {said}, its execution made {made}"


def counts_recount(facts: Facts) -> Findings:
    """Stored counts equal a recount."""
    steps: dict[str, list[Json]] = defaultdict(list)
    for task in facts.tasks.values():
        if task.get("workflow_id") and task.get("item") is not None:
            continue  # items are counted by their map
        if task.get("workflow_id"):
            steps[task["workflow_id"]].append(task)
        elif task.get("status") == "completed" and task.get("depends_on"):
            yield _miscounted(task)
    for identity, run in facts.workflows.items():
        if run.get("status") is None:
            continue
        recount = Counter(task.get("status") for task in steps[identity])
        stored = {name: run["counts"].get(name, 0) for name in sorted(FINAL)}
        counted = {name: recount[name] for name in sorted(FINAL)}
        if stored != counted or run["counts"]["total"] != len(steps[identity]):
            yield f"workflow {identity} counts {run['counts']}, a recount {dict(recount)}"
        else:
            yield None
        for task in steps[identity]:
            if task.get("status") == "completed" and task.get("depends_on") and "trigger_rule" not in task:
                yield _miscounted(task)


def _miscounted(task: Json) -> str | None:
    unmet = task.get("unmet") or {}
    wanted = len(set(task["depends_on"]))
    if unmet.get("total") == unmet.get("succeeded") == wanted:
        return None
    return f"task {task['_id']} completed after {unmet} of {wanted} dependencies"


def one_per_key(facts: Facts) -> Findings:
    """One key makes one workflow or task."""
    made: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in facts.said("accepted"):
        if line.get("key"):
            made[line["kind"], line["key"]].add(line["id"])
    owners = Counter(identity for identities in made.values() for identity in identities)
    for (kind, key), identities in made.items():
        if len(identities) > 1:
            yield f"key {key} made {len(identities)} {kind}s: {', '.join(sorted(identities))}"
        else:
            [identity] = identities
            yield f"{kind} {identity} was made by {owners[identity]} keys" if owners[identity] > 1 else None


def commands_once(facts: Facts) -> Findings:
    """No accepted command was dropped or applied twice."""
    commanded: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for line in facts.said("commanded"):
        commanded[line["kind"], line["id"]].append(line)
    for (kind, identity), lines in commanded.items():
        versions = facts.versions(kind, identity)
        taken: set[str] = set()
        twice = False
        for before, now in pairs(versions):
            new = new_commands(before, now)
            twice |= bool(new & taken) or len(set(now.get("commands") or ())) != len(
                now.get("commands") or ()
            )
            taken |= new
        deleted = bool(versions) and (is_deleted(versions[-1]) or "version" not in versions[-1])
        if twice:
            yield f"{kind} {identity} took a command twice"
        elif any(line["command"] == "delete" for line in lines) and not deleted:
            yield f"{kind} {identity} was not deleted"
        elif not deleted and len(taken) < _needed(facts, kind, identity, lines):
            said = ", ".join(line["command"] for line in lines)
            yield f"{kind} {identity} took {len(taken)} of the commands {said}"
        else:
            yield None


def _needed(facts: Facts, kind: str, identity: str, lines: list[Json]) -> int:
    """Count the commands that went further than the door, which answers for what is done already."""
    retries = {line["command_id"] for line in lines if line["command"] in _ALWAYS_SENT}
    done = {"cancel": {"cancelled"}, "start": {"running", *FINAL}}
    others = {
        line["command"]
        for line in lines
        if line["command"] in done
        and ((facts.was(kind, identity, line["at"]) or {}).get("status") not in done[line["command"]])
    }
    return len(retries) + len(others)


def nothing_owed(facts: Facts) -> Findings:
    """The outbox is empty, and so are the queues."""
    for entry in facts.dump["collections"]["outbox"]:
        yield f"{entry['type']} is still owed{', deferred' if entry.get('deferred') else ''}"
    for queue, messages in facts.dump["queues"].items():
        if queue.startswith(_OWED):
            yield f"{queue} holds {messages} messages" if messages else None


def parked_as_planned(facts: Facts) -> Findings:
    """What was planted as poison is parked, and nothing else is."""
    planted = {line["message_id"] for line in facts.said("planted")}
    parked = {message["message_id"] for message in facts.dump["parked"]}
    for message in facts.dump["parked"]:
        fine = message["message_id"] in planted
        yield None if fine else f"{message['type']} {message['message_id']} is parked: {message['code']}"
    for identity in sorted(planted - parked):
        yield f"the planted message {identity} is not parked"


RULES: Final[tuple[Callable[[Facts], Findings], ...]] = (
    acknowledged_ends,
    ends_once,
    told_once,
    no_write_lost,
    dependents_wait,
    accepted_results,
    files_as_accepted,
    counts_recount,
    one_per_key,
    commands_once,
    asked_notified,
    one_id,
    healthy_leases,
    offers_taken,
    *SHAPE_RULES,
    nothing_owed,
    parked_as_planned,
)
