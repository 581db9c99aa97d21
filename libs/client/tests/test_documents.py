"""Definitions and values as people write them."""

from pathlib import Path
from typing import Any

import pytest

from filemill_client.documents import (
    InvalidDocumentError,
    parse_json,
    parse_values,
    parse_yaml,
    read_document,
)
from filemill_client.errors import InvalidArgumentError


def refused(text: str) -> str:
    with pytest.raises(InvalidDocumentError) as error:
        parse_yaml("x.yaml", text)
    return str(error.value)


class TestYaml:
    def test_is_read_as_the_gateway_reads_it(self) -> None:
        text = "a: no\nb: 2026-11-05\nc: [1, 1.5, true, ~, '1', 0o17]\n1: x\n"

        assert parse_yaml("x.yaml", text).value == {
            "a": "no",
            "b": "2026-11-05",
            "c": [1, 1.5, True, None, "1", "0o17"],
            "1": "x",
        }

    def test_remembers_where_each_value_stands(self) -> None:
        document = parse_yaml("x.yaml", "name: films\nsteps:\n  - {id: a, with: {a/b: 1}}\n")

        assert document.places == {
            "": (1, 1),
            "/name": (1, 1),
            "/steps": (2, 1),
            "/steps/0": (3, 5),
            "/steps/0/id": (3, 6),
            "/steps/0/with": (3, 13),
            "/steps/0/with/a~1b": (3, 20),
        }

    def test_what_is_missing_is_shown_where_it_should_be(self) -> None:
        document = parse_yaml("x.yaml", "steps:\n  - {id: a}\n")

        assert document.place("/steps/0/with/input_file") == (2, 5)
        assert document.place("/name") == (1, 1)

    def test_may_say_a_thing_once_and_name_it_again(self) -> None:
        document = parse_yaml("x.yaml", "a: &x {n: [1]}\nb: *x\n")

        assert document.value == {"a": {"n": [1]}, "b": {"n": [1]}}
        assert document.place("/b/n/0") == (2, 1)

    def test_does_not_grow_without_bounds(self) -> None:
        lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]

        assert "more than 500000 values" in refused("\n".join(["a0: &a0 [1]", *lines]))

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("a: [1\nb: 2\n", "x.yaml:2:2: did not find expected ',' or ']'"),
            ("a: 1\na: 2\n", "x.yaml:2:1: the key 'a' is there twice"),
            ("a: &x [*x]\n", "x.yaml:1:8: no anchor 'x' ends before this"),
            ("a: *x\n", "x.yaml:1:4: no anchor 'x' ends before this"),
            ("a: !!python/name:os.system ''\n", "x.yaml:1:4: tags are not supported"),
            ("[a]: 1\n", "x.yaml:1:1: a key must be a string"),
            ("a: 1\n---\nb: 2\n", "x.yaml:2:1: there is more than one document"),
            ("[" * 40 + "]" * 40, "x.yaml:1:34: values nest at most 32 levels deep"),
            ("a: \x07", "x.yaml: "),
        ],
    )
    def test_that_is_none_is_refused_with_line_and_column(self, text: str, sentence: str) -> None:
        assert refused(text).startswith(sentence)


class TestJson:
    def test_says_where_it_is_broken(self) -> None:
        with pytest.raises(InvalidDocumentError, match=r"^x.json:2:7: Expecting value"):
            parse_json("x.json", '{"a": 1,\n "b": }')

    @pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000])
    def test_that_the_gateway_would_not_read_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidDocumentError):
            parse_json("x.json", text)

    def test_is_told_by_the_file_name(self, tmp_path: Path) -> None:
        file = tmp_path / "x.json"
        file.write_text('{"smile": "\\ud83d\\ude00"}')

        assert read_document(str(file)).value == {"smile": "😀"}


class TestAFile:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"- a\n", "it holds no object but a list"),
            (b"", "it holds no object but a NoneType"),
            (b"a: \xff", "it is no UTF-8 at byte 3"),
        ],
    )
    def test_that_holds_no_object_is_refused(self, content: bytes, sentence: str, tmp_path: Path) -> None:
        file = tmp_path / "x.yaml"
        file.write_bytes(content)

        with pytest.raises(InvalidDocumentError, match=sentence):
            read_document(str(file))

    def test_that_is_not_there_is_said(self) -> None:
        with pytest.raises(InvalidDocumentError, match=r"^none.yaml: No such file"):
            read_document("none.yaml")


class TestValues:
    @pytest.mark.parametrize(
        ("given", "value"),
        [
            ("a=1", 1),
            ("a=true", True),
            ('a={"b": [1]}', {"b": [1]}),
            ('a="1"', "1"),
            ("a=holiday.mp4", "holiday.mp4"),
            ("a=x=y", "x=y"),
            ("a=", ""),
            ("a=NaN", "NaN"),
        ],
    )
    def test_are_json_or_else_text(self, given: str, value: Any) -> None:
        assert parse_values([given], option="--input") == {"a": value}

    def test_of_a_file_come_whole_and_the_last_counts(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_text("a: 1\nb: 2\n")

        given = ["b=0", f"@{tmp_path}/x.yaml", "a=3"]

        assert parse_values(given, option="--input") == {"a": 3, "b": 2}

    @pytest.mark.parametrize("given", ["a", "=1", ""])
    def test_without_a_name_are_refused(self, given: str) -> None:
        with pytest.raises(InvalidArgumentError, match="--input takes name=value or @file"):
            parse_values([given], option="--input")
