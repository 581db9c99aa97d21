"""Files as people break them: each is told the line, what is wrong, and how to mend it."""

from pathlib import Path

import pytest

from filemill_common.language import check_text
from filemill_common.task_types import option_models

FILES = {path.stem: path for path in (Path(__file__).parent / "broken").glob("*.yaml")}
Told = tuple[int | None, str, str | None]

EXPECTED: dict[str, list[Told]] = {
    "choice-in-another-list": [(7, "not_beside", "choose 'p', in which it lies")],
    "circle-through-a-parallel": [(3, "cyclic_dependency", "leave one of these dependencies out")],
    "duplicate-id": [(8, "duplicate_step", "call it 'a_2'")],
    "finally-before-the-end": [
        (5, "finally_dependency", "move this step to 'finally', or leave it out"),
    ],
    "id-in-a-map": [(7, "unknown_field", "leave it out")],
    "merge-key": [(4, "unsupported_yaml", "write the fields out")],
    "missing-type": [
        (4, "unknown_field", "say 'type: condition'"),
        (3, "missing_field", "say 'type: condition'"),
    ],
    "misspelt-dependency": [
        (9, "unknown_dependency", "did you mean 'transcode'?"),
        (10, "dependency_missing", "add 'transcode' to its depends_on"),
    ],
    "misspelt-field": [(5, "unknown_field", "did you mean 'depends_on'?")],
    "misspelt-option": [(11, "invalid_options", "did you mean 'height'?")],
    "misspelt-step-type": [(4, "unsupported_step_type", "did you mean 'parallel'?")],
    "misspelt-task-type": [(7, "unknown_task_type", "did you mean 'video_convert'?")],
    "misspelt-trigger-rule": [(7, "invalid_value", "did you mean 'all_success'?")],
    "no-duration": [(5, "invalid_value", "write 90, 90s, 1h30m or PT90S")],
    "optional-without-a-value": [
        (6, "invalid_expression", "end it with .orValue(…), or ask it .hasValue()"),
    ],
    "reserved-alias": [(6, "reserved_name", "call it 'input_item'")],
    "retry-of-a-wait": [(6, "unknown_field", "leave it out: only steps of type task have it")],
    "schema-of-a-signal": [(8, "invalid_schema", "did you mean 'object'?")],
    "template-without-version": [(5, "invalid_value", "say which version: 'publish@1'")],
    "two-things-to-wait-for": [(3, "invalid_value", "leave all but one out")],
    "unclosed-list": [(6, "invalid_yaml", "look at line 5 too, where this began")],
    "unknown-alias": [(10, "undeclared_name", "did you mean 'clip'?")],
    "unknown-name-in-if": [(5, "undeclared_name", "did you mean 'input'?")],
    "uses-what-does-not-come-before": [(7, "dependency_missing", "add 'probe' to its depends_on")],
    "waits-for-its-own-parallel": [
        (9, "cyclic_dependency", "leave it out: it begins after that by itself"),
    ],
}


class TestABrokenFile:
    @pytest.mark.parametrize("name", sorted(EXPECTED))
    def test_is_told_line_code_and_suggestion(self, name: str) -> None:
        definition, problems = check_text(FILES[name].read_text(), task_types=option_models())

        assert definition is None
        assert [(each.line, each.code, each.suggestion) for each in problems] == EXPECTED[name]

    def test_is_never_left_out_of_this_table(self) -> None:
        assert set(FILES) == set(EXPECTED)

    def test_that_is_whole_has_no_problems(self) -> None:
        text = "name: x\nsteps:\n  - {id: a, task: echo}\n"

        definition, problems = check_text(text, task_types=option_models())

        assert definition is not None
        assert problems == ()
