"""What holds for every document."""

import contextlib
import itertools
import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict

from filemill_common.language import (
    Definition,
    ExpressionError,
    InvalidDefinitionError,
    Problem,
    check_input,
    dump,
    load,
    nodes,
    parse_yaml,
    references,
    render,
    workflow_schema,
)
from filemill_common.language.flat import is_flat
from filemill_common.language.problems import parts_of

VALIDATOR = Draft202012Validator(workflow_schema())


class Options(BaseModel):
    name: int = 0


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


QUICK = settings(deadline=None, max_examples=150)

texts = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(categories=["Cs"]), max_size=2),
    st.sampled_from(
        ["${{", "}}", "${{ input.x }}", "a", "b", "task", "1h", "${{ steps.a.output }}", "[1]", "$"]
    ),
)
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([2**63, 10**400, 0, 1]))
fields = st.sampled_from(
    [
        "name",
        "description",
        "steps",
        "id",
        "task",
        "type",
        "with",
        "depends_on",
        "config",
        "order",
        "retry",
        "timeout",
        "notify",
        "events",
        "email",
        "to",
        "webhook",
        "url",
        "input",
        "properties",
        "$ref",
        "pattern",
        "items",
        "status",
        "user_id",
        "required",
        "finally",
        "if",
        "cases",
        "when",
        "then",
        "default",
        "branches",
        "step",
        "as",
        "signal",
        "schema",
        "duration",
        "until",
        "workflow",
        "trigger_rule",
    ]
)
garbage = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(fields, texts), inner, max_size=5),
    ),
    max_leaves=25,
)
kinds = st.sampled_from(["task", "condition", "parallel", "map", "wait", "subworkflow", "other"])
odd_step = st.builds(
    lambda step, kind: {**step, "type": kind} if kind else step,
    st.dictionaries(fields, garbage, max_size=6),
    st.none() | kinds,
)
odder_step = st.builds(
    lambda step, inside, item: {**step, "branches": {"b": inside}, "step": item},
    odd_step,
    st.lists(odd_step, max_size=3),
    odd_step,
)
odd_steps = st.lists(odd_step | odder_step, max_size=4)
documents = st.one_of(
    garbage,
    st.builds(
        lambda steps, rest: {**rest, "name": "x", "steps": steps},
        odd_steps,
        st.dictionaries(fields, garbage, max_size=4),
    ),
)

clean = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda s: "${{" not in s),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
).filter(lambda value: "${{" not in str(value))
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, Any]:
    """A definition whose steps depend on earlier ones, listed in any order."""
    count = draw(st.integers(1, 12))
    steps = []
    for number in range(count):
        before = [f"s{n}" for n in range(number)]
        needs = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        with_ = draw(st.dictionaries(st.sampled_from(["a", "b", "$c.d"]), clean, max_size=2))
        with_ |= {f"from {name}": f"${{{{ steps.{name}.output }}}}" for name in needs}
        step: dict[str, Any] = {"id": f"s{number}", "task": "echo", "depends_on": needs, "with": with_}
        step |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "name": names,
                    "order": st.integers(0, 10**9),
                    "retry": st.fixed_dictionaries(
                        {},
                        optional={
                            "max_retries": st.integers(0, 100),
                            "retry_delay": st.floats(0, 3600),
                        },
                    ),
                    "timeout": st.one_of(
                        st.integers(1, 2_000_000), st.floats(0.001, 2e6), st.just("1d2h3m4.5s")
                    ),
                },
            )
        )
        steps.append(step)
    notify = draw(
        st.lists(st.just({"email": {"to": "a@b", "locale": "en"}, "events": ["workflow.failed"]}), max_size=1)
    )
    return {"name": draw(names), "steps": draw(st.permutations(steps)), "notify": notify}


policies = st.sampled_from(["fail_fast", "drain", "continue"])
options = st.dictionaries(st.sampled_from(["a", "b", "$c.d"]), clean, max_size=2)
common = st.fixed_dictionaries(
    {},
    optional={
        "name": names,
        "allow_failure": st.booleans(),
        "trigger_rule": st.sampled_from(["all_success", "one_failed", "always"]),
    },
)
tasks = st.builds(lambda with_: {"task": "echo", "with": {**with_, "x": "${{ item }}"}}, options)
waits = st.sampled_from(
    [
        {"type": "wait", "duration": "${{ input.pause }}"},
        {"type": "wait", "duration": 1.5},
        {"type": "wait", "until": "2026-11-05T08:00:00+01:00"},
        {"type": "wait", "signal": "go"},
        {
            "type": "wait",
            "signal": {"name": "go", "schema": {"type": "object"}},
            "timeout": 5,
            "on_timeout": "skip",
        },
    ]
)
maps = st.recursive(
    tasks | waits,
    lambda inner: st.builds(
        lambda step, items: {"type": "map", "items": items, "step": step},
        inner,
        st.just("input.list") | st.lists(clean, max_size=2),
    ),
    max_leaves=3,
).map(lambda step: {"type": "map", "items": "input.list", "tolerated_failures": 2, "step": step})


def uses(needs: list[str]) -> st.SearchStrategy[dict[str, str]]:
    """An ``if`` about one of the steps that it waits for."""
    if not needs:
        return st.just({})
    return st.sampled_from(needs).map(lambda name: {"if": f"steps.{name}.?output.x.orValue(1) == 1"})


leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda with_: {"task": "echo", "with": with_}, options),
    st.builds(lambda with_: {"type": "subworkflow", "workflow": "x@2", "with": with_}, options),
    st.builds(
        lambda when: {"type": "condition", "cases": [{"when": when}]}, st.sampled_from(["input.x > 1", True])
    ),
    maps,
    waits,
)


@st.composite
def nested(draw: st.DrawFn) -> dict[str, Any]:
    """A definition with steps of all kinds inside each other; each may wait for and use any before it."""
    ended: list[str] = []
    waited_for: set[str] = set()
    count = itertools.count()

    def one(level: int) -> dict[str, Any]:
        name = f"s{next(count)}"
        needs = draw(st.lists(st.sampled_from(ended), unique=True, max_size=3)) if ended else []
        waited_for.update(needs)
        step = {"id": name, "depends_on": needs, **draw(common), **draw(uses(needs))}
        if level < 4 and draw(st.booleans()):
            branches = {f"{n}{draw(keys)}": several(level + 1) for n in range(draw(st.integers(1, 3)))}
            step |= {"type": "parallel", "branches": branches, "failure_policy": draw(policies)}
        else:
            step |= draw(leaves)
        ended.append(name)
        return step

    def several(level: int) -> list[dict[str, Any]]:
        steps = [one(level) for _ in range(draw(st.integers(1, 3)))]
        for step in steps:
            if step.get("type") == "condition":
                # One that waits for nothing, and for which nothing waits, closes no circle.
                kinds = ("condition", "parallel")
                step["default"] = [
                    each["id"]
                    for each in steps
                    if not each["depends_on"]
                    and each["id"] not in waited_for
                    and each.get("type") not in kinds
                ]
        return steps

    steps = several(1)
    tidy = {"id": "tidy", "task": "echo", "if": "steps.s0.status == 'failed'"}
    return {
        "name": draw(names),
        "failure_policy": draw(policies),
        "steps": steps,
        "finally": draw(st.sampled_from([[], [tidy]])),
    }


def found(document: object) -> tuple[Definition | None, tuple[Problem, ...]]:
    """The definition, or what is wrong; anything else that is raised fails the test."""
    try:
        return load(document, task_types={"a": Options, "echo": Anything}), ()
    except InvalidDefinitionError as error:
        return None, error.problems


def has_room_for(document: object, pointer: str) -> bool:
    """Whether there is something at a pointer, or an object in which it would stand."""
    *around, last = parts_of(pointer) or [""]
    for part in around:
        match document:
            case dict():
                # A problem must be writable, and so shows a lone surrogate as its number.
                shown = {key.encode(errors="backslashreplace").decode(): key for key in document}
                if part not in shown:
                    return False
                document = document[shown[part]]
            case list() if int(part) < len(document):
                document = document[int(part)]
            case _:
                return False
    return isinstance(document, dict) or (isinstance(document, list) and int(last) < len(document))


class TestEveryDocument:
    @settings(QUICK, max_examples=500)
    @given(documents)
    def test_is_a_definition_or_a_list_of_problems(self, document: object) -> None:
        definition, problems = found(document)

        assert (definition is None) == bool(problems)
        assert json.dumps([p.model_dump() for p in problems], ensure_ascii=False).encode()
        assert definition is None or load(dump(definition), task_types=None) == definition

    @QUICK
    @given(documents)
    def test_has_its_problems_at_places_that_it_has(self, document: object) -> None:
        if not isinstance(document, dict) or is_flat(document):
            return
        _, problems = found(document)

        assert [problem.pointer for problem in problems if not has_room_for(document, problem.pointer)] == []

    @QUICK
    @given(garbage, garbage)
    def test_and_its_input_fits_or_does_not(self, schema: object, value: object) -> None:
        definition, _ = found({"name": "x", "input": schema, "steps": [{"id": "a", "task": "a"}]})

        if definition is not None:
            assert len(check_input(definition, value)) <= 100

    @QUICK
    @given(st.one_of(st.text(), garbage.map(json.dumps)))
    def test_as_text_is_read_or_refused(self, text: str) -> None:
        with contextlib.suppress(InvalidDefinitionError):
            json.dumps(parse_yaml(text))

    @QUICK
    @given(garbage)
    def test_and_its_values_are_rendered_or_fail(self, value: object) -> None:
        with contextlib.suppress(ExpressionError):
            references(value)
            render(value, {"input": {"x": value}, "steps": {}})


class TestEveryDefinition:
    @QUICK
    @given(acyclic())
    def test_comes_back_from_its_own_json(self, document: dict[str, Any]) -> None:
        definition = load(document, task_types=None)
        written = json.loads(json.dumps(dump(definition)))

        assert load(written, task_types=None) == definition
        assert dump(load(written, task_types=None)) == written

    @QUICK
    @given(nested())
    def test_of_steps_inside_steps_does_too(self, document: dict[str, Any]) -> None:
        definition = load(document, task_types={"echo": Anything})
        written = json.loads(json.dumps(dump(definition)))

        assert load(written, task_types=None) == definition
        assert dump(load(written, task_types=None)) == written
        assert {node.step.id for node in nodes(definition)} == set(
            re.findall(r"'id': '(\w+)'", str(document))
        )
        assert not [*VALIDATOR.iter_errors(written)]

    @QUICK
    @given(acyclic(), st.data())
    def test_with_a_circle_in_it_is_refused(self, document: dict[str, Any], data: st.DataObject) -> None:
        by_id = {step["id"]: step for step in document["steps"]}
        first = data.draw(st.sampled_from(sorted(by_id)))
        after = {first}
        while more := {i for i, step in by_id.items() if after & set(step["depends_on"])} - after:
            after |= more
        by_id[first]["depends_on"].append(data.draw(st.sampled_from(sorted(after))))

        _, problems = found(document)

        assert "cyclic_dependency" in {problem.code for problem in problems}
