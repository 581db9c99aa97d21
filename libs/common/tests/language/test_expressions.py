"""What ``${{ … }}`` in a value comes to."""

from typing import Any

import pytest

from filemill_common.language import ExpressionError, references, render
from filemill_common.language.expressions import Wanted, inspect, matches

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


class TestOptionalValues:
    @pytest.mark.parametrize(
        ("expression", "result"),
        [
            ("input.?missing.orValue(1)", 1),
            ("input.?n.orValue(1)", 3),
            ("input[?'missing'].?deeper.orValue('none')", "none"),
            ("input.list[?9].orValue(0)", 0),
            ("input.?missing.hasValue()", False),
            ("input.?missing.or(input.?s).value()", "x"),
            ("input.?n.optMap(n, n * 2).orValue(0)", 6),
            ("[?input.?missing, ?input.?n]", [3]),
            ("{?'a': input.?missing, 'b': 1}", {"b": 1}),
            ("steps.?a.output.?file.orValue('')", "a.webm"),
            ("steps[?'b-1'].?status.orValue('')", "failed"),
        ],
    )
    def test_take_the_place_of_what_may_be_missing(self, expression: str, result: object) -> None:
        assert render(f"${{{{ {expression} }}}}", CONTEXT) == result

    @pytest.mark.parametrize(
        "expression", ["input.?n", "input.?missing", "[input.?n]", "{'a': dyn(input.?n)}"]
    )
    def test_are_no_results(self, expression: str) -> None:
        reason = (
            "the result is optional, which JSON does not have; end it with .orValue(…), or ask it .hasValue()"
        )

        assert failure(f"${{{{ {expression} }}}}") == reason

    def test_are_refused_beforehand_where_that_shows(self) -> None:
        assert [flaw.hint for flaw in inspect("input.?n")[1]] == [
            "end it with .orValue(…), or ask it .hasValue()"
        ]


class TestFunctionsOnText:
    @pytest.mark.parametrize(
        ("expression", "result"),
        [
            ("'abc'.charAt(1) + 'abc'.charAt(3)", "b"),
            ("'a-b-c'.indexOf('-') + 'a-b-c'.indexOf('-', 2)", 4),
            ("'a-b-c'.lastIndexOf('-') + 'a-b-c'.lastIndexOf('-', 2)", 4),
            ("['a', 'b'].join() + ['a', 'b'].join('/')", "aba/b"),
            ("'ÄBc'.lowerAscii() + 'äbC'.upperAscii()", "ÄbcäBC"),
            ("'aaa'.replace('a', 'b') + 'aaa'.replace('a', 'b', 2)", "bbbbba"),
            ("'abc'.reverse()", "cba"),
            ("'a,b,c'.split(',')", ["a", "b", "c"]),
            ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
            ("'a,b,c'.split(',', 0)", []),
            ("'abc'.split('')", ["a", "b", "c"]),
            ("'abc'.split('', 2)", ["a", "bc"]),
            ("'abcd'.substring(2) + 'abcd'.substring(0, 1)", "cda"),
            ("'  a\\n'.trim()", "a"),
            ("strings.quote('a\"b')", '"a\\"b"'),
            ("'%s is %d, %.2f%%, %x'.format(['a', 1, 2.5, 255])", "a is 1, 2.50%, ff"),
            ("'%s'.format([{'a': [1, null]}])", '{"a": [1, null]}'),
            ("input.list.map(x, string(x)).join('x')", "1x2"),
            ("input.s.upperAscii()", "X"),
        ],
    )
    def test_are_those_of_cels_string_extension(self, expression: str, result: object) -> None:
        assert render(f"${{{{ {expression} }}}}", CONTEXT) == result

    @pytest.mark.parametrize(
        ("expression", "reason"),
        [
            ("'abc'.charAt(4)", "no position 4 in a text of 3 characters"),
            ("'abc'.substring(2, 1)", "no position 2 in a text of 3 characters"),
            ("'%d'.format(['a'])", "format cannot write a str as %d"),
            ("'%s%s'.format(['a'])", "format has more places than values"),
            ("[1, 2].join()", "join needs a list of texts"),
            ("('a' + input.s)" + ".replace('', 'aaaa')" * 20, "a text has at most 1048576 characters here"),
            ("[input.s]" + ".join('')" + ".split('')" * 1 + "[5]", "Index error: index=5 size=1"),
        ],
    )
    def test_that_fail_say_why(self, expression: str, reason: str) -> None:
        assert failure(f"${{{{ {expression} }}}}") == reason

    def test_work_on_no_more_than_16_million_characters_at_a_time(self) -> None:
        context = {"input": {"text": "x" * 1_000_000, "list": list(range(100))}}

        with pytest.raises(ExpressionError, match="more than 16777216 characters"):
            render("${{ input.list.all(n, input.text.replace('y', 'z') != '') }}", context)
        assert render("${{ input.text.replace('y', 'z') != '' }}", context) is True


class TestWhatIsWanted:
    @pytest.mark.parametrize(
        ("expression", "wanted", "message"),
        [
            ("input.x > 1", "bool", None),
            ("input.x", "bool", None),
            ("'yes'", "bool", "it gives string, and here stands what gives true or false"),
            ("size(input.x)", "bool", "it gives int, and here stands what gives true or false"),
            ("input.x.filter(y, y > 1)", "list", None),
            ("[1, 2]", "list", None),
            ("{'a': 1}", "list", "it gives map, and here stands what gives a list"),
        ],
    )
    def test_shows_beforehand_where_the_type_is_known(
        self, expression: str, wanted: Wanted, message: str | None
    ) -> None:
        _, flaws = inspect(expression, (), wanted)

        assert [flaw.message for flaw in flaws] == ([] if message is None else [message])


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
            ("steps.?a.output.?file.orValue('')", {"a"}),
            ('steps[?"b-1"].output.orValue(1)', {"b-1"}),
            ("input.?steps.orValue(1)", set()),
            ("input.n > 1 ? steps.a.output : steps.?b.output.orValue(1)", {"a", "b"}),
        ],
    )
    def test_are_the_steps_that_expressions_name(self, expression: str, named: set[str]) -> None:
        assert references({"x": [f"text ${{{{ {expression} }}}}"], "y": 1}) == named

    @pytest.mark.parametrize(
        "expression",
        ["steps", "steps[input.n]", "steps[?input.n]", "steps.?", "size(steps)", "steps['a' + 'b']"],
    )
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
