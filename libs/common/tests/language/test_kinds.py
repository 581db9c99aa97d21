"""What is said about steps of each kind, about steps inside steps, and about what they are to each other."""

from typing import Any

import pytest

from filemill_common.language import (
    Definition,
    InvalidDefinitionError,
    Problem,
    check_value,
    load,
    parse_yaml,
    task_places,
)
from filemill_common.task_types import option_models


def workflow(steps: str, **fields: Any) -> dict[str, Any]:
    """A workflow whose steps are written in YAML, one a line."""
    return {"name": "test", "steps": parse_yaml(steps), **fields}


def problems(document: object) -> list[Problem]:
    with pytest.raises(InvalidDefinitionError) as caught:
        load(document, task_types=option_models())
    return list(caught.value.problems)


def places(document: object) -> list[tuple[str, str]]:
    return [(problem.pointer, problem.code) for problem in problems(document)]


def loaded(document: object) -> Definition:
    return load(document, task_types=option_models())


def nested(levels: int, innermost: str = "{id: last, task: echo}") -> str:
    """One step inside another, ``levels`` in all."""
    text = innermost
    for level in range(levels - 1):
        text = f"{{id: p{level}, type: parallel, branches: {{b: [{text}]}}}}"
    return f"[{text}]"


class TestFieldsOfEachKind:
    @pytest.mark.parametrize(
        ("step", "expected"),
        [
            ("{id: a}", [("/task", "missing_field")]),
            ("{id: a, type: 5}", [("/type", "wrong_type")]),
            ("{id: a, type: loop}", [("/type", "unsupported_step_type")]),
            ("{id: a, task: echo, if: 5}", [("/if", "wrong_type")]),
            ("{id: a, task: echo, if: ''}", [("/if", "invalid_value")]),
            ("{id: a, task: echo, if: '1 +'}", [("/if", "invalid_expression")]),
            ("{id: a, task: echo, if: '1 + 1'}", [("/if", "invalid_expression")]),
            ("{id: a, task: echo, if: 'x ${{ input.a }}'}", [("/if", "invalid_expression")]),
            ("{id: a, task: echo, allow_failure: 1}", [("/allow_failure", "wrong_type")]),
            ("{id: a, task: echo, trigger_rule: any}", [("/trigger_rule", "invalid_value")]),
            ("{id: a, task: echo, retry: {max: 1}}", [("/retry/max", "unknown_field")]),
            ("{id: a, type: condition}", [("/cases", "missing_field")]),
            ("{id: a, type: condition, cases: []}", [("/cases", "invalid_value")]),
            ("{id: a, type: condition, cases: [{then: []}]}", [("/cases/0/when", "missing_field")]),
            (
                "{id: a, type: condition, cases: [{when: input.x, than: []}]}",
                [("/cases/0/than", "unknown_field")],
            ),
            ("{id: a, type: condition, cases: [{when: '[1]'}]}", [("/cases/0/when", "invalid_expression")]),
            ("{id: a, type: condition, cases: [{when: x.y}]}", [("/cases/0/when", "undeclared_name")]),
            (
                "{id: a, type: condition, cases: [{when: true}], default: [a-]}",
                [("/default/0", "unknown_dependency")],
            ),
            ("{id: a, type: parallel}", [("/branches", "missing_field")]),
            ("{id: a, type: parallel, branches: {}}", [("/branches", "invalid_value")]),
            ("{id: a, type: parallel, branches: []}", [("/branches", "wrong_type")]),
            ("{id: a, type: parallel, branches: {b: {}}}", [("/branches/b", "wrong_type")]),
            ("{id: a, type: parallel, branches: {'': []}}", [("/branches/", "invalid_value")]),
            ("{id: a, type: parallel, branches: {b/c: [5]}}", [("/branches/b~1c/0", "wrong_type")]),
            (
                "{id: a, type: parallel, branches: {b: []}, failure_policy: stop}",
                [("/failure_policy", "invalid_value")],
            ),
            ("{id: a, type: map, items: input.x}", [("/step", "missing_field")]),
            ("{id: a, type: map, step: {task: echo}}", [("/items", "missing_field")]),
            ("{id: a, type: map, items: {}, step: {task: echo}}", [("/items", "wrong_type")]),
            (
                "{id: a, type: map, items: 'size(input.x)', step: {task: echo}}",
                [("/items", "invalid_expression")],
            ),
            (
                "{id: a, type: map, items: ['${{ b }}'], step: {task: echo}}",
                [("/items/0", "undeclared_name")],
            ),
            ("{id: a, type: map, items: [], as: a b, step: {task: echo}}", [("/as", "invalid_value")]),
            ("{id: a, type: map, items: [], as: in, step: {task: echo}}", [("/as", "reserved_name")]),
            ("{id: a, type: map, items: [], step: [echo]}", [("/step", "wrong_type")]),
            (
                "{id: a, type: map, items: [], step: {type: condition}}",
                [("/step/type", "unsupported_step_type")],
            ),
            ("{id: a, type: map, items: [], step: {task: ehco}}", [("/step/task", "unknown_task_type")]),
            (
                "{id: a, type: map, items: [], step: {task: echo, order: 1}}",
                [("/step/order", "unknown_field")],
            ),
            (
                "{id: a, type: map, items: [], step: {type: map, items: [], "
                "step: {task: sleep, with: {x: 1}}}}",
                [("/step/step/with/seconds", "invalid_options"), ("/step/step/with/x", "invalid_options")],
            ),
            (
                "{id: a, type: map, items: [], step: {task: echo}, max_concurrency: 0}",
                [("/max_concurrency", "invalid_value")],
            ),
            ("{id: a, type: wait}", [("", "invalid_value")]),
            ("{id: a, type: wait, duration: soon}", [("/duration", "invalid_value")]),
            ("{id: a, type: wait, duration: -1}", [("/duration", "invalid_value")]),
            ("{id: a, type: wait, duration: '${{ soon }}'}", [("/duration", "undeclared_name")]),
            ("{id: a, type: wait, until: tomorrow}", [("/until", "invalid_value")]),
            ("{id: a, type: wait, until: '2026-11-05T08:00:00'}", [("/until", "invalid_value")]),
            ("{id: a, type: wait, duration: 1, timeout: 5}", [("", "invalid_value")]),
            ("{id: a, type: wait, signal: a b}", [("/signal", "invalid_value")]),
            ("{id: a, type: wait, signal: {name: a b}}", [("/signal/name", "invalid_value")]),
            (
                "{id: a, type: wait, signal: {name: b, schema: {type: x}}}",
                [("/signal/schema/type", "invalid_schema")],
            ),
            (
                "{id: a, type: wait, signal: {name: b, schema: {$id: x}}}",
                [("/signal/schema/$id", "unsupported_schema")],
            ),
            ("{id: a, type: wait, signal: b, on_timeout: go}", [("/on_timeout", "invalid_value")]),
            ("{id: a, type: subworkflow}", [("/workflow", "missing_field")]),
            ("{id: a, type: subworkflow, workflow: a}", [("/workflow", "invalid_value")]),
            ("{id: a, type: subworkflow, workflow: a@0}", [("/workflow", "invalid_value")]),
            (
                "{id: a, type: subworkflow, workflow: a@1, with: {x: '${{ y }}'}}",
                [("/with/x", "undeclared_name")],
            ),
        ],
    )
    def test_are_checked_where_they_stand(self, step: str, expected: list[tuple[str, str]]) -> None:
        document = workflow(f"[{step}]")

        assert places(document) == [("/steps/0" + place, code) for place, code in expected]

    @pytest.mark.parametrize("kind", ["condition", "parallel", "map", "wait", "subworkflow"])
    def test_that_belong_to_a_task_say_so(self, kind: str) -> None:
        found = problems(workflow(f"[{{id: a, type: {kind}, retry: {{}}}}]"))

        (problem,) = (each for each in found if each.pointer == "/steps/0/retry")
        assert problem.suggestion == "leave it out: only steps of type task have it"

    def test_are_checked_everywhere_at_once(self) -> None:
        document = workflow(
            """
            - {id: a, task: ehco}
            - {id: p, type: parallel,
               branches: {left: [{id: l, task: sleep, with: {secs: 1}}, {id: a, task: echo}]}}
            - {id: m, type: map, items: input.x, as: file, step: {task: echo, with: {f: "${{ fil.name }}"}}}
            - {id: c, type: condition, cases: [{when: "input.?x", then: [nobody]}]}
            """,
            **{"finally": [{"id": "f", "task": "echo", "depends_on": ["ff"]}, {"task": "echo"}]},
        )

        assert places(document) == [
            ("/finally/0/depends_on/0", "unknown_dependency"),
            ("/finally/1/id", "missing_field"),
            ("/steps/0/task", "unknown_task_type"),
            ("/steps/1/branches/left/0/with/seconds", "invalid_options"),
            ("/steps/1/branches/left/0/with/secs", "invalid_options"),
            ("/steps/1/branches/left/1/id", "duplicate_step"),
            ("/steps/2/step/with/f", "undeclared_name"),
            ("/steps/3/cases/0/then/0", "unknown_dependency"),
            ("/steps/3/cases/0/when", "invalid_expression"),
        ]


class TestWhatStepsAreToEachOther:
    @pytest.mark.parametrize(
        "steps",
        [
            "[{id: a, task: echo, depends_on: [l]},"
            " {id: p, type: parallel, branches: {x: [{id: l, task: echo}]}}]",
            "[{id: a, task: echo},"
            " {id: p, type: parallel, branches: {x: [{id: l, task: echo, depends_on: [a]}]}}]",
            "[{id: p, type: parallel, branches: {x: [{id: l, task: echo}],"
            " y: [{id: r, task: echo, depends_on: [l]}]}}]",
            "[{id: c, type: condition, cases: [{when: true, then: [a, b]}], default: [a]},"
            " {id: a, task: echo}, {id: b, task: echo, depends_on: [c, a]}]",
            "[{id: p, type: parallel, branches: {x: ["
            "{id: c, type: condition, cases: [{when: true, then: [d]}]}, {id: d, task: echo}]}}]",
        ],
    )
    def test_may_cross_the_bounds_of_a_parallel_and_follow_a_choice(self, steps: str) -> None:
        loaded(workflow(steps))

    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            (
                "[{id: p, type: parallel, depends_on: [l], branches: {x: [{id: l, task: echo}]}}]",
                [("/steps/0/depends_on/0", "cyclic_dependency")],
            ),
            (
                "[{id: p, type: parallel, branches: {x: [{id: q, type: parallel, branches: {y: ["
                "{id: l, task: echo, depends_on: [p]}]}}]}}]",
                [("/steps/0/branches/x/0/branches/y/0/depends_on/0", "cyclic_dependency")],
            ),
            (
                "[{id: p, type: parallel, depends_on: [a], branches: {x: [{id: l, task: echo}]}},"
                " {id: a, task: echo, depends_on: [l]}]",
                [("/steps/0/depends_on", "cyclic_dependency")],
            ),
            (
                "[{id: c, type: condition, depends_on: [a], cases: [{when: true, then: [a]}]},"
                " {id: a, task: echo}]",
                [("/steps/0/depends_on", "cyclic_dependency")],
            ),
            (
                "[{id: c, type: condition, cases: [{when: true, then: [c, a, a]}]}, {id: a, task: echo}]",
                [
                    ("/steps/0/cases/0/then/0", "cyclic_dependency"),
                    ("/steps/0/cases/0/then/2", "duplicate_dependency"),
                ],
            ),
            (
                "[{id: p, type: parallel, branches: {x: [{id: c, type: condition, cases: [{when: true}],"
                " default: [a]}]}}, {id: a, task: echo}]",
                [("/steps/0/branches/x/0/default/0", "not_beside")],
            ),
            (
                "[{id: p, type: parallel, branches: {x: [{id: c, type: condition, cases: [{when: true}],"
                " default: [l]}], y: [{id: l, task: echo}]}}]",
                [("/steps/0/branches/x/0/default/0", "not_beside")],
            ),
        ],
    )
    def test_is_refused_where_it_could_never_be(self, steps: str, expected: list[tuple[str, str]]) -> None:
        assert places(workflow(steps)) == expected

    def test_is_not_confused_by_two_of_one_name(self) -> None:
        document = workflow("[{id: p, type: parallel, branches: {b: [{id: p, task: echo}]}}]")

        assert places(document) == [("/steps/0/branches/b/0/id", "duplicate_step")]

    def test_ends_at_finally(self) -> None:
        document = workflow(
            "[{id: a, task: echo, depends_on: [f]}, {id: b, task: echo, with: {x: '${{ steps.f.output }}'}}]",
            **{
                "finally": parse_yaml(
                    "[{id: f, task: echo, depends_on: [b]}, {id: g, task: echo, depends_on: [f]}]"
                )
            },
        )

        assert places(document) == [
            ("/finally/0/depends_on/0", "finally_dependency"),
            ("/steps/0/depends_on/0", "finally_dependency"),
            ("/steps/1/with/x", "dependency_missing"),
        ]

    def test_lets_finally_use_all_that_ended_before(self) -> None:
        uses = {"x": "${{ steps.l.?output.x.orValue(run.status) }}"}
        tidy = {"id": "tidy", "task": "echo", "if": "steps.a.status == 'failed'", "with": uses}

        loaded(
            workflow(
                "[{id: a, task: echo}, {id: p, type: parallel, branches: {x: [{id: l, task: echo}]}}]",
                **{"finally": [tidy]},
            )
        )


class TestExpressions:
    @pytest.mark.parametrize(
        ("steps", "is_valid"),
        [
            ("{id: m, type: map, items: steps.a.output.l, depends_on: [a], step: {task: echo}}", True),
            ("{id: m, type: map, items: steps.a.output.l, step: {task: echo}}", False),
            ("{id: m, type: map, items: [1], step: {task: echo, if: steps.a.output.ok}}", False),
            ("{id: w, type: wait, depends_on: [a], duration: '${{ steps.a.output.s }}s'}", True),
            ("{id: w, type: wait, until: '${{ steps.a.output.at }}'}", False),
            ("{id: b, task: echo, if: steps.a.status == 'failed', depends_on: [a]}", True),
            ("{id: b, task: echo, if: steps.a.status == 'failed'}", False),
            (
                "{id: p, type: parallel, depends_on: [a],"
                " branches: {x: [{id: l, task: echo, if: steps.a.output.x}]}}",
                True,
            ),
            ("{id: p, type: parallel, branches: {x: [{id: l, task: echo, if: steps.p.output.x}]}}", False),
            ("{id: b, task: echo, with: {x: '${{ steps.?a.output.x.orValue(1) }}'}}", False),
            (
                "{id: b, task: echo, with: {x: '${{ steps[?\"a\"].output.x.orValue(1) }}'}, depends_on: [a]}",
                True,
            ),
        ],
    )
    def test_use_only_what_comes_before(self, steps: str, is_valid: bool) -> None:
        document = workflow(f"[{{id: a, task: echo}}, {steps}]")

        if is_valid:
            loaded(document)
        else:
            assert [problem.code for problem in problems(document)] == ["dependency_missing"]

    def test_of_a_step_after_a_parallel_may_use_what_lies_in_it(self) -> None:
        loaded(
            workflow(
                "[{id: p, type: parallel, branches: {x: [{id: l, task: echo}]}},"
                " {id: z, task: echo, depends_on: [p], if: steps.l.output.x}]"
            )
        )

    def test_of_a_chosen_step_may_use_its_condition(self) -> None:
        loaded(
            workflow(
                "[{id: c, type: condition, cases: [{when: true, then: [a]}]},"
                " {id: a, task: echo, with: {case: '${{ steps.c.output.case }}'}}]"
            )
        )

    def test_in_a_map_see_the_items_of_all_maps_around(self) -> None:
        inner = "{task: echo, with: {x: '${{ row.name + cell.name }}', y: '${{ cell.name }}'}}"
        document = workflow(
            f"[{{id: m, type: map, items: input.x, as: row, step: {{type: map, items: row.cells, as: cell,"
            f" step: {inner}}}}}]"
        )

        loaded(document)
        document["steps"][0]["step"]["items"] = "cell.cells"
        assert places(document) == [("/steps/0/step/items", "undeclared_name")]

    def test_see_no_item_outside_its_map(self) -> None:
        document = workflow(
            "[{id: m, type: map, items: item.x, if: item.y, step: {task: echo}},"
            " {id: b, task: echo, if: item.z}]"
        )

        assert places(document) == [
            ("/steps/0/if", "undeclared_name"),
            ("/steps/0/items", "undeclared_name"),
            ("/steps/1/if", "undeclared_name"),
        ]

    @pytest.mark.parametrize("word", ["input", "steps", "run", "event", "in", "true", "null", "for", "int"])
    def test_keep_their_words(self, word: str) -> None:
        document = workflow("[{id: m, type: map, items: [], step: {task: echo}}]")
        document["steps"][0]["as"] = word

        assert places(document) == [("/steps/0/as", "reserved_name")]


class TestBounds:
    def test_steps_lie_eight_levels_deep(self) -> None:
        loaded(workflow(nested(8)))

        (problem,) = problems(workflow(nested(9)))
        assert (problem.pointer.count("/branches/"), problem.code) == (8, "too_deep")

    def test_a_map_is_a_level_too(self) -> None:
        in_map = "{id: m, type: map, items: [1], step: {task: echo}}"

        loaded(workflow(nested(7, in_map)))
        assert [problem.code for problem in problems(workflow(nested(8, in_map)))] == ["too_deep"]

    def test_there_are_ten_thousand_steps_in_all(self) -> None:
        branches = {f"b{b}": [{"id": f"s{b}-{n}", "task": "echo"} for n in range(99)] for b in range(100)}
        steps = [{"id": "p", "type": "parallel", "branches": branches}]
        tidy = [{"id": f"t{n}", "task": "echo"} for n in range(99)]

        assert len(list(task_places(loaded({"name": "x", "steps": steps, "finally": tidy})))) == 9_999
        tidy += [{"id": "u", "task": "echo"}]
        assert places({"name": "x", "steps": steps, "finally": tidy}) == [("/steps", "too_large")]

    def test_a_list_of_items_has_a_thousand(self) -> None:
        document = workflow("[{id: m, type: map, items: [], step: {task: echo}}]")
        document["steps"][0]["items"] = [1] * 1_000

        loaded(document)
        document["steps"][0]["items"] = [1] * 1_001
        assert places(document) == [("/steps/0/items", "too_large")]


class TestTaskPlaces:
    def test_are_all_tasks_with_their_pointers(self) -> None:
        definition = loaded(
            workflow(
                """
                - {id: a, task: echo}
                - {id: p, type: parallel, branches: {x/y: [{id: l, task: sleep, with: {seconds: 1}}]}}
                - {id: m, type: map, items: [1], step: {type: map, items: [1], step: {task: fail}}}
                - {id: w, type: wait, duration: 1}
                """,
                **{"finally": [{"id": "f", "task": "echo"}]},
            )
        )

        assert [(place, task.task) for place, task in task_places(definition)] == [
            ("/steps/0", "echo"),
            ("/steps/1/branches/x~1y/0", "sleep"),
            ("/steps/2/step/step", "fail"),
            ("/finally/0", "echo"),
        ]


class TestWhatComesWithASignal:
    def test_is_checked_against_its_schema(self) -> None:
        schema = {"type": "object", "required": ["approved"], "properties": {"approved": {"type": "boolean"}}}

        assert check_value(schema, {"approved": True}, "payload") == ()
        assert check_value(None, {"anything": 1}, "payload") == ()
        (problem,) = check_value(schema, {"approved": 1}, "payload")
        assert (problem.pointer, problem.code) == ("/payload/approved", "wrong_type")
