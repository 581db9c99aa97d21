"""What becomes of tasks and runs: pure functions from events and state to new state and events owed."""

from filemill_scheduler.core.facts import Fact, facts
from filemill_scheduler.core.fold import concerns, fold
from filemill_scheduler.core.state import Run, Task, Unmet
from filemill_scheduler.core.view import Decision, Loaded, Needs

__all__ = ["Decision", "Fact", "Loaded", "Needs", "Run", "Task", "Unmet", "concerns", "facts", "fold"]
