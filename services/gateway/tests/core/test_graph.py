"""A run as a picture: where lines come from, and which frames there are."""

from typing import Any

from filemill_common.events import TaskStatus
from filemill_common.language import Definition, load, nodes
from filemill_gateway.core.graph import Graph, Items, graph_of, signals_awaited
from filemill_gateway.core.workflows import StepShape


def defined(*steps: dict[str, Any], **more: Any) -> Definition:
    return load({"name": "films", "steps": [*steps], **more}, task_types=None)


def echo(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "task": "echo", "depends_on": [*needs], **more}


def drawn(definition: Definition, **fields: dict[str, Any]) -> Graph:
    """Draw a run whose steps are as ``fields`` say."""
    steps = [
        StepShape(
            **{"id": node.step.id, "type": node.step.type, "status": TaskStatus.PENDING, "task_id": "t"}
            | fields.get(node.step.id, {})
        )
        for node in nodes(definition)
    ]
    return graph_of(definition, steps, {"all": {"completed": 2, "failed": 1, "running": 4}})


def lines(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {node.step.id: node.needs for node in graph.nodes}


class TestLines:
    def test_come_from_what_a_step_depends_on(self) -> None:
        assert lines(drawn(defined(echo("a"), echo("b", "a"), echo("c", "a", "b")))) == {
            "a": (),
            "b": ("a",),
            "c": ("a", "b"),
        }

    def test_come_from_a_condition_to_what_it_names(self) -> None:
        chosen = {"id": "if", "type": "condition", "cases": [{"when": "true", "then": ["b"]}]}

        assert lines(drawn(defined(chosen, echo("b"))))["b"] == ("if",)

    def test_go_through_a_parallel(self) -> None:
        both = {
            "id": "both",
            "type": "parallel",
            "depends_on": ["a"],
            "branches": {"left": [echo("l1"), echo("l2", "l1")], "right": [echo("r", "a")]},
        }

        assert lines(drawn(defined(echo("a"), both, echo("z", "both")))) == {
            "a": (),
            "both": ("a",),
            "l1": ("both",),
            "l2": ("l1",),
            "r": ("a", "both"),
            "z": ("l2", "r"),
        }

    def test_come_to_finally_from_all_that_nothing_else_waits_for(self) -> None:
        graph = drawn(defined(echo("a"), echo("b", "a"), echo("c"), **{"finally": [echo("end")]}))

        assert lines(graph)["end"] == ("b", "c")
        assert [node.in_finally for node in graph.nodes] == [False, False, False, True]


class TestFrames:
    def test_are_around_a_parallel_and_each_of_its_branches(self) -> None:
        inner = {"id": "inner", "type": "parallel", "branches": {"deep": [echo("d")]}}
        both = {"id": "both", "type": "parallel", "branches": {"left": [echo("l")], "right": [inner]}}

        graph = drawn(defined(both))

        assert [(group.label, group.parent) for group in graph.groups] == [
            ("both", None),
            ("left", "0"),
            ("right", "0"),
            ("inner", "2"),
            ("deep", "3"),
        ]
        assert [(node.step.id, node.group) for node in graph.nodes] == [
            ("both", "0"),
            ("l", "1"),
            ("inner", "3"),
            ("d", "4"),
        ]


class TestAStep:
    def test_items_are_counted(self) -> None:
        each = {"id": "all", "type": "map", "items": "input.list", "step": {"task": "probe"}}
        node = drawn(defined(each, input={"type": "object"})).nodes[0]

        assert (node.items, node.detail) == (Items(total=7, ended=3, failed=1), "probe")

    def test_choice_is_told_once_it_is_made(self) -> None:
        chosen = {"id": "if", "type": "condition", "cases": [{"when": "true", "then": ["b"]}]}
        graph = drawn(defined(chosen, echo("b")), **{"if": {"output": {"chosen": ["b"], "case": 0}}})

        assert graph.nodes[0].chosen == ("b",)


def test_without_a_definition_there_are_steps_and_no_lines() -> None:
    step = StepShape(id="a", status=TaskStatus.RUNNING, task_id="t")

    assert graph_of(None, [step], {}).nodes[0].needs == ()


def test_signals_are_awaited_by_steps_that_run() -> None:
    wait = {"type": "wait", "signal": {"name": "go", "schema": {"type": "object"}}}
    definition = defined(wait | {"id": "a"}, wait | {"id": "b", "signal": "later"})
    steps = [
        StepShape(id="a", type="wait", status=TaskStatus.RUNNING, task_id="1"),
        StepShape(id="b", type="wait", status=TaskStatus.PENDING, task_id="2"),
    ]

    assert signals_awaited(definition, steps) == {"go": {"type": "object"}}
