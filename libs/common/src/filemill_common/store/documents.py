"""How values lie in documents, and how tasks and runs are read by those who do not write them.

What a user wrote (options, outputs, inputs …) lies as JSON text: keys with ``$`` or dots, and numbers
that BSON cannot hold, come back as they were, and nothing in them can ever be read as an operator.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from filemill_common.events import TaskView, WorkflowView
from filemill_common.store.client import Document

JSON_FIELDS: Final = frozenset(
    {"options", "template", "output", "checkpoint", "definition", "run_input", "outputs"}
)
"""Fields that hold JSON text, in tasks and workflows."""


_PLACE: Final = 16
"""Hexadecimal digits of a place in a run's history."""


def encode_json(value: object) -> str | None:
    """Write a JSON value as the store keeps it; None stays None."""
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decode_json(text: str | None) -> Any:
    """Read what `encode_json` wrote."""
    return None if text is None else json.loads(text)


def encode_labels(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Write labels so that one can be searched for: ``{"labels": {"$elemMatch": {"k": …, "v": …}}}``."""
    return [{"k": key, "v": value} for key, value in labels.items()]


def decode_labels(labels: list[dict[str, str]]) -> dict[str, str]:
    """Read what `encode_labels` wrote."""
    return {label["k"]: label["v"] for label in labels}


def task_view(document: Document) -> TaskView:
    """Read a stored task as it is shown; the attempt shown is the last one known to have run."""
    fields = _shown(document, TaskView)
    fields["attempt"] = document.get("ran", 0)
    if "labels" in fields:
        fields["labels"] = decode_labels(fields["labels"])
    return TaskView(**fields)


def workflow_view(document: Document) -> WorkflowView:
    """Read a stored run as it is shown."""
    return WorkflowView(**_shown(document, WorkflowView))


def workflow_input(document: Document) -> Any:
    """Read the input that a stored run was started with."""
    return decode_json(document.get("run_input")) or {}


def _shown(document: Document, view: type[TaskView] | type[WorkflowView]) -> dict[str, Any]:
    fields = {
        name: decode_json(document[name]) if name in JSON_FIELDS else document[name]
        for name in view.model_fields
        if document.get(name) is not None
    }
    return {**fields, "id": document["_id"]}


def history_id(run_id: str, place: int) -> str:
    """Name a document of a run's history, so that the names are in the order of the places."""
    return f"{run_id}:{place:0{_PLACE}x}"


def history_place(document_id: str) -> int:
    """Read the place out of the name of a document of a history."""
    return int(document_id[-_PLACE:], 16)


def history_of(run_id: str, *, first: int = 0, last: int | None = None) -> Document:
    """Find the documents of a run's history, from one place to another, both included."""
    end = f"{run_id};" if last is None else history_id(run_id, last + 1)  # the character after the colon
    # Another run's id may begin with this one and a colon.
    return {"_id": {"$gte": history_id(run_id, first), "$lt": end}, "workflow_id": run_id}


def history_entries(document: Document) -> list[dict[str, Any]]:
    """Read the events of a document of a history, with what became of each.

    What they do not name is the run whose history it is.
    """
    text = document["entries"]
    found: list[dict[str, Any]] = json.loads(zlib.decompress(text) if isinstance(text, bytes) else text)
    root = document["workflow_id"]
    for entry in found:
        entry.setdefault("run", root)
        entry["data"].setdefault("partition_key", root)
        for change in entry.get("changes", ()):
            change.setdefault("run", root)
    return found
