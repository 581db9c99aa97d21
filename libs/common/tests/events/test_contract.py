"""An event is a contract: what was promised stays readable, or gets a new type."""

import json
from copy import deepcopy
from typing import Any

import pytest

from filemill_common.contract import SCHEMAS, breaking_changes, generated, schema_of
from filemill_common.events import EVENTS, Event, TaskReady

READY = schema_of(TaskReady)


def changed(**properties: Any) -> dict[str, Any]:
    """TaskReady's schema with some properties changed, or gone if None."""
    schema = deepcopy(READY)
    for name, field in properties.items():
        if field is None:
            del schema["properties"][name]
        else:
            schema["properties"][name] = field
    return schema


class TestTheCommittedContract:
    @pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.__name__)
    def test_is_not_broken(self, kind: type[Event]) -> None:
        committed = json.loads((SCHEMAS / f"{kind.type}.json").read_text())

        assert breaking_changes(committed, schema_of(kind)) == ()

    def test_is_up_to_date(self) -> None:
        stale = [path.name for path, text in generated().items() if path.read_text() != text]

        assert stale == [], "run make schemas"

    def test_has_a_schema_for_each_event_and_no_other(self) -> None:
        assert {path.stem for path in SCHEMAS.iterdir()} == set(EVENTS)


class TestABreakingChange:
    @pytest.mark.parametrize(
        ("new", "said"),
        [
            (changed(losses=None), "/losses is gone"),
            (changed(losses={"type": "string"}), "/losses is of type string and was integer"),
            (changed(attempt={"type": "integer", "minimum": 5}), "/attempt has a higher minimum"),
            (changed(priority={"type": "integer", "maximum": 3}), "/priority has a lower maximum"),
            (changed(task_type={"type": "string", "enum": ["echo"]}), "/task_type allows fewer values"),
            (changed(timeout={"type": "number"}), "/timeout may not be null any more"),
            ({**READY, "required": [*READY["required"], "losses"]}, "/losses is required now"),
        ],
    )
    def test_is_noticed(self, new: dict[str, Any], said: str) -> None:
        assert breaking_changes(READY, new) == (said,)

    @pytest.mark.parametrize(
        "new",
        [
            changed(added={"type": "string", "default": ""}),
            changed(attempt={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            {**READY, "required": READY["required"][1:]},
        ],
    )
    def test_is_not_seen_where_there_is_none(self, new: dict[str, Any]) -> None:
        assert breaking_changes(READY, new) == ()
