"""The JSON Schema of workflow files, from which editors complete, explain and check them as they are typed.

It says what the model says. What only `load` finds (names of steps, circles, expressions) it does not.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from filemill_common.language.checks import TaskTypes
from filemill_common.language.model import FILES, Definition, models

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)
_EXPRESSION = {"type": "string", "pattern": r"\$\{\{", "description": "An expression."}
_TASKS = ("TaskStep", "TaskItem")
_Json = dict[str, Any]


def workflow_schema(task_types: TaskTypes | None = None) -> _Json:
    """Give the JSON Schema (2020-12) of a definition in our shape.

    Args:
        task_types: The model of the options of each task type there is, as for `load`; None lets any
            type and any options do.
    """
    schema = Definition.model_json_schema(by_alias=True)
    defs: _Json = schema["$defs"]
    explained = {"Definition": schema, **defs}
    for model in models():
        _explain(explained[model.__name__], model)
    _drop_bounds(schema)
    if task_types is not None:
        _add_types(defs, task_types)
    return {"$schema": DIALECT, **schema, "title": "Filemill workflow"}


def _explain(schema: _Json, model: type[BaseModel]) -> None:
    """Describe an object and its fields with what their docstrings say."""
    said = dict(line for parent in reversed(model.__mro__) for line in _attributes(parent))
    said["type"] = "What kind of step it is; a task if left out."
    for name, field in model.model_fields.items():
        if name in said:
            schema["properties"][field.alias or name]["description"] = said[name]
    schema["description"] = _plain(inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:")[0])


def _attributes(model: type) -> Iterator[tuple[str, str]]:
    _, _, listed = inspect.cleandoc(model.__dict__.get("__doc__") or "").partition("\nAttributes:\n")
    for name, text in _ATTRIBUTE.findall(listed):
        yield name, _plain(text)


def _plain(text: str) -> str:
    return re.sub(r"\s*\n\s+", " ", text).replace("``", "`")


def _drop_bounds(schema: Any) -> None:
    """Leave out bounds of durations, for which JSON Schema has no words."""
    if isinstance(schema, dict):
        for name in ("gt", "ge", "le"):
            if isinstance(schema.get(name), str):
                del schema[name]
    for inside in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _drop_bounds(inside)


def _add_types(defs: _Json, task_types: TaskTypes) -> None:
    """Let ``task`` be one of those there are, and ``with`` what it takes."""
    for task_type, model in task_types.items():
        options = model.model_json_schema(by_alias=True)
        defs |= options.pop("$defs", {})
        fields = options.get("properties", {})
        options["properties"] = {
            **{name: {"type": "string", "description": "A path."} for name in FILES},
            **{field: {"anyOf": [schema, _EXPRESSION]} for field, schema in fields.items()},
        }
        defs[f"with.{task_type}"] = options
    for task in _TASKS:
        defs[task]["properties"]["task"] |= {"enum": sorted(task_types)}
        defs[task]["allOf"] = [
            {
                "if": {"properties": {"task": {"const": name}}, "required": ["task"]},
                "then": {"properties": {"with": {"$ref": f"#/$defs/with.{name}"}}},
            }
            for name in sorted(task_types)
        ]
