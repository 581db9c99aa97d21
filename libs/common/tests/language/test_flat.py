"""The shape of the original system is accepted as it was."""

import json
from typing import Any

import pytest

from filemill_common.language import (
    Definition,
    InvalidDefinitionError,
    TaskStep,
    load,
    pointers_of,
    task_places,
)


def flat(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "flat", "steps": list(steps), **fields}


def places(document: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinitionError) as caught:
        load(document, task_types=None)
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


CONVERT = {"type": "video_convert", "input_file": "in.mp4", "output_file": "out.webm", "crf": 30}


CHOICE = {
    "cases": [{"when": "input.tall", "then": [2]}, {"when": True, "then": []}],
    "default": [3],
}


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


class TestOtherKindsInTheFlatShape:
    def test_have_their_fields_in_config_and_name_steps_by_order(self) -> None:
        document = flat(
            {"name": "Choose", "type": "condition", "order": 1, "config": json.dumps(CHOICE)},
            {"order": 2, "config": CONVERT},
            {"order": 3, "config": CONVERT},
            {"type": "wait", "order": 4, "config": {"type": "wait", "signal": "go", "timeout": 5}},
            {
                "type": "parallel",
                "order": 5,
                "depends_on": [4],
                "config": {
                    "failure_policy": "continue",
                    "branches": {
                        "flat": [{"order": 6, "config": CONVERT}],
                        "ours": [{"id": "b", "task": "echo", "depends_on": ["s6"]}],
                    },
                },
            },
        )

        ours = {
            "name": "flat",
            "steps": [
                {
                    "id": "s1",
                    "name": "Choose",
                    "type": "condition",
                    "order": 1,
                    "cases": [{"when": "input.tall", "then": ["s2"]}, {"when": "true"}],
                    "default": ["s3"],
                },
                self.converted(2),
                self.converted(3),
                {"id": "s4", "type": "wait", "order": 4, "signal": "go", "timeout": 5},
                {
                    "id": "s5",
                    "type": "parallel",
                    "order": 5,
                    "depends_on": ["s4"],
                    "failure_policy": "continue",
                    "branches": {
                        "flat": [self.converted(6)],
                        "ours": [{"id": "b", "task": "echo", "depends_on": ["s6"]}],
                    },
                },
            ],
        }
        assert load(document, task_types=None) == load(ours, task_types=None)

    @staticmethod
    def converted(order: int) -> dict[str, Any]:
        options = {key: value for key, value in CONVERT.items() if key != "type"}
        return {"id": f"s{order}", "order": order, "task": "video_convert", "with": options}

    def test_have_their_problems_where_they_stand(self) -> None:
        document = flat(
            {
                "type": "condition",
                "order": 1,
                "config": {"cases": [{"when": "1 +", "then": [9]}], "order": 2},
            },
            {
                "type": "parallel",
                "order": 2,
                "config": {
                    "branch": {},
                    "branches": {
                        "a/b": [
                            {"order": 3, "config": {"x": "${{ y }}"}},
                            {"id": "c", "task": "echo", "depends_on": ["z"]},
                        ],
                    },
                },
            },
            {"type": "loop", "order": 4, "config": {}},
            {"type": ["task"], "order": 5, "config": {}},
            **{"finally": [{"order": 6, "config": {"type": "echo", "x": "${{ y }}"}}]},
        )

        assert places(document) == [
            ("/finally/0/config/x", "undeclared_name"),
            ("/steps/0/config/cases/0/then/0", "unknown_dependency"),
            ("/steps/0/config/cases/0/when", "invalid_expression"),
            ("/steps/0/config/order", "unknown_field"),
            ("/steps/1/config/branch", "unknown_field"),
            ("/steps/1/config/branches/a~1b/0/config/type", "missing_field"),
            ("/steps/1/config/branches/a~1b/0/config/x", "undeclared_name"),
            ("/steps/1/config/branches/a~1b/1/depends_on/0", "unknown_dependency"),
            ("/steps/2/type", "unsupported_step_type"),
            ("/steps/3/type", "wrong_type"),
        ]

    def test_tell_others_where_a_task_stood(self) -> None:
        document = flat(
            {"order": 1, "config": CONVERT},
            {
                "type": "parallel",
                "order": 2,
                "config": {"branches": {"b": [{"order": 3, "config": CONVERT}]}},
            },
        )
        given = pointers_of(document)
        tasks = [place for place, _ in task_places(load(document, task_types=None))]

        assert [given(place + "/with/input_file") for place in tasks] == [
            "/steps/0/config/input_file",
            "/steps/1/config/branches/b/0/config/input_file",
        ]
        assert pointers_of({"steps": []})("/steps/0/with/x") == "/steps/0/with/x"
