"""The parking lot over HTTP: what nobody could use, and why; sent back to where it came from, or dropped."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from filemill_common.clock import EPOCH, rfc3339
from filemill_common.events import JsonObject
from filemill_common.messaging import Moved, Opened, ParkedMessage, Wanted
from filemill_gateway.core.cursors import Cursor
from filemill_gateway.core.invalid import InvalidRequestError, problem
from filemill_gateway.core.parked import SHOWN, base64_of, json_of, text_of
from filemill_gateway.dependencies import Needs
from filemill_gateway.problems import ProblemError
from filemill_gateway.queries import Page
from filemill_gateway.routes.listing import CursorText, Limit, Listed, cursor_of, listed

router = APIRouter(prefix="/v1/parked", tags=["parked messages"])

Code = Annotated[str | None, Query(max_length=200, description="Only those parked for this reason.")]
Queue = Annotated[str | None, Query(max_length=300, description="Only those that came from this queue.")]
All = Annotated[bool, Query(description="Needed where neither `code` nor `queue` says which.")]


class ParkedShape(BaseModel):
    """A message that a service could not use, and put aside.

    Attributes:
        id: Names it for as long as it lies here; equal messages parked within one millisecond share it.
        event_id: Of its event; empty if there was none to be read, as are the four below.
        queue: Where it came from, and goes when it is re-driven.
        code: Why it is here: short and stable.
        reason: Why it is here, for people.
        parked_at: Null if none of our services put it here.
        size: Bytes of its body.
    """

    id: str
    event_id: str
    event_type: str
    queue: str
    code: str
    reason: str
    parked_at: str | None
    size: int


class ParkedList(Listed[ParkedShape]):
    """A page of what is parked, newest first.

    Attributes:
        beyond: Messages that were not looked at, because the thousand before them lie there longer.
    """

    beyond: int


class OpenedShape(ParkedShape):
    """A parked message with its content, which anybody may have written.

    Attributes:
        content_type: As its sender said.
        headers: As its sender wrote them, and ours, which begin with `x-filemill-`.
        text: The body, if it is UTF-8.
        base64: The body, if it is not.
        is_cut: Whether only the first megabyte of it is shown.
    """

    content_type: str
    headers: JsonObject
    text: str | None
    base64: str | None
    is_cut: bool


class Redriven(BaseModel):
    """What was sent back.

    Attributes:
        redriven: Messages that are where they came from.
        left: Messages that stay, because there is no queue that they could go to.
        beyond: Messages that were not looked at.
    """

    redriven: int
    left: int
    beyond: int


class Dropped(BaseModel):
    """What was forgotten.

    Attributes:
        dropped: Messages that are gone.
        beyond: Messages that were not looked at.
    """

    dropped: int
    beyond: int


@router.get("")
async def list_parked(
    needs: Needs,
    *,
    code: Code = None,
    queue: Queue = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> ParkedList:
    """List what is parked, newest first, among the thousand messages that lie there longest."""
    look = await needs.lot.look()
    after = cursor_of(cursor)
    wanted = _wanted(code, queue)
    found = [
        each
        for each in reversed(look.messages)
        if wanted(each) and (after is None or _place(each) < (after.created_at, after.id))
    ]
    page, rest = found[:limit], found[limit:]
    following = Cursor(*_place(page[-1])) if rest else None
    shown = listed(Page(tuple(_shape(each) for each in page), following))
    return ParkedList(items=shown.items, next=shown.next, beyond=look.beyond)


@router.get("/{parked_id}")
async def show_parked(parked_id: str, needs: Needs) -> OpenedShape:
    """Show a parked message with its content."""
    opened = await needs.lot.open(parked_id)
    if opened is None:
        raise _not_found(parked_id)
    return _opened(opened)


@router.post("/redrive")
async def redrive_parked(
    needs: Needs,
    *,
    code: Code = None,
    queue: Queue = None,
    all: All = False,  # noqa: A002 - the parameter's public name
) -> Redriven:
    """Send many messages back to the queues they came from, as far as they lie among the oldest thousand."""
    return _redriven(await needs.lot.redrive(_of_many(code, queue, all_=all)))


@router.post("/{parked_id}/redrive")
async def redrive_one_parked(parked_id: str, needs: Needs) -> Redriven:
    """Send a message back to the queue it came from, as it was; refused again, it comes here again."""
    moved = await needs.lot.redrive(lambda each: each.id == parked_id, most=1)
    if moved.stuck:
        raise ProblemError("not_redrivable", "the queue that it came from is not there, or takes nothing")
    if not moved.done:
        raise _not_found(parked_id)
    return _redriven(moved)


@router.delete("")
async def drop_parked(
    needs: Needs,
    *,
    code: Code = None,
    queue: Queue = None,
    all: All = False,  # noqa: A002 - the parameter's public name
) -> Dropped:
    """Forget many messages for ever, as far as they lie among the oldest thousand."""
    return _dropped(await needs.lot.drop(_of_many(code, queue, all_=all)))


@router.delete("/{parked_id}")
async def drop_one_parked(parked_id: str, needs: Needs) -> Dropped:
    """Forget a message for ever."""
    moved = await needs.lot.drop(lambda each: each.id == parked_id, most=1)
    if not moved.done:
        raise _not_found(parked_id)
    return _dropped(moved)


def _wanted(code: str | None, queue: str | None) -> Wanted:
    return lambda each: code in {None, each.code} and queue in {None, each.queue}


def _of_many(code: str | None, queue: str | None, *, all_: bool) -> Wanted:
    """Choose by what was asked for; that all is meant has to be said.

    Raises:
        InvalidRequestError: It was not.
    """
    if code is None and queue is None and not all_:
        message = "say which messages: by code, by queue, or all=true"
        raise InvalidRequestError([problem("invalid_parameter", message)])
    return _wanted(code, queue)


def _place(message: ParkedMessage) -> tuple[datetime, str]:
    return message.parked_at or EPOCH, message.id


def _shape(message: ParkedMessage) -> ParkedShape:
    return ParkedShape.model_validate(_fields(message))


def _opened(opened: Opened) -> OpenedShape:
    text = text_of(opened.body)
    return OpenedShape(
        **_fields(opened.message),
        content_type=opened.content_type,
        headers=json_of(opened.headers),
        text=text,
        base64=base64_of(opened.body) if text is None else None,
        is_cut=len(opened.body) > SHOWN,
    )


def _fields(message: ParkedMessage) -> JsonObject:
    return asdict(message) | {"parked_at": rfc3339(message.parked_at) if message.parked_at else None}


def _redriven(moved: Moved) -> Redriven:
    return Redriven(redriven=moved.done, left=moved.stuck, beyond=moved.beyond)


def _dropped(moved: Moved) -> Dropped:
    return Dropped(dropped=moved.done, beyond=moved.beyond)


def _not_found(of: str) -> ProblemError:
    return ProblemError("not_found", f"nothing parked has the id {of[:80]!r}; it may be gone already")
