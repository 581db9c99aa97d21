"""What a request for a workflow asks for, with all templates that it uses at whatever depth."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from filemill_common.events import JsonObject
from filemill_common.language import Definition, Problem, dump
from filemill_common.language.values import MAX_BYTES
from filemill_common.store.documents import decode_json, encode_json
from filemill_gateway.core.definitions import read_definition
from filemill_gateway.core.invalid import InvalidRequestError
from filemill_gateway.core.templates import (
    MAX_NESTING,
    Template,
    read_reference,
    too_deep,
    unknown,
    uses,
)
from filemill_gateway.core.workflows import read_input, read_request
from filemill_gateway.repository import Templates


@dataclass(frozen=True, slots=True)
class Asked:
    """A workflow that may be created.

    Attributes:
        definition: As JSON in our shape.
        subworkflows: ``name@version`` to the definition of each template that it uses.
    """

    parsed: Definition
    definition: JsonObject
    input: JsonObject
    subworkflows: JsonObject


async def read_workflow(body: object, templates: Templates) -> Asked:
    """Check a request for a workflow: a definition or a template, and its input.

    Raises:
        InvalidRequestError: With all that is wrong with the definition, or else with the input.
        StoreUnavailableError: It names templates, and they cannot be looked up.
    """
    # Off the loop, since thousands of steps take a second.
    request = await asyncio.to_thread(read_request, body)
    parsed = request.definition
    if parsed is None:
        template = await _template(request.template or "", templates)
        parsed = await asyncio.to_thread(read_definition, decode_json(template.definition), at=request.at)
    given = await asyncio.to_thread(read_input, parsed, request.input) if request.wants_check else {}
    definition = await asyncio.to_thread(dump, parsed)
    used = await used_by(parsed, templates, at=request.at, taken=_size(definition) + _size(given))
    subworkflows = {name: decode_json(each.definition) for name, each in used.items()}
    return Asked(parsed, definition, given, subworkflows)


async def used_by(
    definition: Definition, templates: Templates, *, at: str = "", taken: int = 0
) -> Mapping[str, Template]:
    """Look up all templates that a definition uses, at whatever depth, by ``name@version``.

    Args:
        definition: Whose ``subworkflow`` steps name them.
        templates: Where they are.
        at: Where the definition stands in the request, as a pointer.
        taken: Bytes that are in the way already of what an event may hold.

    Raises:
        InvalidRequestError: One is not there, or they nest too deep, or are too large together.
    """
    places = uses(definition)
    found: dict[str, Template] = {}
    wanted = set(places)
    while wanted:
        some = await templates.named(wanted, room=MAX_BYTES - taken)
        if some is None:
            message = f"with the templates that it uses it has more than {MAX_BYTES} bytes"
            raise InvalidRequestError([Problem(pointer=at, code="too_large", message=message)])
        taken += sum(len(each.definition.encode()) for each in some)
        found |= {each.reference: each for each in some}
        if missing := wanted - found.keys():
            newest = await templates.newest()
            raise InvalidRequestError(
                unknown(name, newest, at + place)
                for name in sorted(missing)
                for place in places.get(name, [""])
            )
        wanted = {name for each in some for name in each.uses} - found.keys()
    deep = [name for name in places if found[name].depth >= MAX_NESTING]
    if deep:
        raise InvalidRequestError(too_deep(found[name], at + places[name][0]) for name in deep)
    return found


async def _template(named: str, templates: Templates) -> Template:
    reference = read_reference(named)
    found = await templates.get(reference) if reference else None
    if found is None:
        raise InvalidRequestError([unknown(named, await templates.newest(), "/template")])
    return found


def _size(value: JsonObject) -> int:
    return len((encode_json(value) or "").encode())
