"""State in MongoDB: the only place in the scheduler that knows how documents look."""

from filemill_scheduler.repository.due import Due, DueWork, Queue, Standing
from filemill_scheduler.repository.lock import Lock
from filemill_scheduler.repository.members import Members
from filemill_scheduler.repository.storetime import StoreTime
from filemill_scheduler.repository.tasks import READS, ContendedError, Fold, Repository, Updated

__all__ = [
    "READS",
    "ContendedError",
    "Due",
    "DueWork",
    "Fold",
    "Lock",
    "Members",
    "Queue",
    "Repository",
    "Standing",
    "StoreTime",
    "Updated",
]
