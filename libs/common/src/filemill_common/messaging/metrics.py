"""What is counted of messages: sent, taken and put aside."""

from prometheus_client import Counter, Histogram

from filemill_common.metrics import REFUSAL_CODES, bounded

published = Counter(
    "filemill_messages_published_total", "Messages sent, by what became of them.", ["exchange", "outcome"]
)
returned = Counter(
    "filemill_publish_returned_total", "Messages that came back because no queue takes them.", ["exchange"]
)
events = Counter("filemill_events_published_total", "Events that the broker has.", ["exchange"])
confirmation = Histogram(
    "filemill_publish_duration_seconds",
    "From sending a message to the broker's confirmation.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 15),
)
messages = Counter("filemill_messages_consumed_total", "Messages taken from a queue.", ["queue"])
consumed = Counter("filemill_events_consumed_total", "Events taken from a queue.", ["queue"])
batches = Histogram(
    "filemill_batch_events",
    "Events handled at once.",
    ["queue"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
_parked = Counter("filemill_messages_parked_total", "Messages put into the parking lot.", ["queue", "code"])


def parked(queue: str, code: str) -> None:
    """Count a message that was put aside; why is told by those codes that are known."""
    _parked.labels(queue, bounded(code, REFUSAL_CODES)).inc()
