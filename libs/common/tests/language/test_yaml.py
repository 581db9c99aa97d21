"""YAML is read as far as it is JSON."""

import time

import pytest

from filemill_common.language import InvalidDefinitionError, parse_yaml, read_yaml


def refusal(text: str) -> tuple[str, str]:
    """Code, and message with the place behind it."""
    with pytest.raises(InvalidDefinitionError) as caught:
        parse_yaml(text)
    (problem,) = caught.value.problems
    return problem.code, f"{problem.message} ({problem.line}:{problem.column})"


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
            ("b: *x", "invalid_yaml", "no anchor 'x' before this (1:4)"),
            ("a: &x [1, *x]", "unsupported_yaml", "the alias 'x' stands inside what it names (1:11)"),
            ("a: &x {b: {c: *x}}", "unsupported_yaml", "the alias 'x' stands inside what it names (1:15)"),
            (
                "a: &x {b: 1}\nc:\n  <<: *x",
                "unsupported_yaml",
                "merge keys (<<) are not supported (3:3)",
            ),
            ("a: &x [1]\n*x : 2", "invalid_yaml", "a key must be a string (2:1)"),
            ("!!python/object:os.system x", "unsupported_yaml", "tags are not supported (1:1)"),
            ("a: 1\na: 2", "duplicate_key", "the key 'a' is there twice (2:1)"),
            ("[a]: 1", "invalid_yaml", "a key must be a string (1:1)"),
            ("a: 1\n--- \nb: 2", "invalid_yaml", "there is more than one document (2:1)"),
            ("a: [1", "invalid_yaml", "did not find expected ',' or ']' (2:1)"),
            ("a: b: c", "invalid_yaml", "mapping values are not allowed in this context (1:5)"),
            ("[" * 40, "too_deep", "values nest at most 32 levels deep (1:33)"),
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


class TestAliases:
    def test_stand_for_what_their_anchor_names(self) -> None:
        text = """
            a: &retry {max_retries: 5}
            b: [*retry, *retry]
            c: &word text
            d: *word
            "<<": a quoted key is text
        """

        assert parse_yaml(text) == {
            "a": {"max_retries": 5},
            "b": [{"max_retries": 5}] * 2,
            "c": "text",
            "d": "text",
            "<<": "a quoted key is text",
        }

    def test_take_the_last_anchor_of_a_name(self) -> None:
        assert parse_yaml("[&x 1, *x, &x 2, *x]") == [1, 1, 2, 2]

    def test_are_at_most_a_thousand(self) -> None:
        parse_yaml("[&x 1" + ", *x" * 1_000 + "]")

        assert refusal("[&x 1" + ", *x" * 1_001 + "]")[0] == "too_large"

    def test_count_with_all_that_they_stand_for(self) -> None:
        laughs = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
        )
        began = time.perf_counter()

        assert refusal(laughs)[0] == "too_large"
        assert refusal(f"[&x {'y' * 100_000}{', *x' * 50}]")[0] == "too_large"
        assert time.perf_counter() - began < 2

    def test_nest_no_deeper_than_what_is_written_out(self) -> None:
        tower = f"- &a0 {'[' * 20}{']' * 20}\n- {'[' * 20}*a0{']' * 20}"

        assert refusal(tower) == ("too_deep", "values nest at most 32 levels deep (2:23)")


class TestPlaces:
    TEXT = """\
name: x
steps:
  - id: a
    with: {one: 1, "t/wo": [10,
      20]}
  - &step {id: b}
  - *step
"""

    @pytest.mark.parametrize(
        ("pointer", "line", "column"),
        [
            ("", 1, 1),
            ("/name", 1, 1),
            ("/steps", 2, 1),
            ("/steps/0", 3, 5),
            ("/steps/0/with", 4, 5),
            ("/steps/0/with/one", 4, 12),
            ("/steps/0/with/t~1wo/1", 5, 7),
            ("/steps/1/id", 6, 12),
            ("/steps/2", 7, 5),
            ("/steps/2/id", 6, 12),
            ("/steps/0/missing/deeper", 3, 5),
            ("/steps/0/with/one/x", 4, 12),
            ("/steps/9", 2, 1),
            ("/steps/x", 2, 1),
            ("/nothing", 1, 1),
        ],
    )
    def test_are_those_of_keys_and_items_or_of_the_nearest_around(
        self, pointer: str, line: int, column: int
    ) -> None:
        _, places = read_yaml(self.TEXT)

        assert places.of(pointer) == (line, column)

    def test_of_json_are_known_too(self) -> None:
        _, places = read_yaml('{\n  "a": [\n    1\n  ]\n}')

        assert places.of("/a/0") == (3, 5)
