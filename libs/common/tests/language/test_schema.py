"""The input of a run is checked against the schema in its definition."""

import time
from typing import Any

import pytest

from filemill_common.language import InvalidDefinitionError, Problem, check_input, load
from filemill_common.language.model import Definition


def definition(schema: object) -> Definition:
    step = {"id": "a", "task": "echo"}
    return load({"name": "x", "input": schema, "steps": [step]}, task_types=None)


def refused(schema: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinitionError) as caught:
        definition(schema)
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


class TestInput:
    def test_that_fits_has_no_problems(self) -> None:
        schema = {
            "type": "object",
            "required": ["input_file"],
            "properties": {"input_file": {"type": "string", "pattern": r"\.mp4$"}},
            "$defs": {"size": {"type": "integer"}},
            "additionalProperties": {"$ref": "#/$defs/size"},
        }

        assert check_input(definition(schema), {"input_file": "a.mp4", "n": 1}) == ()

    def test_that_does_not_fit_shows_every_problem(self) -> None:
        schema = {
            "type": "object",
            "required": ["a"],
            "properties": {"b": {"type": "integer"}, "c": {"pattern": "^x"}, "d": {"enum": [1]}},
            "additionalProperties": False,
        }

        assert check_input(definition(schema), {"b": "1", "c": "y", "d": True, "e~/": 0}) == (
            Problem(pointer="/input", code="missing_field", message="'a' is a required property"),
            Problem(pointer="/input/b", code="wrong_type", message="'1' is not of type 'integer'"),
            Problem(pointer="/input/c", code="invalid_value", message="'y' does not match '^x'"),
            Problem(pointer="/input/d", code="invalid_value", message="True is not one of [1]"),
            Problem(
                pointer="/input",
                code="unknown_field",
                message="Additional properties are not allowed ('e~/' was unexpected)",
            ),
        )

    def test_may_be_anything_where_there_is_no_schema(self) -> None:
        assert check_input(definition(None), {"any": ["thing"]}) == ()

    @pytest.mark.parametrize("value", [float("nan"), 2**64, "\ud800", object()])
    def test_must_be_json_all_the_same(self, value: object) -> None:
        (problem,) = check_input(definition(None), {"a": [value]})

        assert problem.pointer == "/input/a/0"

    @pytest.mark.parametrize(
        ("items", "is_unique"),
        [([1, True, "1", [1], [True]], True), ([{"a": 1, "b": 2}, {"b": 2, "a": 1.0}], False)],
    )
    def test_items_are_unique_as_json_sees_it(self, items: list[object], is_unique: bool) -> None:
        assert (check_input(definition({"uniqueItems": True}), items) == ()) is is_unique


class TestSchemas:
    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": "text"}, [("/input/type", "invalid_schema")]),
            ({"properties": {"a": {"minimum": "0"}}}, [("/input/properties/a/minimum", "invalid_schema")]),
            ({"pattern": "("}, [("/input/pattern", "invalid_schema")]),
            ({"pattern": "(?=a)"}, [("/input/pattern", "invalid_schema")]),
            ({"$ref": "https://example.com/x"}, [("/input/$ref", "unsupported_schema")]),
            ({"$ref": "#/$defs/gone"}, [("/input/$ref", "unsupported_schema")]),
            ({"items": {"$ref": "file:///etc/passwd"}}, [("/input/items/$ref", "unsupported_schema")]),
            (
                {"$schema": "http://json-schema.org/draft-04/schema#"},
                [("/input/$schema", "unsupported_schema")],
            ),
            ({"patternProperties": {"(a+)+$": {}}}, [("/input/patternProperties", "unsupported_schema")]),
            ({"anyOf": [{"const": n} for n in range(3_000)]}, [("/input", "too_large")]),
        ],
    )
    def test_are_checked_with_the_definition(
        self, schema: dict[str, Any], expected: list[tuple[str, str]]
    ) -> None:
        assert refused(schema) == expected

    def test_may_have_properties_named_like_keywords(self) -> None:
        schema = {"properties": {"$id": {"const": {"$ref": "x"}}, "pattern": {"type": "string"}}}

        assert check_input(definition(schema), {"$id": {"$ref": "x"}, "pattern": "("}) == ()

    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "#"},
            {
                "$defs": {
                    **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)},
                    "d60": {},
                },
                "$ref": "#/$defs/d0",
            },
        ],
    )
    def test_cannot_hold_up_the_check(self, schema: dict[str, Any]) -> None:
        began = time.perf_counter()

        (problem,) = check_input(definition(schema), {})

        assert problem.code == "too_complex"
        assert time.perf_counter() - began < 20

    def test_cannot_hold_it_up_by_a_pattern(self) -> None:
        (problem,) = check_input(definition({"pattern": "^(a+)+$"}), "a" * 50_000 + "b")

        assert problem.code == "invalid_value"
        assert len(problem.message) == 300
