"""What a program said last."""

import json

from filemill_local.words import last_words


def entry(severity: str, message: str) -> str:
    return json.dumps({"s": severity, "msg": message, "attr": {"n": 1}})


class TestLastWords:
    def test_of_plain_text_they_are_the_last_five_lines(self) -> None:
        assert last_words("1\n2\n\n3\n4\n5\n6\n") == ("2", "3", "4", "5", "6")

    def test_of_mongod_they_are_its_errors_however_long_ago(self) -> None:
        log = "\n".join([entry("E", "disk\nbroken"), *[entry("I", "fine")] * 9])

        assert last_words(log) == ('disk broken {"n": 1}',)

    def test_they_are_short(self) -> None:
        assert last_words("x" * 1_000) == ("x" * 300,)

    def test_an_empty_log_has_none(self) -> None:
        assert last_words("") == ()
