"""YAML is read as far as it is JSON."""

import time

import pytest

from filemill_common.language import InvalidDefinitionError, parse_yaml


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(InvalidDefinitionError) as caught:
        parse_yaml(text)
    (problem,) = caught.value.problems
    return problem.code, problem.message


class TestYaml:
    def test_gives_the_values_of_json(self) -> None:
        text = """
            text: [plain, "1", 'true', 2026-11-05, no, 0x1F, 1_000, .inf, "ü"]
            numbers: [1, -2, +3, 1.5, 1e3, .5, 12345678901234567890]
            words: [true, False, null, ~, ]
            on: {1: a}
            block: |
              two
              lines
            empty:
        """

        assert parse_yaml(text) == {
            "text": ["plain", "1", "true", "2026-11-05", "no", "0x1F", "1_000", ".inf", "ü"],
            "numbers": [1, -2, 3, 1.5, 1000.0, 0.5, 12345678901234567890],
            "words": [True, False, None, None],
            "on": {"1": "a"},
            "block": "two\nlines\n",
            "empty": None,
        }

    def test_includes_json(self) -> None:
        assert parse_yaml('{"a": [1, {"b": null}], "c": "\\u00fc"}') == {"a": [1, {"b": None}], "c": "ü"}

    def test_of_nothing_is_null(self) -> None:
        assert parse_yaml("# only a comment") is None

    @pytest.mark.parametrize(
        ("text", "code", "message"),
        [
            (
                "a: &x 1\nb: *x",
                "unsupported_yaml",
                "aliases and anchors are not supported (line 1, column 4)",
            ),
            ("b: *x", "unsupported_yaml", "aliases and anchors are not supported (line 1, column 4)"),
            ("!!python/object:os.system x", "unsupported_yaml", "tags are not supported (line 1, column 1)"),
            ("a: 1\na: 2", "duplicate_key", "the key 'a' is there twice (line 2, column 1)"),
            ("[a]: 1", "invalid_yaml", "a key must be a string (line 1, column 1)"),
            ("a: 1\n--- \nb: 2", "invalid_yaml", "there is more than one document (line 2, column 1)"),
            ("a: [1", "invalid_yaml", "did not find expected ',' or ']' (line 2, column 1)"),
            ("a: b: c", "invalid_yaml", "mapping values are not allowed in this context (line 1, column 5)"),
            ("[" * 40, "too_deep", "values nest at most 32 levels deep (line 1, column 33)"),
        ],
    )
    def test_beyond_that_is_refused_with_its_place(self, text: str, code: str, message: str) -> None:
        assert refusal(text) == (code, message)

    @pytest.mark.parametrize("text", ["\ud800", "a\0b", "\x07"])
    def test_refuses_what_is_no_text(self, text: str) -> None:
        assert refusal(text)[0] == "invalid_yaml"

    def test_is_bounded(self) -> None:
        assert refusal("a" * 4_194_305)[0] == "too_large"

    @pytest.mark.parametrize("text", ["[" * 200_000, "{" * 200_000, "- " * 200_000, "[{" * 100_000])
    def test_cannot_hold_up_the_reader(self, text: str) -> None:
        began = time.perf_counter()

        refusal(text)

        assert time.perf_counter() - began < 2
