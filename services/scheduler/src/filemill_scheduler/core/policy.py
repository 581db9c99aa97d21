"""The numbers and small rules of the protocol: leases, retries, deferrals."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from filemill_scheduler.core.state import Task

LEASE: Final = timedelta(seconds=20)
"""How long a worker that runs a long task may be silent; it renews at least every 5 s."""

LOSSES_ALLOWED: Final = 2
"""A task that lost this many workers runs alone; with one more it has failed."""

STUB_LIFE: Final = timedelta(seconds=60)
"""How long a task waits for one that it depends on and that nobody has created."""

TOMBSTONE_LIFE: Final = timedelta(hours=24)
"""How long a deleted id stays taken, so that a late message does not bring it back."""

DEFERRALS_ALLOWED: Final = 6
"""Seconds 1, 2, 4 … 32: a report that overtook its task by more than a minute is not waited for."""

OUTPUTS_LIMIT: Final = 65_536
"""Bytes of JSON that a run collects of its steps' outputs."""

ATTEMPTS_KEPT: Final = 100
"""Closed attempts that a task remembers."""

SIGNALS_KEPT: Final = 100
"""Names of signals of which a run keeps what was said last."""

LONGEST_DELAY: Final = 60.0
"""Seconds; doubling stops there."""


def deferral_delay(deferrals: int) -> timedelta:
    """Tell how long to put an event off that was put off ``deferrals`` times: 1 s, doubling."""
    return timedelta(seconds=2.0**deferrals)


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt, after ``delay``."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt."""


def retry_decision(task: Task, *, retryable: bool) -> Retry | GiveUp:
    """Decide whether a task whose open attempt failed gets another one.

    Exponential back-off, factor 2, at most 60 s, with full jitter: a fraction of the delay that
    follows from the task's id and attempt, so that the same failure always decides the same, and many
    that failed together do not come back together.

    References:
        AWS Architecture Blog, "Exponential Backoff And Jitter" (2015): full jitter.
    """
    if not retryable or task.retry_count >= task.max_retries:
        return GiveUp()
    longest = min(LONGEST_DELAY, task.retry_delay * 2.0 ** min(task.retry_count, 32))
    return Retry(timedelta(seconds=round(longest * _fraction(task.id, task.attempt), 3)))


def _fraction(task_id: str, attempt: int) -> float:
    """A number in [0, 1) that looks random and is always the same for an attempt."""
    digest = hashlib.blake2b(f"{task_id}:{attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
