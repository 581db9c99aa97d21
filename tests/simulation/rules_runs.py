"""Rules about what runs are told, and about runs that are steps of others; looked at in every commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from filemill_common.ids import derived_id, step_task_id
from tests.simulation.documents import FINAL, Document, state
from tests.simulation.rules_book import Book, is_item, is_started, output, told
from tests.simulation.rules_plan import BECAUSE_OF_FAILURE, rerun_of
from tests.simulation.store import Change

_STOPPED = frozenset({"failed", "cancelled"})


@dataclass
class _Said:
    """What a run was last told.

    Attributes:
        sequence: The highest of all pauses and resumes.
        held: Whether the run must be held; None where the order within a commit leaves it open.
        signals: What was last said with each signal, and surely kept.
        payloads: All that was ever said with each.
    """

    sequence: int = 0
    held: bool | None = False
    is_cancelled: bool = False
    signals: dict[str, Any] = field(default_factory=dict)
    payloads: dict[str, list[Any]] = field(default_factory=dict)

    def hear(self, command: str, arguments: Document, sequence: int, *, is_clear: bool) -> None:
        """Take a command; ``is_clear`` says whether the run was open all the time."""
        if command in {"pause", "resume"} and sequence > self.sequence:
            self.sequence = sequence
            self.held = (command == "pause" and not self.is_cancelled) if is_clear else None
        elif command == "rerun" and not is_clear:
            self.sequence, self.held = max(sequence, self.sequence), None
        elif command == "cancel":
            self.held, self.is_cancelled = (False if is_clear else None), True
        elif command == "signal":
            name, payload = arguments["name"], arguments["payload"]
            self.payloads.setdefault(name, []).append(payload)
            self.signals.pop(name, None)
            if is_clear and "ok" in payload:
                self.signals[name] = payload


class RunRules:
    """What must hold of pauses, signals, reruns and subworkflows."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._world = book.world
        self._said: dict[str, _Said] = {}

    def look(self, changes: Sequence[Change]) -> None:
        """Look at what one commit changed."""
        for each in changes:
            if each.collection == "workflows" and each.new is not None and state(each.new) != "deleted":
                self._hear(each, each.new)
                self._rerun(each, each.new, changes)
        for each in changes:
            new = each.new or {}
            if each.collection == "tasks" and new.get("kind") == "wait" and state(new) != "deleted":
                self._waiting(new, state(each.old))
            if each.collection == "workflows" and each.old is None and new.get("parent_task_id"):
                # A run of steps that are no work may begin and end, and its step with it, in one commit.
                before = [state(other.old) for other in changes if other.id == new["parent_task_id"]]
                step = [*before, state(self._book.task(new["parent_task_id"]))]
                begins = "running" in step
                self._world.hold("a subworkflow begins with its step", f"{each.id}: {step}", if_=begins)

    def _hear(self, change: Change, new: Document) -> None:
        """Apply what a run was told, and compare."""
        said = self._said.setdefault(change.id, _Said())
        before, after = state(change.old), state(new)
        is_clear = before not in FINAL and after not in FINAL
        is_clear = is_clear and (change.old or {}).get("started_at") in {None, new.get("started_at")}
        commands = told(self._world, change)
        for command, arguments, sequence in commands:
            said.hear(command, arguments, sequence, is_clear=is_clear)
        if is_started(change) and before in FINAL and len(commands) == 1:
            said.held = False  # a rerun ends a pause, and outlives an older one
        if not is_clear:  # its end lies in this commit, before or after what it was told
            said.signals.clear()
            said.is_cancelled = False
        if after in FINAL and state(change.old) not in FINAL and said.held is not False:
            said.held = None  # it may have ended before the last pause came
        if not new.get("parent_task_id") and said.held is not None and after not in FINAL:
            held = bool(new.get("held"))
            self._world.hold(
                "a run is held as the last command says", f"{change.id}: {held}", if_=held == said.held
            )
        for name, payload in said.signals.items():
            for step in self._book.steps(change.id).values():
                if step.get("kind") == "wait" and state(step) == "running":
                    self._heard(step, name, payload)

    def _waiting(self, new: Document, before: str) -> None:
        """Demand that a step waits for no signal that came, and takes none that did not."""
        said = self._said.get(new["workflow_id"], _Said())
        if state(new) == "running":
            for name, payload in said.signals.items():
                self._heard(new, name, payload)
        signal = self._book.said(new["workflow_id"], new["step_id"]).get("signal")
        if signal is not None and state(new) == "completed" and before != "completed":
            name = signal if isinstance(signal, str) else signal["name"]
            known = [*said.payloads.get(name, ()), {"timed_out": True}]
            self._world.hold("a wait gives what was said", f"{new['_id']}", if_=output(new) in known)

    def _heard(self, step: Document, name: str, payload: object) -> None:
        signal = self._book.said(step["workflow_id"], step["step_id"]).get("signal")
        waits = signal is not None and name == (signal if isinstance(signal, str) else signal["name"])
        about = f"{step['step_id']} of {step['workflow_id']} waits for {name}, and {payload} came"
        self._world.hold("a signal that came is heard", about, if_=not waits)

    def _rerun(self, change: Change, new: Document, changes: Sequence[Change]) -> None:
        """Demand that a rerun does anew what it is to, and leaves the rest as it was."""
        commands = told(self._world, change)
        is_alone = [command for command, *_ in commands] == ["rerun"] and state(change.old) in FINAL
        if not is_alone or not is_started(change):
            return
        changed = {each.id: each for each in changes if each.collection == "tasks" and _is_anew(each)}
        steps = {
            name: changed[task_id].old if (task_id := document["_id"]) in changed else document
            for name, document in self._book.steps(change.id).items()
        }
        known = {name: document for name, document in steps.items() if document is not None}
        anew, around = self._affected(change.id, commands[0][1], known)
        for name, place in self._book.places(change.id).items():
            is_changed = step_task_id(change.id, name) in changed
            wanted = name in anew or name in around
            if any(state(known.get(each)) == "skipped" for each in (name, *place.inside)):
                continue  # skipped once more, which leaves no trace; or what it lies in never began
            about = f"{change.id}: {place.id} for {commands[0][1]}"
            self._world.hold("a rerun does what it is to, and no more", about, if_=is_changed == wanted)

    def _affected(
        self, run_id: str, arguments: Document, steps: dict[str, Document]
    ) -> tuple[set[str], set[str]]:
        places = self._book.places(run_id)
        if "step" in arguments:
            has_index = arguments.get("index") is not None
            chosen = [] if has_index else [arguments["step"]]
            return rerun_of(places, chosen, [arguments["step"]] if has_index else [])
        bad = {
            name
            for name, each in steps.items()
            if state(each) in _STOPPED
            or (state(each) == "skipped" and each.get("reason") in BECAUSE_OF_FAILURE)
        }
        caused: set[str] = set()
        for name in bad:
            caused.update(self._book.all_around(run_id, name))
        left = bad - caused
        maps = {name.split("[")[0] for name in left if is_item(steps[name])}
        return rerun_of(places, sorted(name for name in left if not is_item(steps[name])), sorted(maps))

    def at_the_end(self) -> None:
        """Look whether subworkflows ended with their steps, and went with them."""
        for run_id, run in self._world.database.collections["workflows"].items():
            parent = run.get("parent_task_id")
            if parent is None:
                continue
            step = self._book.task(parent) or {}
            about = f"{run_id} is {state(run)}, its step is {state(step)}"
            if state(self._book.run(step.get("workflow_id", ""))) == "deleted":
                self._world.hold("a subworkflow is deleted with its run", about, if_=state(run) == "deleted")
            else:
                ended = state(run) in {*FINAL, "deleted"}
                self._world.hold("a subworkflow ends with its step", about, if_=ended)
            tries = range(1, step.get("attempt", 1) + 1)
            known = {derived_id("subworkflow", parent, number) for number in tries}
            self._world.hold("a subworkflow is that of one try", run_id, if_=run_id in known)


def _is_anew(change: Change) -> bool:
    """Tell whether a step that had ended has not, or has ended anew."""
    return (change.old or {}).get("completed_at") != (change.new or {}).get("completed_at")
