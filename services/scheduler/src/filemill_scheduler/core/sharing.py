"""How several schedulers share the partitions: whoever is busy with more than its share lets one go."""

from collections.abc import Collection


def to_let_go(active: Collection[int], *, partitions: int, replicas: int) -> int | None:
    """Tell which partition a replica lets another one have, or None if it has no more than its share.

    A share is as many as each can have when all are busy, rounded up, so that two never pass one to and fro.
    One at a time: who gets it is settled by the broker, and shows at the next look.

    Args:
        active: Partitions that this replica gets messages of; idle ones need no sharing.
        partitions: How many there are.
        replicas: How many schedulers are alive, this one included.
    """
    share = -(-partitions // max(1, replicas))
    return max(active) if len(active) > share else None
