"""Task types over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel

from filemill_common.events import JsonObject
from filemill_common.task_types import TASK_TYPES

router = APIRouter(prefix="/v1/task-types", tags=["task types"])


class TypeShape(BaseModel):
    """A kind of work.

    Attributes:
        needs_input: Whether it works on a file.
        produces_file: Whether it makes one.
        options: JSON Schema of its options.
    """

    name: str
    title: str
    description: str
    needs_input: bool
    produces_file: bool
    options: JsonObject


class Types(BaseModel):
    """All of them."""

    items: tuple[TypeShape, ...]


@router.get("")
async def list_types() -> Types:
    """List the types of tasks, and what options each takes."""
    return Types(
        items=tuple(
            TypeShape(
                name=each.name,
                title=each.title,
                description=each.description,
                needs_input=each.needs_input,
                produces_file=each.produces_file,
                options=each.options.model_json_schema(),
            )
            for each in TASK_TYPES.values()
        )
    )
