"""Deliveries over HTTP: what was sent to whom, and what came back."""

from typing import Annotated

from fastapi import APIRouter, Query

from filemill_common.events import JsonObject
from filemill_gateway.dependencies import Needs
from filemill_gateway.queries import Filter
from filemill_gateway.routes.listing import CursorText, Limit, Listed, cursor_of, equal, listed

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])

Id = Annotated[str | None, Query(max_length=200)]


@router.get("")
async def list_deliveries(
    needs: Needs,
    *,
    status: Annotated[list[str] | None, Query(max_length=20)] = None,
    task_id: Id = None,
    workflow_id: Id = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Listed[JsonObject]:
    """List deliveries, newest first."""
    wanted = Filter(statuses=status or (), equal=equal(task_id=task_id, workflow_id=workflow_id))
    return listed(await needs.queries.deliveries(wanted, limit=limit, cursor=cursor_of(cursor)))
