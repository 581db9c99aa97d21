"""The workflow files that users are shown are valid, and say what they seem to say."""

import re
from pathlib import Path

import pytest

from filemill_common.language import check_input, load, parse_yaml, references, task_places
from filemill_common.task_types import option_models

DOCS = Path(__file__).parents[4] / "docs"
BLOCKS = re.findall(r"```(?:yaml|json)\n(.*?)```", (DOCS / "workflow-language.md").read_text(), re.DOTALL)
EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*.yaml"))


class TestExamples:
    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_are_valid(self, path: Path) -> None:
        assert load(parse_yaml(path.read_text()), task_types=option_models()).steps

    def test_of_video_processing_makes_two_pictures_of_what_was_converted(self) -> None:
        (path,) = (path for path in EXAMPLES if path.stem == "video-processing")
        definition = load(parse_yaml(path.read_text()), task_types=option_models())

        assert [(place, references(task.with_)) for place, task in task_places(definition)] == [
            ("/steps/0", frozenset()),
            ("/steps/1", {"transcode"}),
            ("/steps/2", {"transcode"}),
        ]
        assert [step.depends_on for step in definition.steps] == [(), ("transcode",), ("transcode",)]
        assert check_input(definition, {"input_file": "clip.mp4"}) == ()
        assert [problem.code for problem in check_input(definition, {})] == ["missing_field"]


class TestTheDocumentation:
    @pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block[:30].strip())
    def test_shows_only_what_is_valid(self, block: str) -> None:
        given = parse_yaml(block)
        if isinstance(given, list):
            given = {"name": "steps", "steps": given}
        elif isinstance(given, dict) and "steps" not in given:
            given = {"name": "x", "steps": [{"id": "a", "task": "echo"}], **given}

        assert load(given, task_types=option_models()).steps
