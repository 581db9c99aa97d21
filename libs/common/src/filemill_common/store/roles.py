"""What each service may do in MongoDB, and the users that may."""

from typing import Any, Final

from filemill_common.store.client import Store
from filemill_common.store.indexes import (
    DELIVERIES,
    FILE_METADATA,
    FILES,
    HISTORY,
    LOCKS,
    OUTBOX,
    TASKS,
    TEMPLATES,
    WORKFLOWS,
)

_READ: Final = ("find",)
_WRITE: Final = ("find", "insert", "update", "remove")
_OWN: Final = (*_WRITE, "createIndex")

ROLES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "gateway": {
        TASKS: _READ,
        WORKFLOWS: _READ,
        HISTORY: _READ,
        FILE_METADATA: _READ,
        DELIVERIES: _READ,
        FILES: ("find", "insert", "update"),
        TEMPLATES: ("find", "insert"),
    },
    "scheduler": {
        **dict.fromkeys((TASKS, WORKFLOWS, HISTORY, OUTBOX, LOCKS, FILES, FILE_METADATA), _OWN),
        TEMPLATES: ("createIndex",),  # it makes the indexes of all but the notifier's
    },
    "notifier": {DELIVERIES: _OWN},
}
"""Service to collection to actions. A worker has none."""


def role(service: str) -> str:
    """Name the role of a service."""
    return f"filemill-{service}"


def privileges(service: str, *, database: str) -> list[dict[str, Any]]:
    """Give the privileges of a service, as ``createRole`` and the operator take them."""
    return [
        {"resource": {"db": database, "collection": collection}, "actions": list(actions)}
        for collection, actions in ROLES[service].items()
    ]


async def ensure_user(store: Store, service: str, *, username: str, password: str) -> None:
    """Make the role and the user of a service in ``admin``, or change those that are there.

    Raises:
        StoreUnavailableError: MongoDB cannot be reached.
        StoreRefusedError: The store's own user may not.
    """
    name = role(service)
    known = await store.administer(rolesInfo=name)
    verb = "updateRole" if known["roles"] else "createRole"
    may = privileges(service, database=store.name)
    await store.administer(**{verb: name}, privileges=may, roles=[])
    known = await store.administer(usersInfo=username)
    verb = "updateUser" if known["users"] else "createUser"
    await store.administer(**{verb: username}, pwd=password, roles=[{"role": name, "db": "admin"}])
