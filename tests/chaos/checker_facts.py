"""What a journal and a dump say, in the words that the rules speak."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from tests.chaos.journal import Line

Json = dict[str, Any]
Findings = Iterator[str | None]
"""For each case that a rule looks at: what is wrong with it, or None."""

FINAL: Final = frozenset({"completed", "failed", "cancelled", "skipped"})
KINDS: Final = {"task": "tasks", "workflow": "workflows"}

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """What one rule found.

    Attributes:
        rule: Its sentence.
        cases: How many cases it looked at; with 0 it says nothing.
        violations: A sentence with ids for each case that breaks it.
    """

    rule: str
    cases: int
    violations: tuple[str, ...]

    @classmethod
    def of(cls, rule: str, findings: Findings) -> Self:
        """Count what a rule found."""
        found = list(findings)
        return cls(rule, len(found), tuple(each for each in found if each is not None))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all rules found; printed as a table."""

    rows: tuple[Row, ...]

    @property
    def violations(self) -> int:
        """How many cases break a rule."""
        return sum(len(row.violations) for row in self.rows)

    @property
    def spoke(self) -> tuple[str, ...]:
        """The rules that were broken."""
        return tuple(row.rule for row in self.rows if row.violations)

    @property
    def unseen(self) -> tuple[str, ...]:
        """The rules that had nothing to look at."""
        return tuple(row.rule for row in self.rows if not row.cases)

    def __str__(self) -> str:
        """Show a line for each rule, and the first violations below it."""
        lines = ["violations     cases  rule"]
        for row in self.rows:
            lines.append(f"{len(row.violations):10} {row.cases or 'no':>9}  {row.rule}")
            lines += [f"{'':22}- {each}" for each in row.violations[:_SHOWN]]
            if len(row.violations) > _SHOWN:
                lines.append(f"{'':22}- and {len(row.violations) - _SHOWN} more")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Ending:
    """A document that became final.

    Attributes:
        status: What it became; ``cancelled`` if it was deleted while it was open.
        version: The document from then on.
    """

    kind: str
    id: str
    status: str
    version: Json


class Facts:
    """A journal's lines and a dump, indexed.

    Args:
        lines: In the order of time.
        dump: What lay in the end, and its history.
    """

    def __init__(self, lines: Iterable[Line], dump: Json) -> None:
        self._lines: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            self._lines[line["what"]].append(line)
        self.dump = dump
        self.tasks = self.documents("tasks")
        self.workflows = self.documents("workflows")

    def said(self, what: str) -> list[Line]:
        """Give the lines that say something."""
        return self._lines[what]

    def documents(self, collection: str) -> dict[str, Json]:
        """Give what lies in a collection, by id."""
        return {each["_id"]: each for each in self.dump["collections"][collection]}

    def versions(self, kind: str, identity: str) -> list[Json]:
        """Give all versions of a task or workflow, oldest first."""
        found: list[Json] = self.dump["history"][KINDS[kind]].get(identity, [])
        return found

    def histories(self, kind: str) -> dict[str, list[Json]]:
        """Give the versions of all tasks or workflows."""
        found: dict[str, list[Json]] = self.dump["history"][KINDS[kind]]
        return found

    def was(self, kind: str, identity: str, moment: float, *, shown: bool = False) -> Json | None:
        """Give a document as it lay at a moment.

        Args:
            shown: Whether its last version that was no tombstone: a run may end and be deleted in one commit.
        """
        before = [each for each in self.versions(kind, identity) if each["at"] <= moment]
        return next((each for each in reversed(before) if not (shown and is_deleted(each))), None)

    @cached_property
    def endings(self) -> list[Ending]:
        """All that became final, whenever it did."""
        return [
            Ending(kind, identity, status, now)
            for kind in KINDS
            for identity, versions in self.histories(kind).items()
            for before, now in pairs(versions)
            if (status := became_final(before, now)) is not None
        ]

    @cached_property
    def starts(self) -> dict[str, list[float]]:
        """When each run was started, by its id; reruns too."""
        return {
            identity: [
                now["at"]
                for before, now in pairs(versions)
                if now.get("started_at") is not None and now["started_at"] != before.get("started_at")
            ]
            for identity, versions in self.histories("workflow").items()
        }

    def reran(self, task: Json) -> bool:
        """Tell whether the run of a task was run again in the very commit that wrote a version of it."""
        return task["at"] in self.starts.get(task.get("workflow_id") or "", [])[1:]

    @cached_property
    def steps(self) -> dict[str, dict[str, str]]:
        """The ids of a run's tasks, its maps' items too, by run and step."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for identity, versions in self.histories("task").items():
            for each in versions:
                if each.get("workflow_id") and each.get("step_id"):
                    found[each["workflow_id"]][each["step_id"]] = identity
        return found

    @cached_property
    def told(self) -> dict[str, Line]:
        """The final events that were told, by their id."""
        return {
            line["event_id"]: line | {"type": name}
            for line in self.said("told")
            if (name := short(line["type"])).rpartition(".")[2] in FINAL
        }

    def output(self, version: Json) -> Json:
        """Read what a task says its result is, which is kept as JSON text."""
        found: Json = json.loads(version.get("output") or "{}")
        return found

    @cached_property
    def executions(self) -> dict[str, Line]:
        """What each execution came to, by its id."""
        return {line["execution"]: line for line in self.said("ended")}


def short(event_type: str) -> str:
    """Take ``task.completed`` out of ``io.filemill.task.completed.v1``."""
    return event_type.removeprefix("io.filemill.").removesuffix(".v1")


def pairs(versions: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Give each version with the one before it; the first follows an empty one."""
    yield from zip([{}, *versions], versions, strict=False)


def is_open(version: Json) -> bool:
    """Tell whether a document is known and has not ended."""
    return version.get("status") is not None and not is_final(version)


def is_final(version: Json) -> bool:
    """Tell whether a document has ended; a run whose tasks still end has not."""
    counts = version.get("counts")
    return version.get("status") in FINAL and (counts is None or version.get("completed_at") is not None)


def is_work(version: Json) -> bool:
    """Tell whether a task is work for a worker, and no other kind of step."""
    return bool(version.get("kind", "task") == "task")


def is_deleted(version: Json) -> bool:
    """Tell whether only a tombstone is left."""
    return version.get("status") is None and version.get("created_at") is not None


def became_final(before: Json, now: Json) -> str | None:
    """Tell what a document became, if it ended between two versions."""
    if is_final(before):
        return None
    if is_final(now):
        return str(now["status"])
    return "cancelled" if is_open(before) and is_deleted(now) else None


def new_commands(before: Json, now: Json) -> set[str]:
    """Give the ids of the commands that a version has taken."""
    return set(now.get("commands") or ()) - set(before.get("commands") or ())
