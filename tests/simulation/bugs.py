"""Seeded bugs: plausible mistakes put into the real code from outside, each of which some seed must find.

A bug says which text of which function it changes. Where that text is gone, it fails as it is put in, so that
no bug silently becomes none.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import Final

from filemill_common.events import Event, TaskEvent
from filemill_common.messaging.consumer import Consumption
from filemill_notifier.core import deliveries
from filemill_notifier.repository import Deliveries
from filemill_notifier.sender import Sender
from filemill_scheduler import handlers, timers
from filemill_scheduler.core import (
    Decision,
    Loaded,
    Needs,
    commands,
    creation,
    making,
    reports,
    scopes,
    transitions,
)
from filemill_scheduler.handlers import IntakeHandler, Publisher, SchedulerHandler
from filemill_scheduler.repository import Due, Fold, Repository
from filemill_scheduler.timers import Timers
from filemill_worker.core.attempts import Pace
from tests.simulation.seeding import bug, given, instead, text
from tests.simulation.world import PROCESS

fold = import_module("filemill_scheduler.core.fold")  # the package gives the function that name

_ANOTHER: Final = "if task.execution not in {None, event.execution}:"


def _telling(publisher: Publisher, decide: Fold) -> Fold:
    """Send what is decided, while it is not stored yet."""

    def told(loaded: Loaded, events: Sequence[Event], now: datetime, may_ask: bool) -> Decision | Needs:
        decided = decide(loaded, events, now, may_ask)
        if isinstance(decided, Decision) and decided.durable:
            asyncio.get_running_loop().create_task(_send(publisher, decided.durable))
        return decided

    return told


def _an_id() -> str:
    return PROCESS.get().world.new_id()


async def _send(publisher: Publisher, events: Sequence[Event]) -> None:
    await publisher.publish(events)


bug(
    "attempt_raised_late",
    "a failure leaves the attempt open; the retry that is due closes it",
    text(transitions, "fail_attempt", "attempt=task.attempt + 1", "attempt=task.attempt"),
    text(
        reports,
        "on_check",
        '(offer if task.kind == "task" else end_wait)(view, task)',
        '(offer if task.kind == "task" else end_wait)(view, replace(task, attempt=task.attempt + 1))',
    ),
)
bug(
    "attempt_reset_by_retry",
    "the command retry begins to count the attempts anew",
    text(commands, "_retry", "losses=0,", "losses=0, attempt=1,"),
)
bug(
    "loss_keeps_the_attempt",
    "a lapsed lease offers the same attempt again",
    text(transitions, "lose", "attempt=task.attempt + 1", "attempt=task.attempt"),
    theme="workers",
)
bug(
    "release_keeps_the_attempt",
    "an attempt that was given back is offered under its number again",
    text(transitions, "release", "attempt=task.attempt + 1", "attempt=task.attempt"),
    theme="workers",
)
bug(
    "state_cached_between_batches",
    "what one batch read serves the next ones too",
    text(Repository, "_once", "loaded = Loaded()", 'loaded = self.__dict__.setdefault("kept", Loaded())'),
)
bug(
    "counted_on_receipt",
    "those that wait are counted down when a result arrives, whatever becomes of it",
    text(
        reports,
        "on_report",
        "    if not task.is_open or",
        "    if isinstance(event, AttemptSucceeded):\n"
        "        settle(view, replace(task, status=TaskStatus.COMPLETED))\n"
        "    if not task.is_open or",
    ),
)
bug(
    "repeated_fact_counted_twice",
    "a result that is known is counted again in all that wait for it",
    text(
        reports,
        "on_report",
        "        view.ignored += 1\n",
        "        if isinstance(event, AttemptSucceeded) and event.execution and not task.is_open:\n"
        "            view.ended.append(task.id)\n",
    ),
    theme="repetitions",
)
bug(
    "stale_result_accepted",
    "a result counts whatever attempt it is of, while the task is open",
    text(
        reports,
        "on_report",
        "event.attempt < task.attempt:",
        "(event.attempt < task.attempt and not isinstance(event, AttemptSucceeded)):",
    ),
    theme="workers",
)
bug(
    "execution_guard_dropped",
    "any execution may fail or give back an attempt that another one runs",
    text(
        reports, "_apply", "if task.execution not in {None, event.execution}:", "if event.execution is None:"
    ),
    theme="repetitions",
)
bug(
    "last_start_wins",
    "the execution that started last is the recorded one",
    text(
        reports,
        "_started",
        "if task.execution not in {None, event.execution}:",
        "if event.execution is None:",
    ),
    theme="repetitions",
)
bug(
    "progress_as_told",
    "progress is what was told last, also by a heartbeat that comes late",
    text(reports, "_progressed", "max(task.progress, event.progress)", "event.progress"),
    theme="repetitions",
)
bug(
    "lapse_after_an_outage",
    "an owner lapses leases from its first moment on",
    text(handlers, "_fold", "may_lapse=may_lapse", "may_lapse=True"),
    theme="broker",
)


async def _sweep_directly(self: Timers) -> None:
    checks = await self._due.lapsed()
    if checks:
        await self._repository.update(checks, handlers._fold(may_lapse=True))


bug(
    "sweep_lapses_directly",
    "the sweep folds what it sees itself, beside the queue in which the renewals wait",
    instead(Timers, "sweep", _sweep_directly),
    theme="broker",
)
bug(
    "check_never_repeated",
    "a check is sent once, though it may have been too early to lapse",
    instead(timers, "_REMEMBERED", 1e9),
    theme="workers",
)
bug(
    "retry_starts_early",
    "retries are looked for five seconds ahead of their time",
    text(Due, "timers", '{"due_at": {"$lte": now}}', '{"due_at": {"$lte": now + timedelta(seconds=5)}}'),
)
bug(
    "no_stub",
    "a dependency that is not there yet is called unknown at once",
    text(
        creation,
        "await_dependencies",
        "_register(view, task, _stub(view, task, dependency_id, dependency))",
        "fail(view, task, unknown_dependency(dependency_id))\n            return",
    ),
)
bug(
    "stub_never_expires",
    "a stub has no end",
    text(creation, "_stub", "due_at=view.now + STUB_LIFE", "due_at=None"),
)
bug(
    "stub_expires_early",
    "a stub lasts for less than its minute",
    text(creation, "_stub", "due_at=view.now + STUB_LIFE", "due_at=view.now + STUB_LIFE * 0.9"),
)
bug(
    "stub_forgets_who_waits",
    "the task that fills a stub does not take over who waits for it",
    text(creation, "on_task_created", "dependents=known.dependents if known else ()", "dependents=()"),
)
bug(
    "run_ignores_stubs",
    "a run's steps are new, whoever waits for them",
    text(making, "filling", "if before is None:", "if before is None or before.is_stub:"),
)
bug(
    "no_tombstone",
    "nothing keeps the id of a deleted task taken",
    text(commands, "_bury", "created_at=task.created_at,", ""),
    theme="repetitions",
)
bug(
    "delete_forgets_the_tasks",
    "the tasks of a deleted run stay",
    text(Repository, "_write", "in decision.purged:", "in decision.purged[:0]:"),
)
bug(
    "early_command_dropped",
    "a command for a task that is not there yet is not looked at again",
    text(
        fold,
        "_apply",
        "if not on_task_command(view, event):\n                _defer(view, event)",
        "on_task_command(view, event)",
    ),
)
bug(
    "command_ids_forgotten",
    "a repeated command is applied again",
    text(commands, "on_task_command", " or event.id in task.commands", ""),
    theme="repetitions",
)
bug(
    "command_sequence_ignored",
    "the last command's sequence is that of whatever came last",
    text(commands, "_remembering", "max(known.sequence, command.sequence)", "command.sequence"),
)
bug(
    "cancel_forgets_ready_tasks",
    "the end of a run cancels what runs, and not what waits for a worker",
    text(
        scopes,
        "end_run",
        "not current.is_open or",
        "not current.is_open or current.status is TaskStatus.READY or",
    ),
)
bug(
    "retry_waits_for_nobody",
    "a task that is retried is not waited for by what it depends on",
    text(commands, "_retry", "await_dependencies(view, task)", "view.put(task)"),
    theme="nothing",
)
bug(
    "revocation_lost",
    "nobody tells a worker that its attempt is closed",
    text(transitions, "revoke", "if task.status is TaskStatus.RUNNING and", "if task.status is None and"),
    text(reports, "on_report", "view.owe(_revocation(view, event))", "pass"),
    theme="nothing",
)
bug(
    "alias_before_acceptance",
    "a result's file gets its path when the result arrives",
    text(
        reports,
        "on_report",
        "        view.ignored += 1\n",
        "        if isinstance(event, AttemptSucceeded) and event.file:\n"
        '            path = task.output_file or "somewhere"\n'
        '            view.alias(task.tenant, event.file.model_copy(update={"path": path}))\n',
    ),
    theme="repetitions",
)
bug(
    "event_id_without_attempt",
    "the id of a final event says task and kind alone",
    instead(TaskEvent, "identity", property(lambda _: ())),
)
bug(
    "outbox_deleted_before_the_confirm",
    "what is owed is forgotten as soon as it was sent",
    text(SchedulerHandler, "on_batch", "strict=False) if ok]", "strict=False)]"),
    theme="broker",
)
bug(
    "no_idle_flush",
    "what is confirmed is forgotten with the next batch alone",
    text(Repository, "forget_when_idle", "await self.forget()", "pass"),
    theme="nothing",
)
bug(
    "publish_before_commit",
    "what is owed is sent as soon as it is decided",
    given(handlers, "_telling", _telling),
    text(
        SchedulerHandler,
        "on_batch",
        "_fold(may_lapse=batch.settled_for > _LEASE_SECONDS))",
        "_telling(self._publisher, _fold(may_lapse=batch.settled_for > _LEASE_SECONDS)))",
    ),
    theme="store",
)
bug(
    "intake_acknowledges_before_the_confirm",
    "the intake does not look whether the broker has what it sent on",
    text(IntakeHandler, "on_batch", "if not all(sent):", "if sent is None:"),
    theme="broker",
)
bug(
    "held_batch_given_up",
    "a batch that cannot be stored now is parked, not held",
    text(
        Consumption,
        "_handled",
        "if isinstance(error, FilemillError) and error.retryable:",
        "if error is None:",
    ),
    theme="store",
)
bug(
    "slow_heartbeat",
    "a worker renews its lease as often as it lapses",
    text(Pace, "of", "silent=min(5.0, lease / 4)", "silent=lease * 1.5"),
    theme="nothing",
)
bug(
    "marked_before_sending",
    "a delivery is marked as made before the recipient has it",
    text(
        Sender,
        "_try",
        "    began = utc_now()\n",
        "    began = utc_now()\n"
        '    done = after_try(delivery, Outcome(ok=True, code="200"), began=began, now=began)\n'
        "    await self._keep(done, held=delivery.due_at)\n",
    ),
    theme="nothing",
)
bug(
    "webhook_id_made_anew",
    "each time an event is told its deliveries have other ids",
    given(deliveries, "_new_id", _an_id),
    text(deliveries, "_delivery", 'id=derived_id("delivery", event.id, channel, target)', "id=_new_id()"),
    theme="repetitions",
)
bug(
    "claim_not_honoured",
    "a claimed delivery is still due",
    text(Deliveries, "claim", '{"$set": {"due_at": now + CLAIM}}', '{"$set": {"due_at": now}}'),
    theme="store",
)
bug(
    "claim_never_ends",
    "who died with a delivery in hand keeps it",
    text(deliveries, "claimed", "due_at=now + CLAIM", "due_at=None"),
    theme="store",
)
