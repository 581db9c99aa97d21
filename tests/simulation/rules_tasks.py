"""Rules about tasks and runs, looked at in every commit."""

from collections.abc import Sequence

from tests.simulation.documents import (
    BEGUN,
    FINAL,
    UNDER_WAY,
    Document,
    attempt,
    mark,
    new_commands,
    output_path,
    state,
)
from tests.simulation.rules_book import is_item, told
from tests.simulation.store import Change
from tests.simulation.world import World

_LEASE = 20.0
_STUB_LIFE = 60.0


class TaskRules:
    """What must hold of tasks and runs after every commit.

    Attributes:
        completed: Tasks that have completed at any time.
        ended: How each task last ended, deleted ones included.
        applied: Command to the number of commits that applied it.
        closed_at: Task and attempt to the moment at which it was closed other than by its own report.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.completed: set[str] = set()
        self.ended: dict[str, Document] = {}
        self.applied: dict[str, int] = {}
        self.deleted: set[str] = set()
        self.closed_at: dict[tuple[str, int], float] = {}
        self._steps: dict[str, dict[str, None]] = {}
        self._pending_since: dict[str, float] = {}
        self._reran: set[str] = set()

    def look(self, changes: Sequence[Change]) -> None:
        """Look at what one commit changed."""
        tasks = [each for each in changes if each.collection == "tasks"]
        runs = [each for each in changes if each.collection == "workflows"]
        self._aliases(changes)
        if not tasks and not runs:
            return
        for each in tasks:
            self._remember(each)
        self._reran = {each.id for each in runs if "rerun" in {name for name, *_ in told(self._world, each)}}
        for each in tasks:
            self._task(each)
        for each in runs:
            self._run(each)
        touched = {each.new.get("workflow_id"): None for each in tasks if each.new}
        for run_id in touched | {each.id: None for each in runs}:
            if run_id is not None:
                self._counts(run_id)
        self._unmet()

    def _remember(self, change: Change) -> None:
        new = change.new
        if new is None:
            return
        if run_id := new.get("workflow_id"):
            self._steps.setdefault(run_id, {})[change.id] = None
        now = state(new)
        if now == "completed":
            self.completed.add(change.id)
        if now in FINAL:
            self.ended[change.id] = new
        if now == "deleted" and not is_item(new):
            self.deleted.add(change.id)
            if state(change.old) in {"ready", "running"} and attempt(new) == attempt(change.old):
                # Before it was deleted in the same commit: a cancel would have closed the attempt.
                self.completed.add(change.id)
                self.ended[change.id] = new
        if now == "pending" and state(change.old) != "pending":
            self._pending_since[change.id] = change.since

    def _task(self, change: Change) -> None:
        hold = self._world.hold
        old, new = change.old, change.new
        if new is None:
            self._world.violate("a deleted id stays taken", change.id)
            return
        before, after = state(old), state(new)
        if before != after:
            self._world.note("store", "task", change.id, before, "->", after, f"attempt {attempt(new)}")
        commands = new_commands(old, new)
        self._commands(change, commands)
        hold(
            "every write raises the version",
            change.id,
            if_=new["version"] > (old or {"version": 0})["version"],
        )
        hold("an attempt's number never falls", change.id, if_=attempt(new) >= attempt(old))
        if before == "deleted" and not is_item(new):  # an item goes while its map makes its items anew
            hold("what was deleted stays so", f"{change.id} is {after}", if_=after == "deleted")
        if before in FINAL and after != before and after != "deleted":
            asked = (before in {"failed", "cancelled"} and bool(commands)) or is_item(new)
            asked = asked or new.get("workflow_id") in self._reran
            hold("a task ends once an attempt", f"{change.id} {before} -> {after}", if_=asked)
            is_new = attempt(new) > (old or {}).get("ran", 0)
            hold("what runs again has a new number", f"{change.id} {before} -> {after}", if_=is_new)
        self._closing(change, before, after)
        self._beginning(change, before, after)
        self._results(change, before, after)
        if before == after == "running" and attempt(old) == attempt(new):
            risen = new.get("progress", 0) >= (old or {}).get("progress", 0)
            hold("progress never falls within an attempt", change.id, if_=risen)
            recorded = (old or {}).get("execution")
            stays = recorded is None or new.get("execution") == recorded
            hold("the recorded execution stays", change.id, if_=stays)
        self._losses(change)

    def _closing(self, change: Change, before: str, after: str) -> None:
        old, new = change.old, change.new or {}
        same = attempt(old) == attempt(new)
        if new.get("kind", "task") != "task":
            return
        was_open = before in {"ready", "running"}
        closes = after in {"retrying", "failed", "cancelled", "pending", "skipped"} or (before, after) == (
            "running",
            "ready",
        )
        if was_open and closes:
            self._world.hold(
                "what closes an attempt raises its number", f"{change.id} {before} -> {after}", if_=not same
            )
        if was_open and attempt(new) > attempt(old):
            self.closed_at.setdefault((change.id, attempt(old)), self._world.loop.time())

    def _beginning(self, change: Change, before: str, after: str) -> None:
        world, new = self._world, change.new or {}
        if before not in BEGUN and after in BEGUN and not new.get("workflow_id"):
            missing = [each for each in new.get("depends_on") or () if each not in self.completed]
            world.hold(
                "none begins before its rule allows", f"{change.id} without {missing}", if_=not missing
            )
        if (
            before == "retrying"
            and after in {"ready", "running", "completed"}
            and attempt(change.old) == attempt(new)
        ):
            due = (change.old or {}).get("due_at")  # none has one that waits for the end of a pause
            is_due = due is None or world.loop.moment() >= due
            world.hold("no retry begins before it is due", change.id, if_=is_due)
        run_id = new.get("workflow_id")
        if run_id and after in UNDER_WAY:
            run = world.database.collections["workflows"].get(run_id)
            runs = state(run) in {"running", "paused"}
            world.hold("what is under way belongs to a run that runs", change.id, if_=runs)
        if (
            before != "failed"
            and after == "failed"
            and (new.get("error") or {}).get("code") == "dependency_unknown"
        ):
            self._unknown_dependency(change.id, new)

    def _unknown_dependency(self, task: str, new: Document) -> None:
        """Demand that a dependency is called unknown only if it was deleted, or after its minute.

        It counts from the decision to wait; a writer may be frozen between that and its commit.
        """
        world = self._world
        waited = world.loop.time() - self._pending_since.get(task, world.loop.time())
        named = new.get("depends_on") or ()
        is_right = waited >= _STUB_LIFE - 0.01 or any(each in self.deleted or each == task for each in named)
        world.hold("a dependency is waited for a minute", f"{task} waited {waited:.1f} s", if_=is_right)

    def _results(self, change: Change, before: str, after: str) -> None:
        world, old, new = self._world, change.old, change.new or {}
        if after == "completed" and before != "completed" and new.get("kind", "task") == "task":
            number, execution = mark(new)
            is_open = number == attempt(new) and number >= attempt(old)
            world.hold(
                "no stale result is accepted",
                f"{change.id}: of attempt {number}, when {attempt(old)} was open",
                if_=is_open,
            )
            made = [each for each in world.executions if each.take.execution == execution]
            is_its = bool(made) and (made[0].task_id, made[0].ended) == (change.id, "succeeded")
            world.hold("a result is that of an execution", f"{change.id} {execution}", if_=is_its)
        failure = new.get("last_error")
        is_own = new.get("kind", "task") == "task" and failure != (old or {}).get("last_error")
        if failure and is_own and failure["code"] == "boom":
            number, execution = int(failure["message"].split()[0]), failure["message"].split()[1]
            recorded = (old or {}).get("execution")
            is_its = number >= attempt(old) and (recorded in {None, execution} or number > attempt(old))
            world.hold(
                "only the recorded execution fails an attempt",
                f"{change.id}: {failure['message']}",
                if_=is_its,
            )

    def _losses(self, change: Change) -> None:
        """Demand that no lease lapses whose worker was undisturbed for as long as one lasts."""
        world, old, new = self._world, change.old or {}, change.new or {}
        if new.get("losses", 0) <= old.get("losses", 0):
            return
        before = world.loop.time() - _LEASE
        for execution in world.executions:
            if (execution.task_id, execution.attempt) != (change.id, attempt(old)):
                continue
            if execution.ended not in {None, "succeeded"}:
                continue  # another one is recorded, whose failure alone would count
            process = execution.process
            is_healthy = process.is_alive and not process.is_frozen and process.disturbed_at < before
            world.hold("no healthy lease lapses", f"{change.id} on {process.name}", if_=not is_healthy)

    def _commands(self, change: Change, told: Sequence[str]) -> None:
        world, old, new = self._world, change.old or {}, change.new or {}
        for command in told:
            self.applied[command] = self.applied.get(command, 0) + 1
            world.hold(
                "a command is applied once", f"{command} to {change.id}", if_=self.applied[command] == 1
            )
        if state(new) != "deleted":
            in_order = new.get("sequence", 0) >= old.get("sequence", 0)
            world.hold("the last command's sequence never falls", change.id, if_=in_order)
            highest = max([world.sequence_of(each) for each in told], default=0)
            world.hold(
                "the last command's sequence is kept", change.id, if_=new.get("sequence", 0) >= highest
            )
        if len(told) == 1:
            self._effect(change, world.command_of(told[0]))

    def _effect(self, change: Change, command: str) -> None:
        before, after = state(change.old), state(change.new)
        new = change.new or {}
        if command == "cancel" and before not in FINAL and change.collection == "tasks":
            ends = after in {*FINAL, "deleted"}
            self._world.hold("what is cancelled ends", f"{change.id} {before} -> {after}", if_=ends)
        if command == "retry" and before in {"failed", "cancelled"} and not new.get("workflow_id"):
            is_anew = after not in FINAL or new.get("completed_at") != (change.old or {}).get("completed_at")
            self._world.hold("a retry opens the task again", f"{change.id} {before} -> {after}", if_=is_anew)

    def _run(self, change: Change) -> None:
        old, new = change.old, change.new
        if new is None:
            self._world.violate("a deleted id stays taken", change.id)
            return
        before, after = state(old), state(new)
        if before != after:
            self._world.note("store", "run", change.id, before, "->", after)
        if before in FINAL | {"deleted"}:
            stays = after in {before, "deleted"} or (before in FINAL and change.id in self._reran)
            self._world.hold("a run ends once", f"{change.id} {before} -> {after}", if_=stays)
        if after == "deleted":
            self.deleted.add(change.id)
            tasks = self._world.database.collections["tasks"]
            left = [each for each in self._steps.get(change.id, ()) if state(tasks.get(each)) != "deleted"]
            self._world.hold("a run is deleted with its tasks", f"{change.id}: {left}", if_=not left)
        self._commands(change, new_commands(old, new))

    def _counts(self, run_id: str) -> None:
        """Count a run's tasks, and compare."""
        world = self._world
        run = world.database.collections["workflows"].get(run_id)
        if run is None or state(run) == "deleted":
            return
        found = [world.database.collections["tasks"].get(each) for each in self._steps.get(run_id, ())]
        states = [state(each) for each in found if each is not None and not is_item(each)]
        counted = {each: states.count(each) for each in sorted(FINAL)}
        kept = run.get("counts") or {}
        same = all(kept.get(each, 0) == number for each, number in counted.items())
        world.hold("counts equal a recount", f"{run_id}: {kept} for {states}", if_=same)
        if state(run) in FINAL:
            left = [state(each) for each in found if state(each) not in FINAL]
            world.hold("a run that ended has no open task", f"{run_id}: {left}", if_=not left)

    def _unmet(self) -> None:
        """Count what each pending task waits for, and compare."""
        world = self._world
        tasks = world.database.collections["tasks"]
        for task_id, task in tasks.items():
            if task.get("status") != "pending":
                continue
            named = dict.fromkeys(task.get("depends_on") or ())
            kept = task.get("unmet") or {}
            done = sum(state(tasks.get(each)) in FINAL for each in named)
            done += sum(state(tasks.get(each)) == "deleted" and each in self.ended for each in named)
            ended = sum(kept.get(each, 0) for each in ("succeeded", "failed", "skipped"))
            # A task of its own keeps what steps first came to, whatever a rerun makes of them.
            ever = done if task.get("workflow_id") else sum(each in self.ended for each in named)
            same = kept.get("total", 0) == len(named) and done <= ended <= ever
            world.hold("what is waited for equals a recount", f"{task_id}: {kept}, {done} ended", if_=same)

    def _aliases(self, changes: Sequence[Change]) -> None:
        """Demand that a path stands for what is accepted in the same commit, and only for that."""
        objects = {each.new["object"] for each in changes if each.collection == "files" and each.new}
        paths = {each.new["path"] for each in changes if each.collection == "files" and each.new}
        accepted: set[str] = set()
        for each in changes:
            if each.collection == "tasks" and state(each.new) == "deleted":
                # It may have been accepted and deleted in one commit.
                accepted |= {name for name in objects if name.startswith(f"objects/tasks/{each.id}/")}
            if each.collection != "tasks" or state(each.new) != "completed" or state(each.old) == "completed":
                continue
            if (each.new or {}).get("kind", "task") != "task":
                continue
            new = each.new or {}
            number, execution = mark(new)
            accepted.add(f"objects/tasks/{each.id}/{number}-{execution}")
            path = output_path(new)
            if path is not None:
                self._world.hold("an accepted output gets its path", f"{each.id} {path}", if_=path in paths)
        self._world.hold(
            "a path names an accepted result", f"{objects} of {accepted}", if_=objects <= accepted
        )
