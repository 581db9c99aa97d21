"""Who is told of an event, and what becomes of a delivery after each try."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal
from urllib.parse import urlsplit

from filemill_common.events import (
    Event,
    JsonObject,
    TaskCompleted,
    TaskEvent,
    TaskFailed,
    WorkflowEvent,
)
from filemill_common.ids import derived_id
from filemill_notifier.core.bodies import callback_body, email_words, webhook_body

Channel = Literal["email", "webhook", "callback"]

TRIES_KEPT: Final = 20

CLAIM: Final = timedelta(seconds=60)
"""How long a notifier may take for one try; after that another one makes it, with the same id."""

_MINUTE: Final = 60
_HOUR: Final = 3600
SCHEDULE: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * _MINUTE, 30 * _MINUTE, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24)))
)
"""Pauses between tries, as Standard Webhooks recommends: the last one is made after about three days."""

LONGEST_WISH: Final = timedelta(hours=24)
"""The longest ``Retry-After`` that is honoured."""


class Status(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to.

    Attributes:
        ok: Whether the recipient has it.
        code: HTTP or SMTP status, or a name such as ``target_refused``.
        response: The first KB of what it answered, or the error.
        final: Whether no further try would help.
        retry_after: When the recipient wants the next one.
    """

    ok: bool
    code: str
    response: str = ""
    final: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """One try in a delivery's log.

    Attributes:
        duration: Seconds.
    """

    at: datetime
    code: str
    response: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one recipient.

    Attributes:
        id: Derived from event, channel and target: a repeated event makes no second one. It is also the
            ``webhook-id``, the same in each try.
        payload: The body as JSON, or the words of an email.
        due_at: When the next try is due, or when the claim on it ends; null when there is none.
        told_at: When the scheduler made it a fact; null in logs that are older than this field, and once it
            is made again.
    """

    id: str
    tenant: str = "default"
    event_id: str
    event_type: str
    task_id: str | None = None
    workflow_id: str | None = None
    channel: Channel
    target: str
    payload: JsonObject
    traceparent: str | None = None
    status: Status = Status.PENDING
    tries: tuple[Try, ...] = ()
    tried: int = 0
    due_at: datetime | None = None
    told_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def host(self) -> str:
        """Who is called, however the address is written; all emails go to one server."""
        return urlsplit(self.target).netloc.rpartition("@")[2].lower() or self.channel


def claimed(delivery: Delivery, *, now: datetime) -> Delivery:
    """Hold a delivery for one try: it is not due before the claim ends."""
    return replace(delivery, due_at=now + CLAIM)


def deliveries_for(event: Event, *, now: datetime) -> tuple[Delivery, ...]:
    """Tell who asked to be told of an event.

    The fields of a task ask for its completion and its failure; what a workflow's ``notify`` asks for it
    says itself. Nobody is told of what was skipped.
    """
    match event:
        case TaskCompleted() | TaskFailed():
            return tuple(_of_task(event, now))
        case WorkflowEvent():
            return tuple(_of_workflow(event, now))
        case _:
            return ()


def _of_task(event: TaskEvent, now: datetime) -> Iterator[Delivery]:
    task = event.task
    if task.notify_email:
        yield _delivery(event, "email", task.notify_email, email_words(event, locale="zh"), now)
    if task.notify_webhook:
        yield _delivery(event, "webhook", task.notify_webhook, webhook_body(event), now)
    if task.callback_url:
        yield _delivery(event, "callback", task.callback_url, callback_body(event), now)


def _of_workflow(event: WorkflowEvent, now: datetime) -> Iterator[Delivery]:
    name = event.type.removeprefix("io.filemill.").rpartition(".")[0]
    for asked in event.workflow.notify:
        if name not in asked.events:
            continue
        if asked.email:
            yield _delivery(event, "email", asked.email, email_words(event, locale=asked.locale), now)
        if asked.webhook:
            yield _delivery(event, "webhook", asked.webhook, webhook_body(event), now)
        if asked.callback:
            yield _delivery(event, "callback", asked.callback, callback_body(event), now)


def _delivery(
    event: TaskEvent | WorkflowEvent, channel: Channel, target: str, payload: JsonObject, now: datetime
) -> Delivery:
    task = event.task if isinstance(event, TaskEvent) else None
    workflow = event.workflow if isinstance(event, WorkflowEvent) else None
    return Delivery(
        id=derived_id("delivery", event.id, channel, target),
        tenant=event.task.tenant if isinstance(event, TaskEvent) else event.workflow.tenant,
        event_id=event.id,
        event_type=event.type,
        task_id=task.id if task else None,
        workflow_id=workflow.id if workflow else task.workflow_id if task else None,
        channel=channel,
        target=target,
        payload=payload,
        traceparent=event.traceparent,
        due_at=now,
        told_at=event.time,
        created_at=now,
        updated_at=now,
    )


def after_try(delivery: Delivery, outcome: Outcome, *, began: datetime, now: datetime) -> Delivery:
    """Log a try, and decide whether and when another one follows."""
    log = Try(began, outcome.code, outcome.response[:1024], (now - began) / timedelta(seconds=1))
    tried = replace(
        delivery,
        tries=(*delivery.tries, log)[-TRIES_KEPT:],
        tried=delivery.tried + 1,
        due_at=None,
        updated_at=now,
    )
    if outcome.ok:
        return replace(tried, status=Status.DELIVERED)
    if outcome.final or delivery.tried >= len(SCHEDULE):
        return replace(tried, status=Status.FAILED)
    pause = _jittered(SCHEDULE[delivery.tried], delivery)
    if outcome.retry_after is not None:
        pause = max(pause, min(LONGEST_WISH, outcome.retry_after))
    return replace(tried, due_at=now + pause)


def again(delivery: Delivery, *, now: datetime) -> Delivery:
    """Let a delivery be made again from the first try, with the same id."""
    return replace(delivery, status=Status.PENDING, tried=0, due_at=now, told_at=None, updated_at=now)


def _jittered(pause: timedelta, delivery: Delivery) -> timedelta:
    """Lengthen a pause by up to a tenth, always the same for a delivery and a try."""
    fraction = int(derived_id(delivery.id, delivery.tried)[:4], 16) / 0x10000
    return timedelta(milliseconds=round(pause / timedelta(milliseconds=1) * (1 + fraction / 10)))
