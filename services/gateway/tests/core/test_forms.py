"""Forms from schemas, whatever those are."""

import pytest

from filemill_gateway.core.forms import Field, fields_of


def test_simple_properties_are_fields_and_those_that_must_be_there_come_first() -> None:
    schema = {
        "required": ["input_file"],
        "properties": {
            "width": {"type": "integer", "minimum": 16, "maximum": 4096, "default": 320},
            "loud": {"type": "boolean"},
            "format": {"enum": ["webm", "mp4"]},
            "title": {"type": "string", "description": "What it is called."},
            "heights": {"type": "array"},
            "input_file": {"type": "string"},
        },
    }

    assert fields_of(schema, {"heights": [1, 2], "title": "你好"}) == (
        Field("input_file", "file", is_required=True),
        Field("width", "integer", value="320", minimum=16, maximum=4096),
        Field("loud", "boolean"),
        Field("format", "choice", choices=('"webm"', '"mp4"')),
        Field("title", "text", value="你好", hint="What it is called."),
        Field("heights", "json", value="[1, 2]"),
    )


@pytest.mark.parametrize("schema", [None, True, {}, {"properties": []}, {"type": "object"}, [], "x"])
def test_what_names_no_properties_is_written_as_json(schema: object) -> None:
    assert fields_of(schema) is None


def test_a_schema_may_hold_anything() -> None:
    schema = {"required": 5, "properties": {"a": True, "b": {"type": ["string", "null"], "minimum": "x"}}}

    assert fields_of(schema) == (Field("a", "json"), Field("b", "json"))
