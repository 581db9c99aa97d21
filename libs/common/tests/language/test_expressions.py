"""What ``${{ … }}`` in a value comes to."""

from typing import Any

import pytest

from filemill_common.language import ExpressionError, references, render
from filemill_common.language.expressions import inspect, matches

CONTEXT: dict[str, object] = {
    "input": {"n": 3, "f": 2.5, "s": "x", "list": [1, 2], "none": None, "on": True, "big": 2**53},
    "steps": {
        "a": {"status": "completed", "output": {"file": "a.webm"}, "error": None},
        "b-1": {"status": "failed", "output": {}, "error": {"code": "x"}},
    },
    "run": {"id": "r1"},
    "event": None,
}


def failure(value: object) -> str:
    with pytest.raises(ExpressionError) as caught:
        render(value, CONTEXT)
    assert not caught.value.retryable
    return caught.value.reason


class TestWholeStrings:
    @pytest.mark.parametrize(
        ("expression", "result"),
        [
            ("input.n", 3),
            ("input.n + 1", 4),
            ("input.f * 2.0", 5.0),
            ("input.list", [1, 2]),
            ("input.none", None),
            ("input.on", True),
            ("input.big + 1", 2**53 + 1),
            ("event", None),
            ("run.id", "r1"),
            ("steps.a.output.file", "a.webm"),
            ('steps["b-1"].error.code', "x"),
            ("steps.`b-1`.status", "failed"),
            ("input.list.map(x, {'n': x})", [{"n": 1}, {"n": 2}]),
            ("{'a': {'b': {'c': 1}}}", {"a": {"b": {"c": 1}}}),
            ("'}}' + \"${{\"", "}}${{"),
            ("has(input.missing) ? 1 : 2", 2),
            ("10u", 10),
            ("size(input.list) // a comment }}\n", 2),
        ],
    )
    def test_keep_the_type_of_the_result(self, expression: str, result: object) -> None:
        rendered = render(f"${{{{{expression}}}}}", CONTEXT)

        assert (rendered, type(rendered)) == (result, type(result))


class TestEmbeddedExpressions:
    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("out/${{ input.s }}-${{input.n}}.webm", "out/x-3.webm"),
            (" ${{ input.n }}", " 3"),
            ("${{ input.on }}${{ input.none }}", "truenull"),
            ("list: ${{ input.list }}", "list: [1, 2]"),
            ("${{ {'a': 'ü'} }}!", '{"a": "ü"}!'),
            ("costs $5", "costs $5"),
            ("$${{ input.n }}", "${{ input.n }}"),
            ("$${{ ${{ input.n }}", "${{ 3"),
            ("$$${{ x }}", "$${{ x }}"),
            ("}} $ {{", "}} $ {{"),
        ],
    )
    def test_become_text(self, text: str, result: str) -> None:
        assert render(text, CONTEXT) == result


class TestRendering:
    def test_goes_through_lists_and_maps_and_leaves_keys_alone(self) -> None:
        value = {"a": ["${{ input.n }}", {"b": "${{ input.s }}!"}], "c": 1.5, "$d": None}

        assert render(value, CONTEXT) == {"a": [3, {"b": "x!"}], "c": 1.5, "$d": None}

    def test_takes_a_name_that_was_not_given_as_null(self) -> None:
        assert render("${{ event == null && input == null }}", {}) is True

    @pytest.mark.parametrize(
        ("expression", "reason"),
        [
            ("input.missing", 'Key not found in map : "missing"'),
            ("input.list[9]", "Index error: index=9 size=2"),
            ("1 / 0", "divide by zero"),
            ("input.n + input.s", "No matching overloads found : _+_(int64, string)"),
            ("steps.c.output", 'Key not found in map : "c"'),
            ("{'a': 1, input.s + '': 2, 'x': 3}", "duplicate key in map"),
            ("0.0 / 0.0", "the result nan is not a number that JSON can hold"),
            ("1.0 / 0.0", "the result inf is not a number that JSON can hold"),
            ("18446744073709551615u", "18446744073709551615 does not fit in 64 bits"),
            ("{1: 2}", "the result has the key 1; keys must be strings"),
            ("b'x'", "the result is of type bytes, which JSON does not have; wrap it in string(…)"),
            (
                "[timestamp('2026-01-01T00:00:00Z')]",
                "the result is of type timestamp, which JSON does not have; wrap it in string(…)",
            ),
            (
                "duration('5s')",
                "the result is of type duration, which JSON does not have; wrap it in string(…)",
            ),
            ("int", "the result is of type type, which JSON does not have; wrap it in string(…)"),
            ("nothing", "no name or function 'nothing' here (line 1, column 1 of the expression)"),
        ],
    )
    def test_that_fails_says_why(self, expression: str, reason: str) -> None:
        assert failure(f"${{{{ {expression} }}}}") == reason

    def test_refuses_long_lists_and_large_results(self) -> None:
        context = {"input": {"long": list(range(1_001)), "list": [0] * 1_000, "text": "x" * 10_000}}

        for expression, reason in (
            ("input.long", "a list of 1001 items; at most 1000 are allowed"),
            ("input.list.map(x, input.text)", "the result is larger than 1048576 bytes"),
            ("input.list.map(x, input.list.map(y, y))", "Iteration budget exceeded"),
        ):
            with pytest.raises(ExpressionError) as caught:
                render(f"${{{{ {expression} }}}}", context)
            assert caught.value.reason == reason

    @pytest.mark.parametrize("value", ["\ud800", object(), 10**400, {(1, 2): 3}])
    def test_refuses_a_context_that_is_no_json(self, value: object) -> None:
        with pytest.raises(ExpressionError):
            render("${{ input }}", {"input": value})


class TestReferences:
    @pytest.mark.parametrize(
        ("expression", "named"),
        [
            ("input.n", set()),
            ("steps.a.output.file", {"a"}),
            ("steps . a . output", {"a"}),
            ("has(steps.a.output.file) ? steps['b-1'].status : \"\"", {"a", "b-1"}),
            ("steps.`b-1`.output", {"b-1"}),
            ("input.steps.a", set()),
            ("'steps.a' + \"steps.b\" + r'\\' + '''steps.'c' '''", set()),
            ("1 // steps.a\n + size(steps.b.output)", {"b"}),
            ("input.list.map(x, steps.a.output[x])", {"a"}),
            (".steps.a.output", {"a"}),
            ("{'k': steps.a.output}.steps", {"a"}),
        ],
    )
    def test_are_the_steps_that_expressions_name(self, expression: str, named: set[str]) -> None:
        assert references({"x": [f"text ${{{{ {expression} }}}}"], "y": 1}) == named

    @pytest.mark.parametrize("expression", ["steps", "steps[input.n]", "size(steps)", "steps['a' + 'b']"])
    def test_are_never_computed(self, expression: str) -> None:
        with pytest.raises(ExpressionError, match="after steps comes the id of a step"):
            references(f"${{{{ {expression} }}}}")

    def test_are_not_in_escaped_text(self) -> None:
        assert references("$${{ steps.a.output }}") == frozenset()


class TestNamesAndDots:
    """Nearly all expressions are paths, and these are checked without the compiler."""

    @pytest.mark.parametrize("word", ["as", "break", "const", "for", "package", "var", "while", "int"])
    def test_a_reserved_word_can_be_a_field(self, word: str) -> None:
        context: dict[str, Any] = {"input": {word: 1}}

        assert inspect(f"input.{word}") == (frozenset(), ())
        assert render(f"${{{{ input.{word} }}}}", context) == 1

    @pytest.mark.parametrize("word", ["in", "true", "false", "null"])
    def test_a_keyword_cannot(self, word: str) -> None:
        _, flaws = inspect(f"input.{word}")

        assert {flaw.code for flaw in flaws} == {"invalid_expression"}


class TestPatterns:
    def test_match_anywhere_and_in_linear_time(self) -> None:
        assert matches("b+", "abc")
        assert not matches("^(a+)+$", "a" * 100_000 + "b")

    def test_that_cannot_be_read_are_errors(self) -> None:
        with pytest.raises(ExpressionError, match="invalid regular expression"):
            matches("(", "")
