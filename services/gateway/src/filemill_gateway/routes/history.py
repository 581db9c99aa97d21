"""What happened to a workflow, over HTTP: to be read by people, and to be played again."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from filemill_common.clock import rfc3339
from filemill_common.events import HISTORY_FORMAT
from filemill_gateway.core.history import HistoryItem, read_place
from filemill_gateway.dependencies import Dependencies, Needs
from filemill_gateway.queries import Standing
from filemill_gateway.routes.listing import CursorText, Limit, Listed, cursor_of, listed
from filemill_gateway.submission import known

router = APIRouter(prefix="/v1/workflows/{workflow_id}/history", tags=["workflows"])

_LINES: Final = "application/x-ndjson"
_EXPORT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": (
            "Lines of JSON: what this is and of which workflow, each event as the list shows it, and in the "
            "end how many there were and how all stood then"
        ),
        "content": {_LINES: {"schema": {"type": "string"}}},
    }
}


@router.get("")
async def show_history(
    workflow_id: str, needs: Needs, *, cursor: CursorText = None, limit: Limit = 50
) -> Listed[HistoryItem]:
    """List what happened to a workflow, the oldest first: each event, and what it decided.

    What happened to the workflows that its steps started is among it; of such a one, only its own.
    """
    at = cursor_of(cursor)
    start = read_place(at) if at is not None else None
    root = await _root(workflow_id, needs)
    of = None if root == workflow_id else workflow_id
    return listed(await needs.queries.history(root, of=of, limit=limit, start=start))


@router.get("/export", response_class=StreamingResponse, responses=_EXPORT)
async def export_history(workflow_id: str, needs: Needs) -> StreamingResponse:
    """Give the whole history of the outermost workflow that this one is part of, for `filemill replay`."""
    root = await _root(workflow_id, needs)
    standing = await needs.queries.standing(root)
    headers = {"Content-Disposition": 'attachment; filename="history.jsonl"'}
    return StreamingResponse(_lines(root, standing, needs), media_type=_LINES, headers=headers)


async def _root(workflow_id: str, needs: Dependencies) -> str:
    stored, _ = await known("workflow", workflow_id, lambda: needs.queries.workflow(workflow_id), needs)
    return stored.partition_key


async def _lines(root: str, standing: Standing, needs: Dependencies) -> AsyncIterator[str]:
    yield (
        json.dumps({"format": HISTORY_FORMAT, "workflow_id": root, "exported_at": rfc3339(needs.now())})
        + "\n"
    )
    count = 0
    async for item in needs.queries.whole_history(root, last=standing.last):
        count += 1
        yield item.model_dump_json(by_alias=True, exclude_defaults=True) + "\n"
    state = ",".join(shape.model_dump_json() for shape in standing.shapes)
    yield f'{{"events":{count},"state":[{state}]}}\n'
