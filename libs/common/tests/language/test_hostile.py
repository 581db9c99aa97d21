"""Documents that are huge, deep, or meant to do harm."""

import time
from typing import Any

import pytest

from filemill_common.language import InvalidDefinitionError, Problem, load


def step(name: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "task": "echo", "depends_on": list(needs), **fields}


def document(*steps: object) -> dict[str, Any]:
    return {"name": "test", "steps": list(steps)}


def problems(value: object) -> list[Problem]:
    with pytest.raises(InvalidDefinitionError) as caught:
        load(value, task_types=None)
    return list(caught.value.problems)


def places(value: object) -> list[tuple[str, str]]:
    return [(problem.pointer, problem.code) for problem in problems(value)]


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


class TestHostileDocuments:
    @pytest.mark.parametrize(
        ("value", "code"),
        [
            (float("nan"), "out_of_range"),
            (float("-inf"), "out_of_range"),
            (10**400, "out_of_range"),
            (2**63, "out_of_range"),
            ("\ud800", "bad_unicode"),
            (b"x", "wrong_type"),
            (object(), "wrong_type"),
        ],
    )
    def test_a_value_that_json_or_the_store_cannot_hold_is_named(self, value: object, code: str) -> None:
        given = document(step("a", **{"with": {"x": [value]}}), step("b", "c"))

        assert places(given) == [
            ("/steps/0/with/x/0", code),
            ("/steps/1/depends_on/0", "unknown_dependency"),
        ]

    @pytest.mark.parametrize("key", ["\0", "\udfff", 1, None, (1, 2)])
    def test_so_is_a_key(self, key: object) -> None:
        given = document(step("a", **{"with": {"x": {key: 1}}}))

        assert [place for place, _ in places(given)] == ["/steps/0/with/x"]

    @pytest.mark.parametrize("depth", [40, 100_000])
    def test_deep_values_are_refused_without_recursion(self, depth: int) -> None:
        given = document(step("a", **{"with": {"x": nested(depth)}}), nested(depth))

        assert {code for _, code in places(given)} == {"too_deep", "wrong_type"}

    def test_what_is_too_large_is_not_looked_at_further(self) -> None:
        assert places(document(step("a", **{"with": {"x": "y" * 5_000_000}}))) == [("", "too_large")]
        assert places(document(*[0] * 600_000)) == [("", "too_large")]

    def test_there_are_at_most_ten_thousand_steps(self) -> None:
        assert places(document(*(step(f"s{n}") for n in range(10_001)))) == [("/steps", "too_large")]

    def test_misspelt_names_by_the_thousand_do_not_take_long(self) -> None:
        given = document(*(step(f"step{n}", f"stop{n}") for n in range(5_000)))
        began = time.perf_counter()

        assert len(problems(given)) == 1_001
        assert time.perf_counter() - began < 10


class TestSize:
    """Two seconds are promised; the bound here leaves room for a busy machine."""

    def test_a_chain_of_ten_thousand_steps_is_checked_in_time(self) -> None:
        given = document(
            step("s0"),
            *(
                step(
                    f"s{n}",
                    f"s{n - 1}",
                    **{"with": {"a": f"${{{{ steps.s{n - 1}.output.file }}}}", "b": "${{ input.b }}"}},
                )
                for n in range(1, 10_000)
            ),
        )
        began = time.perf_counter()

        assert len(load(given, task_types=None).steps) == 10_000
        assert time.perf_counter() - began < 6

    @pytest.mark.parametrize("shape", ["join", "parallel", "condition", "compiled", "maps"])
    def test_so_is_every_other_shape(self, shape: str) -> None:
        names = [f"s{n}" for n in range(9_999)]
        steps = [step(name) for name in names]
        given = {
            "join": document(*steps, step("end", *names)),
            "parallel": document({"id": "p", "type": "parallel", "branches": {"b": steps}}),
            "condition": document(
                {"id": "c", "type": "condition", "cases": [{"when": "input.x", "then": names}]}, *steps
            ),
            "compiled": document(
                *steps[:1],
                *(
                    step(f"s{n}", f"s{n - 1}", **{"if": f"steps.s{n - 1}.output.n > {n}"})
                    for n in range(1, 9_999)
                ),
            ),
            "maps": document(
                *(
                    {"id": name, "type": "map", "items": "input.x", "step": {"task": "echo", "if": "item.y"}}
                    for name in names
                )
            ),
        }[shape]
        began = time.perf_counter()

        load(given, task_types=None)
        assert time.perf_counter() - began < 6

    def test_steps_of_json_that_nest_deeper_than_the_stack_are_refused(self) -> None:
        inside: dict[str, Any] = step("last")
        for n in range(20_000):
            inside = {"id": f"p{n}", "type": "parallel", "branches": {"b": [inside]}}

        assert "too_deep" in {code for _, code in places(document(inside))}

    def test_a_circle_through_a_thousand_parallels_is_found(self) -> None:
        count = 1_000
        given = document(
            *(
                {
                    "id": f"p{n}",
                    "type": "parallel",
                    "branches": {"b": [step(f"s{n}", f"p{(n + 1) % count}")]},
                }
                for n in range(count)
            )
        )

        assert [code for _, code in places(given)] == ["cyclic_dependency"]

    def test_a_circle_of_ten_thousand_steps_is_found(self) -> None:
        (problem,) = problems(document(*(step(f"s{n}", f"s{n - 1 if n else 9999}") for n in range(10_000))))

        assert problem.message == (
            "these wait for each other: s0 → s9999 → s9998 → s9997 → s9996 → s9995 → … "
            "→ s4 → s3 → s2 → s1 → s0"
        )
