"""The schema from which editors complete workflow files."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from filemill_common.contract import DOCS
from filemill_common.language import dump, load, parse_yaml, workflow_schema
from filemill_common.task_types import option_models

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*.yaml"))
SCHEMA: dict[str, Any] = json.loads((DOCS / "workflow.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

EVERY_KIND = """
name: every kind
description: of step
input: {type: object}
failure_policy: drain
steps:
  - {id: convert, task: video_convert, timeout: 1h30m, retry: {max_retries: 5, retry_delay: 0.5},
     with: {input_file: in.mp4, format: webm, height: "${{ input.height }}"}}
  - {id: choose, type: condition, depends_on: [convert], default: [small],
     cases: [{when: "steps.convert.output.duration > 60.0", then: [sides]}, {when: true}]}
  - {id: small, task: echo, if: "${{ input.small }}", trigger_rule: none_failed, allow_failure: true}
  - id: sides
    type: parallel
    failure_policy: continue
    branches:
      left: [{id: l, task: sleep, with: {seconds: 1}}]
      right: [{id: r, type: wait, duration: "${{ input.pause }}"}]
  - id: sizes
    type: map
    items: input.sizes
    as: size
    max_concurrency: 3
    tolerated_failures: 1
    step: {type: map, items: [1, 2], step: {task: echo, with: {size: "${{ size }}"}}}
  - {id: later, type: wait, until: "2026-11-05T08:00:00Z"}
  - {id: approved, type: wait, signal: {name: approve, schema: {type: object}}, timeout: P1D,
     on_timeout: skip}
  - {id: told, type: wait, signal: told}
  - {id: sub, type: subworkflow, workflow: publish@3, with: {file: "${{ input.file }}"}}
finally:
  - {id: tidy, task: echo}
notify:
  - {events: [workflow.failed], email: {to: you@example.com, locale: en}}
"""


def errors(document: object) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(document)]


class TestTheSchema:
    def test_is_up_to_date(self) -> None:
        assert workflow_schema(option_models()) == SCHEMA, "run make schemas"

    def test_is_one_of_2020_12(self) -> None:
        Draft202012Validator.check_schema(SCHEMA)
        Draft202012Validator.check_schema(workflow_schema())

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_takes_every_example(self, path: Path) -> None:
        assert errors(parse_yaml(path.read_text())) == []

    def test_takes_every_kind_of_step_as_it_is_written_and_as_it_is_stored(self) -> None:
        definition = load(parse_yaml(EVERY_KIND), task_types=option_models())

        assert errors(parse_yaml(EVERY_KIND)) == []
        assert errors(dump(definition)) == []

    @pytest.mark.parametrize(
        ("broken", "place"),
        [
            ("steps: [{id: a, task: echo}]", "$"),
            ("name: x", "$"),
            ("{name: x, steps: {}}", "$.steps"),
            ("{name: x, nme: y, steps: []}", "$"),
            ("{name: x, steps: [{id: 1a, task: echo}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, task: ehco}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, type: tsk, task: echo}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, task: echo, retries: 1}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, task: echo, timeout: soon}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, task: sleep, with: {secs: 1}}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, type: wait, signal: a b}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, type: condition}]}", "$.steps[0]"),
            (
                "{name: x, steps: [{id: a, type: map, items: input.x, step: {id: b, task: echo}}]}",
                "$.steps[0]",
            ),
            ("{name: x, steps: [{id: a, type: subworkflow, workflow: publish}]}", "$.steps[0]"),
            ("{name: x, steps: [{id: a, task: echo}], finally: [{task: echo}]}", "$.finally[0]"),
            ("{name: x, steps: [{id: a, task: echo}], notify: [{email: {to: you}}]}", "$.notify[0].email"),
        ],
    )
    def test_refuses_what_is_typically_wrong(self, broken: str, place: str) -> None:
        assert errors(parse_yaml(broken)) == [place]

    def test_explains_every_field_of_a_step(self) -> None:
        unsaid = [
            f"{name}.{field}"
            for name, part in SCHEMA["$defs"].items()
            if name.endswith(("Step", "Item", "Case", "Signal"))
            for field, schema in part["properties"].items()
            if "description" not in schema
        ]

        assert unsaid == []

    def test_completes_the_types_of_tasks_and_their_options(self) -> None:
        assert SCHEMA["$defs"]["TaskStep"]["properties"]["task"]["enum"] == sorted(option_models())
        assert "height" in SCHEMA["$defs"]["with.video_convert"]["properties"]
