"""Rules about how steps begin and are skipped, looked at in every commit."""

from collections.abc import Sequence

from tests.simulation.documents import BEGUN, FINAL, Document, attempt, state
from tests.simulation.rules_book import Book, is_item, output, told
from tests.simulation.rules_plan import Place, allows, outcome, refuses
from tests.simulation.store import Change
from tests.simulation.story_shapes import FALSE, TRUE

_NOT_BEGUN = frozenset({"absent", "stub", "pending", "skipped"})


class StepRules:
    """What must hold when a step of a run begins, is skipped or ends."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._world = book.world
        self._left_pending: dict[tuple[str, int], int] = {}

    def look(self, changes: Sequence[Change]) -> None:
        """Look at what one commit changed."""
        runs = {each.id: each for each in changes if each.collection == "workflows"}
        for each in changes:
            if each.collection == "tasks" and each.new is not None and each.new.get("workflow_id"):
                self._step(each, each.new, runs.get(each.new["workflow_id"]))

    def _step(self, change: Change, new: Document, run: Change | None) -> None:
        before, after = state(change.old), state(new)
        if after == "deleted":
            return
        if before not in BEGUN and after in BEGUN:
            self._begins(change.id, new)
        starts_now = after in {"ready", "running"} and before != after and before != "ready"
        if starts_now or (before in _NOT_BEGUN and after == "completed"):
            self._not_held(change.id, new, run)
        if after == "skipped" and before != "skipped":
            self._skipped(change.id, new)
        if after == "completed" and (before != after or attempt(change.old) != attempt(new)):
            self._completed(change.id, new)
        self._finally(change, new, before, after)

    def _begins(self, task_id: str, new: Document) -> None:
        run_id, step_id = new["workflow_id"], new["step_id"]
        hold, steps = self._world.hold, self._book.steps(run_id)
        around = self._book.around(run_id, step_id)
        if around is not None:
            outer = state(steps.get(around))
            hold("none begins before what it lies in", f"{task_id} in {outer}", if_=outer not in _NOT_BEGUN)
        if is_item(new):
            return
        place = self._book.places(run_id)[step_id]
        found = [outcome(steps.get(each)) for each in place.needs]
        hold(
            "none begins before its rule allows",
            lambda: f"{step_id} of {run_id}: {place.rule} of {found}",
            if_=allows(place.rule, found),
        )
        for chooser in place.choosers:
            document = steps[chooser]
            chosen = state(document) != "completed" or step_id in output(document)["chosen"]
            heard = state(document) in FINAL and chosen
            hold("a condition's choice is heard", f"{step_id} of {run_id} after {chooser}", if_=heard)
        if place.in_finally:
            left = self._others(run_id, steps)
            hold("finally begins when all others have ended", f"{step_id} of {run_id}: {left}", if_=not left)

    def _others(self, run_id: str, steps: dict[str, Document]) -> list[str]:
        places = self._book.places(run_id).values()
        return [each.id for each in places if not each.in_finally and state(steps.get(each.id)) not in FINAL]

    def _not_held(self, task_id: str, new: Document, run: Change | None) -> None:
        """Demand that nothing new starts in a run that is paused, and was before."""
        if run is not None:
            was_held = (run.old or {}).get("held") and not any(
                command in {"resume", "cancel", "delete"} for command, *_ in told(self._world, run)
            )
            is_held = was_held and (run.new or {}).get("held")
        else:
            is_held = (self._book.run(new["workflow_id"]) or {}).get("held")
        self._world.hold("nothing begins in a run that is held", f"{task_id} {state(new)}", if_=not is_held)

    def _skipped(self, task_id: str, new: Document) -> None:
        run_id, step_id, reason = new["workflow_id"], new["step_id"], new.get("reason")
        steps, said = self._book.steps(run_id), self._book.said(run_id, step_id)
        place = None if is_item(new) else self._book.places(run_id)[step_id]
        outer = [steps[each] for each in self._book.all_around(run_id, step_id) if each in steps]
        ended = any(state(each) in FINAL - {"completed"} or each.get("error") for each in outer)
        match reason:
            case "condition":
                is_right = said.get("on_timeout") == "skip" or said.get("if") not in {None, *TRUE}
                is_right = is_right or self._is_barred(place, steps)
            case "upstream_failed" | "upstream_skipped":
                found = [outcome(steps.get(each)) for each in (place.needs if place else ())]
                is_right = ended or (place is not None and refuses(place.rule, found) == reason)
            case "run_failed":
                is_right = ended or bool((self._book.run(run_id) or {}).get("error"))
            case _:
                is_right = False
        about = f"{step_id} of {run_id}: {reason}"
        self._world.hold("what is skipped has a true reason", about, if_=is_right)

    def _is_barred(self, place: Place | None, steps: dict[str, Document]) -> bool:
        return place is not None and any(
            state(steps[chooser]) == "completed" and place.id not in output(steps[chooser])["chosen"]
            for chooser in place.choosers
        )

    def _completed(self, task_id: str, new: Document) -> None:
        run_id, said = new["workflow_id"], self._book.said(new["workflow_id"], new["step_id"])
        hold = self._world.hold
        hold(
            "a step whose 'if' is false does not run",
            task_id,
            if_=said.get("if") not in FALSE,
        )
        match said.get("type", "task"):
            case "condition":
                self._chose(task_id, said, output(new))
            case "wait" if isinstance(said.get("duration"), (int, float)):
                lasted = (new["completed_at"] - new["started_at"]).total_seconds()
                is_over = lasted >= said["duration"]
                hold("a wait lasts as long as it says", f"{task_id}: {lasted} s", if_=is_over)
            case "subworkflow":
                child = self._book.run(new["child"])
                is_its = state(child) == "completed" and output({"output": (child or {}).get("outputs")})
                same = state(child) == "deleted" or (state(child) == "completed" and is_its == output(new))
                hold("a subworkflow's step says what its run says", f"{task_id} of {run_id}", if_=same)
            case _:
                pass

    def _chose(self, task_id: str, said: Document, chosen: Document) -> None:
        """Demand the first case that is true, as far as that is known here."""
        number, wanted = None, said["default"]
        for place, case in enumerate(said["cases"]):
            if case["when"] in TRUE:
                number, wanted = place, case["then"]
                break
            if case["when"] not in FALSE:
                return
        is_right = (chosen["case"], chosen["chosen"]) == (number, wanted)
        about = f"{task_id} {chosen}"
        self._world.hold("a condition chooses the first case that is true", about, if_=is_right)

    def _finally(self, change: Change, new: Document, before: str, after: str) -> None:
        run_id = new["workflow_id"]
        if is_item(new) or not self._book.places(run_id)[new["step_id"]].in_finally:
            return
        if before in {"absent", "stub", "pending"} and after != "pending":
            key = change.id, self._book.starts.get(run_id, 0)
            self._left_pending[key] = self._left_pending.get(key, 0) + 1
            self._world.hold("finally runs once a start", change.id, if_=self._left_pending[key] == 1)
