"""The OpenAPI document: FastAPI's own, with our problems, and the bodies that we read ourselves."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

from filemill_common.language import Definition
from filemill_common.task_types import TASK_TYPES
from filemill_gateway.admission import is_submission
from filemill_gateway.core.commands import RerunRequest
from filemill_gateway.core.tasks import TaskRequest
from filemill_gateway.core.templates import TemplateShape
from filemill_gateway.problems import MEDIA_TYPE, ProblemDetails
from filemill_gateway.requests import YAML

_SCHEMAS: Final = "#/components/schemas/{model}"
_PROBLEM: Final = {
    "description": "A problem (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}
_OVERLOADED: Final = {
    **_PROBLEM,
    "description": "More is asked than can be done (`overloaded`)",
    "headers": {
        "Retry-After": {
            "description": "Seconds after which to try again",
            "required": True,
            "schema": {"type": "integer"},
        }
    },
}
_BYTES: Final = {"type": "string", "format": "binary"}
_OBJECT: Final = {"type": "object", "additionalProperties": True}
_FLAT: Final = {
    "title": "FlatDefinition",
    "type": "object",
    "description": "The original system's flat shape.",
}


def _ref(model: str) -> dict[str, Any]:
    return {"$ref": _SCHEMAS.format(model=model)}


def _body(schema: dict[str, Any], *more: str, required: bool = True) -> dict[str, Any]:
    """Describe a body of JSON, or of one of ``more`` media types."""
    content = {media: {"schema": schema} for media in ("application/json", *more)}
    return {"requestBody": {"required": required, "content": content}}


def _asks(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": f"{field.title()}Request",
        "type": "object",
        "required": [field],
        "additionalProperties": False,
        "properties": {field: schema, "input": _OBJECT},
    }


_NAMED: Final = {"type": "string", "description": "`name@version`, or `name` for the newest."}

TASK_BODY: Final = _body(_ref("TaskRequest"))
WORKFLOW_BODY: Final = _body(
    {
        "oneOf": [
            _asks("definition", _ref("Definition")),
            _asks("template", _NAMED),
            _ref("Definition"),
            _FLAT,
        ]
    },
    *sorted(YAML),
)
TEMPLATE_BODY: Final = _body({"oneOf": [_ref("Definition"), _FLAT]}, *sorted(YAML))
TEMPLATE_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The newest version says the same", "model": TemplateShape},
    201: {"description": "The version that was made"},
}
RERUN_BODY: Final = _body(_ref("RerunRequest"), required=False)
SIGNAL_BODY: Final = _body(_OBJECT, required=False)
FILE_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": False, "content": {"application/octet-stream": {"schema": _BYTES}}}
}
FILE_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, of the type that its first bytes show",
        "content": {"*/*": {"schema": _BYTES}},
    },
    206: {"description": "The bytes that `Range` asks for", "content": {"*/*": {"schema": _BYTES}}},
    304: {"description": "The client has it already"},
}
FORM_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["path", "file"],
                    "properties": {"path": {"type": "string"}, "file": _BYTES},
                }
            }
        },
    }
}


def install(app: FastAPI) -> None:
    """Let ``app`` describe its problems and bodies too."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(FastAPI.openapi(app))
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # the way that FastAPI's manual shows


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (ProblemDetails, TaskRequest, RerunRequest, Definition):
        schemas.update(_schemas(model))
    _let_be_null(schemas["TaskRequest"])
    schemas["TaskRequest"]["properties"]["type"]["enum"] = sorted(TASK_TYPES)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            if is_submission(method.upper(), path):
                operation["responses"]["429"] = _OVERLOADED
            operation["responses"] |= {"4XX": _PROBLEM, "5XX": _PROBLEM}
    return document


def _let_be_null(schema: dict[str, Any]) -> None:
    """Say that a field that is null counts as not given."""
    for name, each in schema["properties"].items():
        if name not in schema["required"] and {"type": "null"} not in each.get("anyOf", ()):
            schema["properties"][name] = {"anyOf": [each, {"type": "null"}]}


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_SCHEMAS)
    return {**schema.pop("$defs", {}), model.__name__: schema}
