"""Commands to a workflow over HTTP: they are sent to the scheduler, which decides."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request

from filemill_common.events import JsonObject, WorkflowCommand
from filemill_common.ids import keyed_id, new_id, step_task_id
from filemill_common.language import Definition
from filemill_common.language.document import read
from filemill_gateway import metrics
from filemill_gateway.core.commands import (
    Conflict,
    Done,
    Send,
    WorkflowVerb,
    check_rerun,
    check_signal,
    judge_workflow,
    read_rerun,
)
from filemill_gateway.core.invalid import InvalidRequestError, problem
from filemill_gateway.core.workflows import WorkflowShape
from filemill_gateway.dependencies import TENANT, Dependencies, Needs
from filemill_gateway.openapi import RERUN_BODY, SIGNAL_BODY
from filemill_gateway.problems import ProblemError
from filemill_gateway.requests import body_of, idempotency_key, traceparent_of
from filemill_gateway.routes.workflows import known_workflow

router = APIRouter(prefix="/v1/workflows/{workflow_id}", tags=["workflows"])


@router.delete("", status_code=202)
async def delete_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Hide a workflow and its tasks from now on, and cancel it if it has not ended."""
    return await _command("delete", workflow_id, None, request, needs)


@router.post("/start", status_code=202)
async def start_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Start a pending workflow; one that runs already goes on."""
    return await _command("start", workflow_id, idempotency_key(request), request, needs)


@router.post("/cancel", status_code=202)
async def cancel_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Stop a workflow and all of its tasks; its `finally` runs. One that is cancelled already stays so."""
    return await _command("cancel", workflow_id, idempotency_key(request), request, needs)


@router.post("/pause", status_code=202)
async def pause_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Let nothing new start; what workers have already is finished. A pending one is paused once started."""
    return await _command("pause", workflow_id, idempotency_key(request), request, needs)


@router.post("/resume", status_code=202)
async def resume_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Let a paused workflow go on."""
    return await _command("resume", workflow_id, idempotency_key(request), request, needs)


@router.post("/rerun", status_code=202, openapi_extra=RERUN_BODY)
async def rerun_workflow(workflow_id: str, request: Request, needs: Needs) -> WorkflowShape:
    """Run an ended workflow again: `{}` what failed, `{step}` a step, `{step, index}` an item of a map.

    What depends on it is run again too, and so is `finally`; all else keeps its results.
    """
    key = idempotency_key(request)
    limits = needs.limits
    asked = read_rerun(await body_of(request, limit=limits.body, within=limits.arrive, may_be_empty=True))

    async def check(definition: Definition) -> None:
        check_rerun(asked, definition)
        if asked.step is not None and asked.index is not None:
            item = step_task_id(workflow_id, asked.step, asked.index)
            if await needs.queries.task(item) is None:
                message = f"map {asked.step!r} has no item {asked.index}"
                raise InvalidRequestError([problem("invalid_value", message, "index")])

    arguments = asked.model_dump(exclude_none=True)
    is_whole = asked.step is None
    return await _command(
        "rerun", workflow_id, key, request, needs, arguments=arguments, check=None if is_whole else check
    )


@router.post("/signals/{name}", status_code=202, openapi_extra=SIGNAL_BODY)
async def signal_workflow(
    workflow_id: str,
    name: Annotated[str, Path(description="As the definition's `wait` steps call it.", max_length=64)],
    request: Request,
    needs: Needs,
) -> WorkflowShape:
    """Send a signal to a workflow, with a JSON object or nothing; it counts also if it comes before the wait.

    What comes with it must fit the schema of a wait for it, and becomes the output of that step.
    """
    key = idempotency_key(request)
    limits = needs.limits
    payload = await body_of(request, limit=limits.signal, within=limits.arrive, may_be_empty=True)
    if not isinstance(payload, dict):
        message = f"what comes with a signal is an object, not {type(payload).__name__}"
        raise InvalidRequestError([problem("wrong_type", message)])

    async def check(definition: Definition) -> None:
        if missing := await asyncio.to_thread(check_signal, name, payload, definition):
            raise ProblemError("unknown_signal", missing)

    arguments = {"name": name, "payload": payload}
    return await _command("signal", workflow_id, key, request, needs, arguments=arguments, check=check)


async def _command(
    verb: WorkflowVerb,
    workflow_id: str,
    key: str | None,
    request: Request,
    needs: Dependencies,
    *,
    arguments: JsonObject | None = None,
    check: Callable[[Definition], Awaitable[None]] | None = None,
) -> WorkflowShape:
    stored, shown = await known_workflow(workflow_id, needs)
    command_id = keyed_id(TENANT, f"{verb} workflow {workflow_id}", key) if key else new_id()
    if command_id in stored.commands:
        return shown
    match judge_workflow(verb, shown):
        case Conflict(code, message):
            raise ProblemError(code, message)
        case Done():
            pass
        case Send():
            definition = await needs.queries.definition(workflow_id) if check else None
            if check and definition is not None:
                await check(await asyncio.to_thread(read, definition))
            now = needs.now()
            command = WorkflowCommand(
                command_id=command_id,
                sequence=int(now.timestamp() * 1000),
                workflow_id=workflow_id,
                tenant=TENANT,
                command=verb,
                arguments=arguments or {},
                time=now,
                partition_key=stored.partition_key,
                traceparent=traceparent_of(request),
            )
            await needs.publisher.publish_or_raise(command)
            metrics.accepted(command)
    return shown
