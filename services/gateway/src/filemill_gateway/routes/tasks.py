"""Tasks over HTTP."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from filemill_common.events import TaskCommand, TaskCreated, TaskStatus, TaskView
from filemill_common.ids import keyed_id, new_id
from filemill_common.store import StoreUnavailableError
from filemill_gateway import metrics
from filemill_gateway.core.bodies import body_digest
from filemill_gateway.core.commands import Conflict, Done, Send, TaskVerb, judge_task
from filemill_gateway.core.invalid import InvalidRequestError
from filemill_gateway.core.tasks import check_task, input_missing, pending_task
from filemill_gateway.dependencies import TENANT, Dependencies, Needs
from filemill_gateway.openapi import TASK_BODY
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Filter, Stored
from filemill_gateway.requests import body_of, idempotency_key, traceparent_of
from filemill_gateway.routes.listing import (
    After,
    Before,
    CursorText,
    Labels,
    Limit,
    Listed,
    cursor_of,
    equal,
    labels_of,
    listed,
)
from filemill_gateway.submission import known, submit

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.post("", status_code=202, openapi_extra=TASK_BODY)
async def create_task(request: Request, response: Response, needs: Needs) -> TaskView:
    """Ask for a task. With an `Idempotency-Key`, the same request again gives the same task."""
    key = idempotency_key(request)
    body = await body_of(request, limit=needs.limits.body, within=needs.limits.arrive)
    checked = check_task(body)
    problems = checked.problems
    if checked.input is not None and await _is_missing(checked.input, needs):
        problems = (*problems, input_missing(checked.input))
    if checked.task is None or problems:
        raise InvalidRequestError(problems)
    task_id = keyed_id(TENANT, "POST /v1/tasks", key) if key else new_id()
    event = TaskCreated(
        task_id=task_id,
        tenant=TENANT,
        task=checked.task,
        body_digest=body_digest(body),
        time=needs.now(),
        partition_key=task_id,
        traceparent=traceparent_of(request),
    )
    stored = await submit(event, lambda: needs.queries.task(task_id), keyed=key is not None, needs=needs)
    response.headers["Location"] = f"/v1/tasks/{task_id}"
    return stored.view if stored and stored.view else pending_task(event)


@router.get("")
async def list_tasks(
    needs: Needs,
    *,
    status: Annotated[list[TaskStatus] | None, Query()] = None,
    type: Annotated[str | None, Query(max_length=200)] = None,  # noqa: A002 - the parameter's public name
    workflow_id: Annotated[str | None, Query(max_length=200)] = None,
    label: Labels = [],  # noqa: B006 - FastAPI copies it
    created_after: After = None,
    created_before: Before = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Listed[TaskView]:
    """List tasks, newest first."""
    wanted = Filter(
        statuses=status or (),
        equal=equal(type=type, workflow_id=workflow_id),
        labels=labels_of(label),
        after=created_after,
        before=created_before,
    )
    return listed(await needs.queries.tasks(wanted, limit=limit, cursor=cursor_of(cursor)))


@router.get("/{task_id}")
async def show_task(task_id: str, needs: Needs) -> TaskView:
    """Show a task."""
    _, task = await known_task(task_id, needs)
    return task


@router.delete("/{task_id}", status_code=202)
async def delete_task(task_id: str, request: Request, needs: Needs) -> TaskView:
    """Hide a task from now on, and cancel it if it has not ended."""
    return await _command("delete", task_id, None, request, needs)


@router.post("/{task_id}/cancel", status_code=202)
async def cancel_task(task_id: str, request: Request, needs: Needs) -> TaskView:
    """Stop a task; one that is cancelled already stays so."""
    return await _command("cancel", task_id, idempotency_key(request), request, needs)


@router.post("/{task_id}/retry", status_code=202)
async def retry_task(task_id: str, request: Request, needs: Needs) -> TaskView:
    """Open a failed or cancelled task again."""
    return await _command("retry", task_id, idempotency_key(request), request, needs)


async def known_task(task_id: str, needs: Dependencies) -> tuple[Stored[TaskView], TaskView]:
    """Give a task, which may be very new.

    Raises:
        ProblemError: There is none.
    """
    return await known("task", task_id, lambda: needs.queries.task(task_id), needs)


async def _is_missing(path: str, needs: Dependencies) -> bool:
    """Whether an input is known not to be there; with the store away the scheduler finds out."""
    with suppress(TimeoutError, StoreUnavailableError):
        async with asyncio.timeout(needs.limits.appear.total_seconds()):
            return await needs.aliases.get(TENANT, path) is None
    return False


async def _command(
    verb: TaskVerb, task_id: str, key: str | None, request: Request, needs: Dependencies
) -> TaskView:
    stored, task = await known_task(task_id, needs)
    command_id = keyed_id(TENANT, f"{verb} task {task_id}", key) if key else new_id()
    if command_id in stored.commands:
        return task
    match judge_task(verb, task):
        case Conflict(code, message):
            raise ProblemError(code, message)
        case Done():
            pass
        case Send():
            now = needs.now()
            command = TaskCommand(
                command_id=command_id,
                sequence=int(now.timestamp() * 1000),
                task_id=task_id,
                tenant=TENANT,
                command=verb,
                time=now,
                partition_key=stored.partition_key,
                traceparent=traceparent_of(request),
            )
            await needs.publisher.publish_or_raise(command)
            metrics.accepted(command)
    return task
