"""Workflows over HTTP."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from filemill_common.events import JsonObject, WorkflowCreated, WorkflowStatus, WorkflowView
from filemill_common.ids import keyed_id, new_id
from filemill_common.language import Problem, workflow_schema
from filemill_common.store import StoreUnavailableError
from filemill_common.task_types import option_models
from filemill_gateway.asking import Asked, read_workflow
from filemill_gateway.core.bodies import body_digest
from filemill_gateway.core.invalid import InvalidRequestError
from filemill_gateway.core.workflows import WorkflowShape, pending_workflow
from filemill_gateway.dependencies import TENANT, Dependencies, Needs
from filemill_gateway.openapi import WORKFLOW_BODY
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Filter, Snapshot, Stored
from filemill_gateway.requests import (
    JSON,
    YAML,
    idempotency_key,
    parsed,
    raw_body_of,
    traceparent_of,
    with_lines,
)
from filemill_gateway.routes.listing import (
    After,
    Before,
    CursorText,
    Limit,
    Listed,
    cursor_of,
    equal,
    listed,
)
from filemill_gateway.submission import known, submit

router = APIRouter(prefix="/v1/workflows", tags=["workflows"])


class Validation(BaseModel):
    """What `POST /v1/workflows` would say, without a run."""

    valid: bool
    problems: tuple[Problem, ...] = ()


@router.post("", status_code=202, openapi_extra=WORKFLOW_BODY)
async def create_workflow(
    request: Request,
    response: Response,
    needs: Needs,
    start: Annotated[bool, Query(description="Whether it runs at once; if not, it stays pending.")] = True,
) -> WorkflowShape:
    """Ask for a workflow: `{definition, input}`, `{template, input}`, or a definition alone.

    A definition may also be the original system's flat object. It and all templates that it uses are
    frozen into the run. With an `Idempotency-Key`, the same request again gives the same workflow.
    """
    key = idempotency_key(request)
    body, asked = await _asked(request, needs)
    workflow_id = keyed_id(TENANT, "POST /v1/workflows", key) if key else new_id()
    event = WorkflowCreated(
        workflow_id=workflow_id,
        tenant=TENANT,
        definition=asked.definition,
        subworkflows=asked.subworkflows,
        input=asked.input,
        start=start,
        user_id=asked.parsed.user_id,
        body_digest=body_digest(body, start),
        time=needs.now(),
        partition_key=workflow_id,
        traceparent=traceparent_of(request),
    )
    keyed = key is not None
    stored = await submit(event, lambda: needs.queries.workflow(workflow_id), keyed=keyed, needs=needs)
    response.headers["Location"] = f"/v1/workflows/{workflow_id}"
    snapshot: Snapshot | None = None
    with suppress(StoreUnavailableError):  # what was asked is taken all the same
        snapshot = await needs.queries.snapshot(workflow_id) if stored else None
    return snapshot.shape if snapshot else pending_workflow(event, asked.parsed)


@router.post("/validate", openapi_extra=WORKFLOW_BODY)
async def validate_workflow(request: Request, needs: Needs) -> Validation:
    """Check a workflow without running it: a definition, `{definition, input}` or `{template, input}`.

    Tells all that is wrong at once, each with its place, and line and column of the text that was sent.
    """
    try:
        await _asked(request, needs)
    except InvalidRequestError as error:
        return Validation(valid=False, problems=error.problems)
    return Validation(valid=True)


@router.get("/schema")
async def show_schema() -> JsonObject:
    """Give the JSON Schema of definitions, by which editors complete and check workflow files."""
    return workflow_schema(option_models())


@router.get("")
async def list_workflows(
    needs: Needs,
    *,
    status: Annotated[list[WorkflowStatus] | None, Query()] = None,
    name: Annotated[str | None, Query(max_length=200)] = None,
    user_id: Annotated[str | None, Query(max_length=200)] = None,
    created_after: After = None,
    created_before: Before = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Listed[WorkflowView]:
    """List workflows without their steps, newest first."""
    wanted = Filter(
        statuses=status or (),
        equal=equal(name=name, user_id=user_id),
        after=created_after,
        before=created_before,
    )
    return listed(await needs.queries.workflows(wanted, limit=limit, cursor=cursor_of(cursor)))


@router.get("/{workflow_id}")
async def show_workflow(workflow_id: str, needs: Needs) -> WorkflowShape:
    """Show a workflow with its steps."""
    _, run = await known_workflow(workflow_id, needs)
    return run


async def _asked(request: Request, needs: Dependencies) -> tuple[Any, Asked]:
    """Give a body as it was sent, and what it asks for."""
    limits = needs.limits
    raw = await raw_body_of(request, limit=limits.definition, within=limits.arrive, types=JSON | YAML)
    async with with_lines(raw):
        body = await parsed(request, raw)
        return body, await read_workflow(body, needs.templates)


async def known_workflow(workflow_id: str, needs: Dependencies) -> tuple[Stored[WorkflowView], WorkflowShape]:
    """Give a workflow as it is stored, and with its steps; it may be very new.

    Raises:
        ProblemError: There is none.
    """
    stored, _ = await known("workflow", workflow_id, lambda: needs.queries.workflow(workflow_id), needs)
    snapshot = await needs.queries.snapshot(workflow_id)
    if snapshot is None:
        raise ProblemError("not_found", f"workflow {workflow_id[:80]!r} was deleted")
    return stored, snapshot.shape
