"""A replica set's operation log as the versions of each document: a witness that no service can bribe."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

Json = dict[str, Any]
Version = tuple[str, str, Json]
"""Namespace, id, and the document as it lay from then on, with ``at``; it has no ``_id`` once deleted."""


def versions(oplog: Iterable[Json], namespaces: Iterable[str]) -> Iterator[Version]:
    """Give every version of every document, in the order in which they were committed.

    Args:
        oplog: Entries of ``local.oplog.rs``, in their natural order, from the beginning.
        namespaces: Of which collections, such as ``filemill.tasks``.

    Raises:
        LookupError: A document is changed that was never written: the log has lost its beginning.
    """
    wanted = frozenset(namespaces)
    lies: dict[tuple[str, str], Json] = {}
    for entry in oplog:
        for operation in _operations(entry):
            if operation["ns"] not in wanted or operation["op"] not in {"i", "u", "d"}:
                continue
            identity = str((operation.get("o2") or operation["o"])["_id"])
            place = (operation["ns"], identity)
            match operation["op"]:
                case "i":
                    lies[place] = operation["o"]
                case "d":
                    lies[place] = {}
                case _:
                    if place not in lies:
                        raise LookupError(f"the log has forgotten how {identity} began")
                    lies[place] = changed(lies[place], operation["o"])
            yield (*place, {**lies[place], "at": entry["wall"]})


def _operations(entry: Json) -> Iterator[Json]:
    """Unfold a transaction, which is one entry, into what it did."""
    if entry["op"] == "c":
        yield from entry["o"].get("applyOps", [])
    else:
        yield entry


def changed(document: Json, change: Json) -> Json:
    """Apply an update: a whole document, or a description of what differs (``$v: 2``)."""
    if "$v" not in change:
        return change
    differing: Json = _differing(deepcopy(document), change["diff"])
    return differing


def _differing(value: Any, diff: Json) -> Any:
    """Apply a difference to a document or a list.

    ``d`` names what is gone, ``u`` and ``i`` what is new, ``s<name>`` what differs inside; a list (``a``) has
    ``u<index>``, ``s<index>`` and its length ``l``.
    """
    if diff.get("a"):
        return _differing_list(value, diff)
    for name in diff.get("d", ()):
        value.pop(name, None)
    value.update(diff.get("u", {}))
    value.update(diff.get("i", {}))
    for name, inside in diff.items():
        if name.startswith("s"):
            value[name[1:]] = _differing(value[name[1:]], inside)
    return value


def _differing_list(value: list[Any], diff: Json) -> list[Any]:
    if "l" in diff:
        del value[diff["l"] :]
    for name, inside in diff.items():
        if name[0] in "us" and name[1:].isdecimal():
            index = int(name[1:])
            value += [None] * (index + 1 - len(value))
            value[index] = inside if name[0] == "u" else _differing(value[index], inside)
    return value
