"""A run as a picture: which step waits for which, and what lies in what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from filemill_common.events import TaskStatus
from filemill_common.language import Definition, MapStep, ParallelStep, SubworkflowStep
from filemill_common.language import Node as Placed
from filemill_common.language import nodes as placed_nodes
from filemill_common.language.model import TaskItem, WaitStep
from filemill_gateway.core.workflows import StepShape

DRAWN: Final = 300
"""Steps that a picture can have; of more, nobody sees anything."""


@dataclass(frozen=True, slots=True)
class Items:
    """How far a map is."""

    total: int
    ended: int
    failed: int


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A step in the picture.

    Attributes:
        needs: Ids of the nodes from which a line comes.
        group: Id of the group that it lies in; None at the top.
        detail: What the definition says that it does: type of task, template, signal.
        items: Of a map, how many of its items have ended.
        chosen: Of a condition that has ended, what it chose.
        in_finally: Whether it runs when all others have ended.
    """

    step: StepShape
    needs: tuple[str, ...] = ()
    group: str | None = None
    detail: str = ""
    items: Items | None = None
    chosen: tuple[str, ...] = ()
    in_finally: bool = False

    @property
    def name(self) -> str:
        """What people call it."""
        return self.step.name or self.step.id


@dataclass(frozen=True, slots=True)
class Group:
    """A frame around the steps of a parallel, or of one of its branches.

    Attributes:
        id: A number, as text; the names of branches may hold anything.
        parent: The frame that it lies in; None at the top.
    """

    id: str
    label: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Graph:
    """All of the picture."""

    nodes: tuple[GraphNode, ...]
    groups: tuple[Group, ...] = ()


def graph_of(
    definition: Definition | None,
    steps: Sequence[StepShape],
    items: Mapping[str, Mapping[str, int]],
) -> Graph:
    """Draw a run.

    A line to a step of a parallel comes from the parallel, if it waits for nothing in there; a line from the
    parallel comes from the steps in it that end it. What is under ``finally`` waits for all that nothing else
    waits for.

    Args:
        definition: What the run was started with; without it there are no lines.
        steps: As the run shows them.
        items: Of each map by its id, how many of its items have which status.
    """
    if definition is None:
        return Graph(tuple(GraphNode(step) for step in steps))
    laid = {node.step.id: node for node in placed_nodes(definition)}
    lines = _Lines(laid)
    frames = _Frames(laid)
    return Graph(
        tuple(
            GraphNode(
                step=step,
                needs=tuple(dict.fromkeys(lines.to(step.id))),
                group=frames.of(step.id),
                detail=_detail(laid[step.id]) if step.id in laid else "",
                items=_items(items.get(step.id, {})) if step.type == "map" else None,
                chosen=_chosen(step),
                in_finally=step.id in laid and laid[step.id].in_finally,
            )
            for step in steps
        ),
        tuple(frames.all),
    )


class _Lines:
    """Where the lines come from."""

    def __init__(self, laid: Mapping[str, Placed]) -> None:
        self._laid = laid
        self._inside: dict[str | None, list[str]] = {}
        for name, node in laid.items():
            self._inside.setdefault(node.parent, []).append(name)
        self._needed = {name for node in laid.values() for name in node.depends_on}

    def to(self, name: str) -> Iterator[str]:
        """Give the nodes from which a line goes to one."""
        node = self._laid.get(name)
        if node is None:
            return
        for each in node.depends_on:
            yield from self._ends(each)
        beside = {self._laid[each].parent for each in node.depends_on if each in self._laid}
        if node.parent is not None and node.parent not in beside:
            yield node.parent
        elif node.parent is None and node.in_finally and not node.depends_on:
            for each in self._inside[None]:
                if not self._laid[each].in_finally and each not in self._needed:
                    yield from self._ends(each)

    def _ends(self, name: str) -> Iterator[str]:
        """Give the nodes with which a step ends: of a parallel, those in it that nothing in it waits for."""
        inside = self._inside.get(name, [])
        if not inside:
            yield name
            return
        waited_for = {each for other in inside for each in self._laid[other].depends_on}
        for each in inside:
            if each not in waited_for:
                yield from self._ends(each)


class _Frames:
    """The frames of parallels and branches, numbered."""

    def __init__(self, laid: Mapping[str, Placed]) -> None:
        self.all: list[Group] = []
        self._of: dict[str, str | None] = {}
        self._branches: dict[tuple[str, str], str] = {}
        for name, node in laid.items():  # what a step lies in comes before it
            around = None
            if node.parent is not None:
                around = self._branch(node.parent, node.branch or "")
            if isinstance(node.step, ParallelStep):
                around = self._add(node.step.name or name, around)
            self._of[name] = around

    def of(self, name: str) -> str | None:
        """Give the frame that a step lies in; a parallel lies in its own."""
        return self._of.get(name)

    def _branch(self, parent: str, branch: str) -> str:
        key = (parent, branch)
        if key not in self._branches:
            self._branches[key] = self._add(branch, self._of[parent])
        return self._branches[key]

    def _add(self, label: str, parent: str | None) -> str:
        self.all.append(Group(str(len(self.all)), label, parent))
        return self.all[-1].id


def _detail(node: Placed) -> str:
    match node.step:
        case TaskItem():
            return node.step.task
        case MapStep():
            return node.step.step.task if isinstance(node.step.step, TaskItem) else node.step.step.type
        case SubworkflowStep():
            return node.step.workflow
        case WaitStep() if node.step.signal is not None:
            return node.step.signal.name
        case _:
            return ""


def _items(counts: Mapping[str, int]) -> Items:
    ended = sum(count for status, count in counts.items() if TaskStatus(status).is_final)
    return Items(total=sum(counts.values()), ended=ended, failed=counts.get("failed", 0))


def _chosen(step: StepShape) -> tuple[str, ...]:
    if step.type != "condition" or not step.output:
        return ()
    chosen = step.output.get("chosen")
    return tuple(map(str, chosen)) if isinstance(chosen, list) else ()


def signals_awaited(
    definition: Definition, steps: Sequence[StepShape]
) -> dict[str, dict[str, object] | None]:
    """Give the signals that steps of a run wait for now, each with the JSON Schema of what comes with it."""
    waiting = {step.id for step in steps if step.type == "wait" and step.status == "running"}
    found: dict[str, dict[str, object] | None] = {}
    for node in placed_nodes(definition):
        step = node.step
        if step.id in waiting and isinstance(step, WaitStep) and step.signal is not None:
            found.setdefault(step.signal.name, step.signal.schema_)
    return found
