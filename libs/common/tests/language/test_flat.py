"""The shape of the original system is accepted as it was."""

import json
from typing import Any

import pytest

from filemill_common.language import Definition, InvalidDefinitionError, TaskStep, load


def flat(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "flat", "steps": list(steps), **fields}


def places(document: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinitionError) as caught:
        load(document, task_types=None)
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


CONVERT = {"type": "video_convert", "input_file": "in.mp4", "output_file": "out.webm", "crf": 30}


class TestTheFlatShape:
    def test_becomes_the_same_definition(self) -> None:
        document = flat(
            {"name": "Convert", "type": "task", "order": 1, "config": CONVERT, "status": "pending"},
            {
                "name": "Thumbnail",
                "type": "task",
                "order": 7,
                "config": {"type": "video_thumbnail", "input_file": "out.webm"},
                "depends_on": [1],
            },
            description="two steps",
            status="pending",
            user_id="u1",
        )

        assert load(document, task_types=None) == Definition(
            name="flat",
            description="two steps",
            user_id="u1",
            steps=(
                TaskStep(
                    id="s1",
                    name="Convert",
                    order=1,
                    task="video_convert",
                    with_={"input_file": "in.mp4", "output_file": "out.webm", "crf": 30},
                ),
                TaskStep(
                    id="s7",
                    name="Thumbnail",
                    order=7,
                    task="video_thumbnail",
                    with_={"input_file": "out.webm"},
                    depends_on=("s1",),
                ),
            ),
        )

    def test_may_say_config_and_depends_on_as_json_text(self) -> None:
        plain = flat(
            {"order": 1, "config": CONVERT, "depends_on": []},
            {"order": 2, "config": CONVERT, "depends_on": [1]},
        )
        text = flat(
            {"order": 1, "config": json.dumps(CONVERT), "depends_on": ""},
            {"order": 2, "config": json.dumps(CONVERT), "depends_on": "[1]"},
        )

        assert load(text, task_types=None) == load(plain, task_types=None)

    def test_names_steps_by_order_which_is_no_sequence(self) -> None:
        definition = load(
            flat(
                {"order": 9, "config": CONVERT},
                {"order": 3, "config": CONVERT, "depends_on": [9]},
                {"order": 4, "config": CONVERT, "depends_on": None},
            ),
            task_types=None,
        )

        assert [(step.id, step.depends_on) for step in definition.steps] == [
            ("s9", ()),
            ("s3", ("s9",)),
            ("s4", ()),
        ]

    def test_has_its_problems_where_they_stand_in_it(self) -> None:
        document = flat(
            {"order": 1, "config": {"input_file": 5, "x": "${{ foo }}"}},
            {"order": 1, "config": CONVERT, "depends_on": [4, "1", True]},
            {"config": "{"},
            {"order": -1, "config": {"type": 7}, "depends_on": "x", "id": "a"},
            {"order": 2, "type": "condition", "config": {}},
        )

        assert places(document) == [
            ("/steps/0/config/input_file", "wrong_type"),
            ("/steps/0/config/type", "missing_field"),
            ("/steps/0/config/x", "undeclared_name"),
            ("/steps/1/depends_on/0", "unknown_dependency"),
            ("/steps/1/depends_on/1", "wrong_type"),
            ("/steps/1/depends_on/2", "wrong_type"),
            ("/steps/1/order", "duplicate_step"),
            ("/steps/2/config", "wrong_type"),
            ("/steps/2/order", "missing_field"),
            ("/steps/3/config/type", "wrong_type"),
            ("/steps/3/depends_on", "wrong_type"),
            ("/steps/3/id", "unknown_field"),
            ("/steps/3/order", "wrong_type"),
            ("/steps/4/config/cases", "missing_field"),
        ]

    def test_is_known_by_config_in_any_step_and_by_nothing_else(self) -> None:
        ours = {"name": "x", "steps": [{"id": "a", "order": 1, "task": "echo"}]}

        assert load(ours, task_types=None).steps == (TaskStep(id="a", order=1, task="echo"),)
        assert places(flat({"order": 1}, {"order": 2, "config": CONVERT})) == [
            ("/steps/0/config/type", "missing_field")
        ]

    def test_holds_against_deep_and_huge_json_text(self) -> None:
        document = flat({"order": 1, "config": "[" * 100_000}, {"order": 10**400, "config": CONVERT})

        assert places(document) == [("/steps/0/config", "wrong_type"), ("/steps/1/order", "wrong_type")]
