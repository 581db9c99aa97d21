"""The page on which a run is started: a file, a workflow, and a form for its input."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from filemill_common.events import JsonObject
from filemill_common.language import Definition
from filemill_common.language.document import read
from filemill_common.store.documents import decode_json
from filemill_gateway.core.forms import Field, fields_of
from filemill_gateway.core.templates import read_reference
from filemill_gateway.dependencies import Dependencies, Needs
from filemill_gateway.page.examples import EXAMPLES
from filemill_gateway.page.rendering import PageRoute, page
from filemill_gateway.problems import ProblemError

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LISTED: Final = 100
_FIRST: Final = "video-processing"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What will be run.

    Attributes:
        ask: What is sent to `POST /v1/workflows`, but for its input.
        text: Its definition, to be read.
        fields: Of its form; None if it is written as JSON.
    """

    ask: JsonObject
    text: str | None
    definition: JsonObject
    fields: tuple[Field, ...] | None


@router.get("/start")
async def show_start(
    request: Request,
    needs: Needs,
    *,
    example: Annotated[str, Query(max_length=100)] = "",
    template: Annotated[str, Query(max_length=120)] = "",
) -> Response:
    """Offer examples and templates, and a form for the one that was chosen."""
    listed = await needs.templates.list(limit=_LISTED)
    name = example if example in EXAMPLES else _FIRST
    return page(
        request,
        "start.html",
        examples=tuple(EXAMPLES),
        templates=listed.items,
        has_more=listed.next is not None,
        example="" if template else name,
        template=template,
        chosen=await _template(template, needs) if template else _example(name),
    )


def _example(name: str) -> Chosen:
    example = EXAMPLES[name]
    fields = fields_of(example.definition.get("input"), example.given)
    has_input = "input" in example.definition
    return Chosen(
        {"definition": example.definition}, example.text, example.definition, fields if has_input else ()
    )


async def _template(named: str, needs: Dependencies) -> Chosen:
    reference = read_reference(named)
    found = await needs.templates.get(reference) if reference else None
    if found is None:
        raise ProblemError("not_found", f"there is no template {named[:120]!r}")
    document: JsonObject = decode_json(found.definition)
    definition: Definition = read(document)
    fields = fields_of(definition.input) if definition.input is not None else None
    return Chosen({"template": found.reference}, None, document, fields)
