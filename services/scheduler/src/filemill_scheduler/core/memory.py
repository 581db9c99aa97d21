"""State in memory: what a fold reads and writes, where nobody else does."""

from filemill_common.events import StoredFile
from filemill_scheduler.core.state import Run, Task, replace
from filemill_scheduler.core.view import Decision, FileKey, Loaded, Needs


class Memory:
    """Holds tasks, runs and what paths stand for."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.runs: dict[str, Run] = {}
        self.files: dict[FileKey, StoredFile] = {}

    def read(self, needs: Needs, loaded: Loaded) -> None:
        """Add what a fold needs to what it has."""
        loaded.tasks.update({each: self.tasks.get(each) for each in needs.tasks})
        loaded.runs.update({each: self.runs.get(each) for each in needs.runs})
        loaded.files.update({each: self.files.get(each) for each in needs.files})
        for run_id in needs.runs_open_tasks:
            still_open = {
                task.id: task for task in self.tasks.values() if task.workflow_id == run_id and task.is_open
            }
            loaded.tasks.update(still_open)
            loaded.open_tasks[run_id] = frozenset(still_open)
        for span in needs.spans:
            run_id, first, last = span
            steps = {
                task.id: task
                for task in self.tasks.values()
                if task.workflow_id == run_id and first <= task.index <= last
            }
            loaded.tasks.update(steps)
            loaded.spans[span] = frozenset(steps)
        for run_id in needs.subworkflows:
            root = self.runs.get(run_id)
            loaded.subworkflows[run_id] = (root.subworkflows if root else None) or {}

    def keep(self, decision: Decision) -> None:
        """Let all stand as a fold decided."""
        self.tasks.update({task.id: replace(task, version=task.version + 1) for task in decision.tasks})
        self.runs.update({run.id: replace(run, version=run.version + 1) for run in decision.runs})
        self.files.update({(tenant, file.path or ""): file for tenant, file in decision.aliases})
        for run_id in decision.purged:
            for task in [task for task in self.tasks.values() if task.workflow_id == run_id]:
                self.tasks[task.id] = replace(task, status=None, version=task.version + 1)
