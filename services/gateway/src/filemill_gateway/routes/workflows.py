"""Workflows over HTTP."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from filemill_common.events import WorkflowCommand, WorkflowCreated, WorkflowStatus, WorkflowView
from filemill_common.ids import keyed_id, new_id
from filemill_common.language import dump
from filemill_common.store import StoreUnavailableError
from filemill_gateway.core.bodies import body_digest
from filemill_gateway.core.commands import Conflict, Done, Send, WorkflowVerb, judge_workflow
from filemill_gateway.core.workflows import WorkflowShape, pending_workflow, read_workflow
from filemill_gateway.dependencies import TENANT, Dependencies, Needs
from filemill_gateway.openapi import WORKFLOW_BODY
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Filter, Snapshot
from filemill_gateway.requests import JSON, YAML, body_of, idempotency_key, traceparent_of
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


@router.post("", status_code=202, openapi_extra=WORKFLOW_BODY)
async def create_workflow(
    request: Request,
    response: Response,
    needs: Needs,
    start: Annotated[bool, Query(description="Whether it runs at once; if not, it stays pending.")] = True,
) -> WorkflowShape:
    """Ask for a workflow: `{definition, input}`, a definition alone, or the original system's flat object.

    With an `Idempotency-Key`, the same request again gives the same workflow.
    """
    key = idempotency_key(request)
    limits = needs.limits
    body = await body_of(request, limit=limits.definition, within=limits.arrive, types=JSON | YAML)
    asked = await asyncio.to_thread(read_workflow, body)  # thousands of steps take a second
    workflow_id = keyed_id(TENANT, "POST /v1/workflows", key) if key else new_id()
    event = WorkflowCreated(
        workflow_id=workflow_id,
        tenant=TENANT,
        definition=dump(asked.definition),
        input=asked.input,
        start=start,
        user_id=asked.definition.user_id,
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
    return snapshot.shape if snapshot else pending_workflow(event, asked.definition)


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
    return (await known_workflow(workflow_id, needs)).shape


@router.delete("/{workflow_id}", status_code=202)
async def delete_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Hide a workflow and its tasks from now on, and cancel it if it has not ended."""
    return await _command("delete", workflow_id, None, request, needs)


@router.post("/{workflow_id}/start", status_code=202)
async def start_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Start a pending workflow; one that runs already goes on."""
    return await _command("start", workflow_id, idempotency_key(request), request, needs)


@router.post("/{workflow_id}/cancel", status_code=202)
async def cancel_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Stop a workflow and all of its tasks; one that is cancelled already stays so."""
    return await _command("cancel", workflow_id, idempotency_key(request), request, needs)


async def known_workflow(workflow_id: str, needs: Dependencies) -> Snapshot:
    """Give a workflow with its steps, which may be very new.

    Raises:
        ProblemError: There is none.
    """
    await known("workflow", workflow_id, lambda: needs.queries.workflow(workflow_id), needs)
    snapshot = await needs.queries.snapshot(workflow_id)
    if snapshot is None:
        raise ProblemError("not_found", f"workflow {workflow_id[:80]!r} was deleted")
    return snapshot


async def _command(
    verb: WorkflowVerb, workflow_id: str, key: str | None, request: Request, needs: Dependencies
) -> WorkflowShape:
    look = needs.queries.workflow
    stored, run = await known("workflow", workflow_id, lambda: look(workflow_id), needs)
    command_id = keyed_id(TENANT, f"{verb} workflow {workflow_id}", key) if key else new_id()
    shown = (await known_workflow(workflow_id, needs)).shape
    if command_id in stored.commands:
        return shown
    match judge_workflow(verb, run.status):
        case Conflict(code, message):
            raise ProblemError(code, message)
        case Done():
            pass
        case Send():
            now = needs.now()
            command = WorkflowCommand(
                command_id=command_id,
                sequence=int(now.timestamp() * 1000),
                workflow_id=workflow_id,
                tenant=TENANT,
                command=verb,
                time=now,
                partition_key=stored.partition_key,
                traceparent=traceparent_of(request),
            )
            await needs.publisher.publish_or_raise(command)
    return shown
