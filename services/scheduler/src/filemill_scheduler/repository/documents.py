"""Tasks and runs as documents, and back: only what changed is written, and nothing that says nothing."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from pymongo import InsertOne, UpdateOne

from filemill_common.events import Attempt, Counts, Failure, Notify, StoredFile, TaskStatus, WorkflowStatus
from filemill_common.store import Document
from filemill_common.store.documents import decode_json, decode_labels, encode_json, encode_labels
from filemill_scheduler.core import Run, Task, Unmet

Write = InsertOne[Document] | UpdateOne
Kind = TypeVar("Kind", bound=Task | Run)

_Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""To the document and back; neither sees None."""

_JSON: Final[_Codec] = (encode_json, decode_json)
_LIST: Final[_Codec] = (list, tuple)
_FAILURE: Final[_Codec] = (Failure.model_dump, lambda value: Failure(**value))
_AS_IT_IS: Final[_Codec] = (lambda value: value, lambda value: value)

_TASK_CODECS: Final[Mapping[str, _Codec]] = {
    "options": _JSON,
    "template": _JSON,
    "spec": _JSON,
    "bindings": _JSON,
    "output": _JSON,
    "checkpoint": _JSON,
    "ancestors": _LIST,
    "queue": _LIST,
    "depends_on": _LIST,
    "dependents": _LIST,
    "commands": _LIST,
    "labels": (encode_labels, decode_labels),
    "status": (str, TaskStatus),
    "unmet": (asdict, lambda value: Unmet(**value)),
    "inside": (asdict, lambda value: Unmet(**value)),
    "input": (StoredFile.model_dump, lambda value: StoredFile(**value)),
    "error": _FAILURE,
    "last_error": _FAILURE,
    "attempts": (
        lambda value: [each.model_dump() for each in value],
        lambda value: tuple(Attempt(**each) for each in value),
    ),
}
_RUN_CODECS: Final[Mapping[str, _Codec]] = {
    "definition": _JSON,
    "subworkflows": _JSON,
    "signals": _JSON,
    "waits": (encode_json, lambda text: {name: tuple(ids) for name, ids in decode_json(text).items()}),
    "outcome": (str, WorkflowStatus),
    "input": _JSON,
    "outputs": _JSON,
    "commands": _LIST,
    "status": (str, WorkflowStatus),
    "error": _FAILURE,
    "counts": (Counts.model_dump, lambda value: Counts(**value)),
    "notify": (
        lambda value: [entry.model_dump(mode="json") for entry in value],
        lambda value: tuple(Notify(**entry) for entry in value),
    ),
}


class _Shape(Generic[Kind]):
    """How one kind of state lies in its collection."""

    def __init__(self, kind: type[Kind], codecs: Mapping[str, _Codec], **names: str) -> None:
        self._kind: type[Kind] = kind
        self._fields = tuple(
            (each.name, names.get(each.name, each.name), *codecs.get(each.name, _AS_IT_IS))
            for each in fields(kind)
            if each.name != "version"
        )
        self._blank: Kind = kind(id="")

    def read(self, document: Document) -> Kind:
        """Make the state out of its document; what the document does not say has its default."""
        found: dict[str, Any] = {"version": document["version"]}
        for name, key, _, decode in self._fields:
            value = document.get(key)
            if value is not None:
                found[name] = decode(value)
        return self._kind(**found)

    def write(self, old: Kind | None, new: Kind) -> Write:
        """Write what differs from what was read, if nobody wrote meanwhile."""
        if new.version == 0:
            return InsertOne(self.document(new))
        changed = self._differing(old or self._blank, new)
        changed["version"] = new.version + 1
        return UpdateOne({"_id": new.id, "version": new.version}, {"$set": changed})

    def document(self, new: Kind) -> Document:
        """Write the whole state, as it is when it is new."""
        return {"version": 1, "tenant": new.tenant, **self._differing(self._blank, new)}

    def _differing(self, old: Kind, new: Kind) -> Document:
        found: Document = {}
        for name, key, encode, _ in self._fields:
            value = getattr(new, name)
            before = getattr(old, name)
            if value is not before and value != before:
                found[key] = None if value is None else encode(value)
        return found


TASK_SHAPE: Final = _Shape(Task, _TASK_CODECS, id="_id")
RUN_SHAPE: Final = _Shape(Run, _RUN_CODECS, id="_id", input="run_input")


def metadata_update(tenant: str, probe: Task, *, at: datetime, life: timedelta) -> UpdateOne:
    """Keep what a probe found out about a file, by the file's digest and never by its path."""
    digest = probe.input.digest if probe.input else ""
    return UpdateOne(
        {"_id": f"{tenant}:{digest}"},
        {
            "$set": {
                "tenant": tenant,
                "digest": digest,
                "metadata": encode_json(probe.output or {}),
                "expires_at": at + life,
            }
        },
        upsert=True,
    )
