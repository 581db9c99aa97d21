"""What the notifier counts: tries, how they end, and how soon after the fact the first one is made."""

from datetime import datetime, timedelta
from typing import Final

from prometheus_client import Counter, Histogram

from filemill_common.metrics import exemplar
from filemill_notifier.core.deliveries import Delivery, Status

_CHANNELS: Final = ("email", "webhook", "callback")
_OUTCOMES: Final = {Status.DELIVERED: "delivered", Status.PENDING: "retried", Status.FAILED: "failed"}

_tries = Counter(
    "filemill_delivery_tries_total",
    "Tries to deliver: delivered, to be retried, or failed for good.",
    ["channel", "outcome"],
)
_duration = Histogram("filemill_delivery_duration_seconds", "How long a try took.", ["channel"])
_delay = Histogram(
    "filemill_notification_delay_seconds",
    "From the fact to the first try of telling it; what the recipient makes of it is another matter.",
    ["channel"],
    buckets=(0.05, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 3600),
)

for _channel in _CHANNELS:
    _duration.labels(_channel)
    _delay.labels(_channel)
    for _outcome in _OUTCOMES.values():
        _tries.labels(_channel, _outcome)


def tried(delivery: Delivery, *, began: datetime, now: datetime) -> None:
    """Count a try.

    Args:
        delivery: As it stands after the try.
        began: When it was made.
        now: When it had ended.
    """
    trace = exemplar(delivery.traceparent)
    _tries.labels(delivery.channel, _OUTCOMES[delivery.status]).inc(exemplar=trace)
    _duration.labels(delivery.channel).observe(_seconds(now - began), trace)
    if delivery.tried == 1 and delivery.told_at is not None:
        _delay.labels(delivery.channel).observe(_seconds(began - delivery.told_at), trace)


def _seconds(span: timedelta) -> float:
    return max(0.0, span / timedelta(seconds=1))
