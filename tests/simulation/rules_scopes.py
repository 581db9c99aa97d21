"""Rules about what holds others: parallels, maps, runs; looked at in every commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulation.documents import FINAL, UNDER_WAY, Document, attempt, state
from tests.simulation.rules_book import Book, is_failing, output
from tests.simulation.store import Change


@dataclass
class _Failures:
    """Steps that failed in the current try of what they lie in."""

    number: int = 0
    names: set[str] = field(default_factory=set)


class ScopeRules:
    """What must hold between a run, parallel or map and what lies in it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._world = book.world
        self._failures: dict[tuple[str, str], _Failures] = {}

    def look(self, changes: Sequence[Change]) -> None:
        """Look at what one commit changed."""
        touched: dict[str, None] = {}
        for each in changes:
            new = each.new or {}
            if each.collection == "workflows":
                touched[each.id] = None
            elif each.collection == "tasks" and new.get("workflow_id"):
                touched[new["workflow_id"]] = None
        ended = {
            each.id: None
            for each in changes
            if each.collection == "tasks" and state(each.new) in FINAL and _ends(each)
        }
        for run_id in touched:
            run = self._book.run(run_id)
            if run is not None and state(run) != "deleted":
                self._look_at(run_id, run, ended)

    def _look_at(self, run_id: str, run: Document, ended: dict[str, None]) -> None:
        steps = self._book.steps(run_id)
        inside: dict[str, list[str]] = {}
        for name in steps:
            around = self._book.around(run_id, name)
            inside.setdefault(around or "", []).append(name)
        for name, document in steps.items():
            if document.get("kind") in {"parallel", "map"}:
                self._scope(run_id, name, steps, inside.get(name, []), ended)
        self._run(run_id, run, steps, inside.get("", []), ended)

    def _scope(
        self, run_id: str, name: str, steps: dict[str, Document], inside: list[str], ended: dict[str, None]
    ) -> None:
        hold, document = self._world.hold, steps[name]
        about = f"{name} of {run_id} is {state(document)}, {[(each, state(steps[each])) for each in inside]}"
        opened = [each for each in inside if state(steps[each]) not in FINAL]
        if state(document) == "running":
            hold("what has nothing open in it has ended", about, if_=bool(opened))
        if state(document) in FINAL:
            hold("a parallel or map ends with its last", about, if_=not opened)
        said = self._book.said(run_id, name)
        failing = [each for each in inside if is_failing(steps[each], self._book.said(run_id, each))]
        if said["type"] == "map":
            self._map(name, document, said, steps, about)
        elif state(document) == "completed":
            hold("a parallel completes with all in it", about, if_=not failing)
        if state(document) == "running" and said["type"] == "parallel":
            new = self._new_failures((run_id, name), attempt(document), failing, steps, ended)
            self._policy(str(said["failure_policy"]), new, [steps[each] for each in self._deep(run_id, name)])

    def _deep(self, run_id: str, name: str) -> list[str]:
        """Name all that lies in a parallel, at whatever depth."""
        return [each for each in self._book.steps(run_id) if name in self._book.all_around(run_id, each)]

    def _new_failures(
        self,
        scope: tuple[str, str],
        number: int,
        failing: list[str],
        steps: dict[str, Document],
        ended: dict[str, None],
    ) -> set[str]:
        """Tell what failed since a run or parallel began; what failed before a rerun stops nobody."""
        known = self._failures.setdefault(scope, _Failures(number))
        if known.number != number:
            known.number, known.names = number, set()
        known.names &= set(failing)
        known.names |= {each for each in failing if steps[each]["_id"] in ended}
        return known.names

    def _policy(self, policy: str, failed: set[str], inside: list[Document]) -> None:
        if not failed or policy == "continue":
            return
        barred = {"pending"} if policy == "drain" else {"pending", *UNDER_WAY}
        left = [f"{each['step_id']} is {state(each)}" for each in inside if state(each) in barred]
        self._world.hold("a failure stops what it is to stop", f"{policy} for {failed}: {left}", if_=not left)

    def _map(
        self, name: str, document: Document, said: Document, steps: dict[str, Document], about: str
    ) -> None:
        hold = self._world.hold
        under_way = [
            each for each in steps if each.rpartition("[")[0] == name and state(steps[each]) in UNDER_WAY
        ]
        most = said.get("max_concurrency") or 1_000
        hold("no more items are under way than may be", about, if_=len(under_way) <= most)
        found = output(document)
        if state(document) not in {"completed", "failed"} or not found:
            return
        items = [steps.get(f"{name}[{number}]", {}) for number in range(found["total"])]
        wanted = [
            {"index": number, "status": state(each), "output": output(each)}
            for number, each in enumerate(items)
        ]
        hold("a map says what its items came to", f"{about}: {found}", if_=found["items"] == wanted)
        failed = sum(
            state(each) in {"failed", "cancelled"} and not said["step"].get("allow_failure") for each in items
        )
        is_well = state(document) == "failed" or failed <= said["tolerated_failures"]
        hold("a map tolerates so many failures", about, if_=is_well and found["failed"] == failed)

    def _run(
        self, run_id: str, run: Document, steps: dict[str, Document], top: list[str], ended: dict[str, None]
    ) -> None:
        hold, places = self._world.hold, self._book.places(run_id)
        held, now = bool(run.get("held")), state(run)
        about = f"{run_id} is {now}: {[(each, state(steps[each])) for each in top]}"
        if now in {"running", "paused"}:
            hold("a run that is held is paused", about, if_=(now == "paused") == held)
        total = (run.get("counts") or {}).get("total", 0)
        hold("a run consists of what its definition says", f"{run_id}: {total}", if_=total == len(places))
        failing = [each for each in top if is_failing(steps[each], places[each].said)]
        if now == "completed":
            hold("a run completes with all in it", about, if_=not failing)
        if now == "failed":
            hold("a run fails by a step", about, if_=bool(failing))
        if now in FINAL and run.get("started_at"):
            for each in top:
                if places[each].in_finally and not places[each].needs and "if" not in places[each].said:
                    ran = steps[each].get("reason") != "run_failed" and not _was_stopped(steps[each])
                    hold("finally runs however a run ends", f"{run_id}: {each}", if_=ran)
        if now in {"running", "paused"}:
            number = self._book.starts.get(run_id, 0)
            before = [each for each in failing if not places[each].in_finally]
            new = self._new_failures((run_id, ""), number, before, steps, ended)
            others = [each for each in steps.values() if not places[each["step_id"].split("[")[0]].in_finally]
            self._policy(str(self._policy_of(run_id)), new, others)

    def _policy_of(self, run_id: str) -> str:
        return str(self._book.definition(run_id).get("failure_policy", "fail_fast"))


def _was_stopped(document: Document) -> bool:
    """Tell whether a step was cancelled, and not by a command of its own."""
    return state(document) == "cancelled" and not document.get("commands") and document.get("child") is None


def _ends(change: Change) -> bool:
    old, new = change.old, change.new
    return state(old) != state(new) or attempt(old) != attempt(new)
