"""The workflows that the page offers to whoever has none yet: some of those in ``examples/``."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, cast

from filemill_common.events import JsonObject
from filemill_common.language import parse_yaml

_GIVEN: Final[Mapping[str, JsonObject]] = {
    "video-processing": {},
    "parallel": {},
    "condition": {},
    "map": {"heights": [90, 180, 360]},
    "wait": {},
    "adaptive-publish": {
        "ask_above": 2,
        "renditions": [{"name": "small", "height": 180}, {"name": "large", "height": 360}],
    },
}
"""Name to what stands in its form at first."""


@dataclass(frozen=True, slots=True)
class Example:
    """A workflow to try.

    Attributes:
        text: Its definition, as YAML with comments.
        definition: The same as JSON.
        given: What stands in its form at first.
    """

    name: str
    text: str
    definition: JsonObject
    given: JsonObject


def _read(name: str, given: JsonObject) -> Example:
    path = files("filemill_gateway.page") / "examples" / f"{name}.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("# yaml-language-server"))
    return Example(name, text, cast("JsonObject", parse_yaml(text)), given)


EXAMPLES: Final[Mapping[str, Example]] = {name: _read(name, given) for name, given in _GIVEN.items()}
