"""A definition as the flat list of steps that a run consists of: what lies in what, what waits for what."""

from collections.abc import Iterator
from dataclasses import dataclass

from filemill_common.language.model import (
    ConditionStep,
    Definition,
    Item,
    MapItem,
    ParallelStep,
    Step,
    TaskItem,
)
from filemill_common.language.problems import pointer


@dataclass(frozen=True, slots=True)
class Node:
    """A step, and its place among all others.

    Attributes:
        index: Counts the steps in the order of the definition; what a step lies in comes before it.
        parent: Id of the ``parallel`` that it lies in; None at the top.
        branch: Name of the branch there.
        in_finally: Whether it lies, at whatever depth, under ``finally``.
        depends_on: What it waits for: what it says, then the conditions that name it.
        named_by: The conditions that name it.
    """

    step: Step
    index: int
    parent: str | None
    branch: str | None
    in_finally: bool
    depends_on: tuple[str, ...]
    named_by: tuple[str, ...]


def nodes(definition: Definition) -> tuple[Node, ...]:
    """Lay the steps of a definition out, in its order."""
    placed = [*_walk(definition)]
    named_by: dict[str, list[str]] = {}
    for step, *_ in placed:
        if isinstance(step, ConditionStep):
            for name in step.named:
                named_by.setdefault(name, []).append(step.id)
    return tuple(
        Node(
            step=step,
            index=index,
            parent=parent,
            branch=branch,
            in_finally=in_finally,
            depends_on=tuple(dict.fromkeys((*step.depends_on, *named_by.get(step.id, ())))),
            named_by=tuple(named_by.get(step.id, ())),
        )
        for index, (step, parent, branch, in_finally) in enumerate(placed)
    )


def task_places(definition: Definition) -> Iterator[tuple[str, TaskItem]]:
    """Give every task of a definition, those in branches, maps and ``finally`` too, with its pointer.

    The pointer (RFC 6901) is one into our shape; `pointers_of` says where that was in a flat document.
    """
    for name, steps in (("steps", definition.steps), ("finally", definition.finally_)):
        for at, step in enumerate(steps):
            yield from _tasks(step, pointer(name, at))


def _tasks(step: Step | Item, place: str) -> Iterator[tuple[str, TaskItem]]:
    match step:
        case TaskItem():
            yield place, step
        case MapItem():
            yield from _tasks(step.step, f"{place}/step")
        case ParallelStep():
            for branch, steps in step.branches.items():
                for at, each in enumerate(steps):
                    yield from _tasks(each, place + pointer("branches", branch, at))
        case _:
            pass


_Placed = tuple[Step, str | None, str | None, bool]


def _walk(definition: Definition) -> Iterator[_Placed]:
    for step in definition.steps:
        yield from _inside((step, None, None, False))
    for step in definition.finally_:
        yield from _inside((step, None, None, True))


def _inside(placed: _Placed) -> Iterator[_Placed]:
    yield placed
    step, _, _, in_finally = placed
    if isinstance(step, ParallelStep):
        for branch, steps in step.branches.items():
            for each in steps:
                yield from _inside((each, step.id, branch, in_finally))
