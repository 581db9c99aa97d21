"""Templates over HTTP: definitions by name, of which each version stays as it is."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from filemill_common.language import dump
from filemill_common.store.documents import decode_json, encode_json
from filemill_gateway.asking import used_by
from filemill_gateway.core.bodies import body_digest
from filemill_gateway.core.definitions import read_definition
from filemill_gateway.core.templates import (
    Template,
    TemplateItem,
    TemplateShape,
    check_name,
    read_reference,
    uses,
)
from filemill_gateway.dependencies import Dependencies, Needs
from filemill_gateway.openapi import TEMPLATE_ANSWERS, TEMPLATE_BODY
from filemill_gateway.problems import ProblemError
from filemill_gateway.requests import JSON, YAML, parsed, raw_body_of, with_lines
from filemill_gateway.routes.listing import CursorText, Limit, Listed, cursor_of, listed

router = APIRouter(prefix="/v1/templates", tags=["templates"])


@router.put("/{name}", status_code=201, openapi_extra=TEMPLATE_BODY, responses=TEMPLATE_ANSWERS)
async def put_template(name: str, request: Request, response: Response, needs: Needs) -> TemplateShape:
    """Keep a definition under a name: as version 1, or as the next one.

    A version never changes. What the newest one says already makes no other (200). The templates that its
    `subworkflow` steps name, as `name@version`, must be there.
    """
    check_name(name)
    limits = needs.limits
    raw = await raw_body_of(request, limit=limits.definition, within=limits.arrive, types=JSON | YAML)
    async with with_lines(raw):
        definition = await asyncio.to_thread(read_definition, await parsed(request, raw))
        document = await asyncio.to_thread(dump, definition)
        text = encode_json(document) or ""
        used = await used_by(definition, needs.templates, taken=len(text.encode()))
    wanted = Template(
        name=name,
        version=1,
        description=definition.description or "",
        created_at=needs.now(),
        definition=text,
        digest=body_digest(document),
        uses=tuple(uses(definition)),
        depth=1 + max((each.depth for each in used.values()), default=-1),
    )
    template, is_new = await needs.templates.put(wanted)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/templates/{template.reference}"
    return await _shape(template, needs)


@router.get("")
async def list_templates(
    needs: Needs, *, cursor: CursorText = None, limit: Limit = 50
) -> Listed[TemplateItem]:
    """List templates by their newest versions, what was put last first."""
    return listed(await needs.templates.list(limit=limit, cursor=cursor_of(cursor)))


@router.get("/{name}")
async def show_template(
    name: Annotated[str, Path(description="`name` for the newest version, `name@version` for that one.")],
    needs: Needs,
) -> TemplateShape:
    """Show a template: `name` for its newest version, or `name@version`, as `subworkflow` steps name it."""
    reference = read_reference(name)
    template = await needs.templates.get(reference) if reference else None
    if template is None:
        raise ProblemError("not_found", f"there is no template {name[:120]!r}")
    return await _shape(template, needs)


async def _shape(template: Template, needs: Dependencies) -> TemplateShape:
    return TemplateShape(
        name=template.name,
        version=template.version,
        description=template.description,
        created_at=template.created_at,
        definition=decode_json(template.definition),
        uses=template.uses,
        versions=await needs.templates.versions(template.name),
    )
