"""What holds for every graph, every outcome and every order of events; Hypothesis looks for the order."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from filemill_common.events import (
    AttemptEvent,
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskEvent,
    TaskFailed,
    TaskReady,
    TaskStatus,
    WorkflowEvent,
)
from filemill_scheduler.testing import Scene

NAMES = "abcdefg"


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Steps, each with some of those before it as dependencies."""
    size = draw(st.integers(1, len(NAMES)))
    return {
        name: sorted(draw(st.sets(st.sampled_from(NAMES[:index]), max_size=3))) if index else []
        for index, name in enumerate(NAMES[:size])
    }


class Played:
    """A run of a graph, in which reports come in any order, repeated and in batches of any size."""

    def __init__(self, graph: dict[str, list[str]], broken: set[str], data: st.DataObject) -> None:
        self.scene = Scene()
        self.graph = graph
        self.told: list[Event] = []
        self.reports: list[AttemptEvent] = []
        steps: dict[str, Any] = {name: {"depends_on": needed} for name, needed in graph.items()}
        self.note(self.scene.submit(**steps).owed)
        waiting = self.fresh(self.told, broken)
        while waiting:
            count = data.draw(st.integers(1, len(waiting)), label="batch")
            order = data.draw(st.permutations(waiting), label="order")
            again = data.draw(st.lists(st.sampled_from([*self.reports, *order[:count]]), max_size=3))
            batch = [*order[:count], *again]
            waiting = [report for report in waiting if report not in order[:count]]
            self.reports += batch
            owed = self.scene.play(*batch).owed
            self.note(owed)
            waiting += self.fresh(list(owed), broken)

    def note(self, owed: tuple[Event, ...]) -> None:
        """Keep what was told, and see that nothing begins too early."""
        ended = {name for name in self.graph if self.scene.task(name).status is TaskStatus.COMPLETED}
        for event in owed:
            if isinstance(event, TaskReady):
                name = next(name for name in self.graph if self.scene.task(name).id == event.task_id)
                assert set(self.graph[name]) <= ended
        self.told += owed

    def fresh(self, owed: list[Event], broken: set[str]) -> list[AttemptEvent]:
        """Report on each attempt that was offered."""
        offered = {event.task_id for event in owed if isinstance(event, TaskReady)}
        names = [name for name in self.graph if self.scene.task(name).id in offered]
        return [
            self.scene.failed(name) if name in broken else self.scene.succeeded(name)
            for name in names
            if self.scene.task(name).is_open
        ]


class TestEveryRun:
    @settings(max_examples=150, deadline=None)
    @given(graph=graphs(), broken=st.sets(st.sampled_from(NAMES), max_size=2), data=st.data())
    def test_ends_once_and_counts_right_whatever_comes_when(
        self, graph: dict[str, list[str]], broken: set[str], data: st.DataObject
    ) -> None:
        played = Played(graph, broken, data)
        scene, run = played.scene, played.scene.run()

        failed = bool(broken & set(graph))
        assert str(run.status) == ("failed" if failed else "completed")
        counts = {name: count for name, count in run.counts.model_dump().items() if count}
        assert counts == {"total": len(graph), **Counter(scene.statuses().values())}
        assert sum(isinstance(event, WorkflowEvent) and not event.transient for event in played.told) == 1
        finals = Counter(
            event.task.id
            for event in played.told
            if isinstance(event, TaskEvent) and isinstance(event, (TaskCompleted, TaskFailed, TaskCancelled))
        )
        assert set(finals.values()) <= {1}

        before = dict(scene.state.tasks)
        assert not played.reports or scene.play(*played.reports).stores_nothing
        assert scene.state.tasks == before
