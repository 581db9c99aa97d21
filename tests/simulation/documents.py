"""How the rules read stored documents; they share no code with what wrote them."""

import json
from typing import Any, Final

Document = dict[str, Any]

FINAL: Final = frozenset({"completed", "failed", "cancelled", "skipped"})
UNDER_WAY: Final = frozenset({"ready", "running", "retrying"})
BEGUN: Final = UNDER_WAY | {"completed"}


def state(document: Document | None) -> str:
    """Tell where a task or run stands: a status, ``absent``, ``stub`` or ``deleted``."""
    if document is None:
        return "absent"
    status: str | None = document.get("status")
    if status is not None:
        return status
    return "stub" if document.get("created_at") is None else "deleted"


def attempt(document: Document | None) -> int:
    return int(document.get("attempt", 1)) if document else 1


def mark(document: Document) -> tuple[int, str]:
    """Tell which attempt and execution a result came from."""
    output = json.loads(document["output"])
    return output["attempt"], output["execution"]


def output_path(document: Document) -> str | None:
    """Tell which path a result's file was given."""
    path: str | None = json.loads(document["output"]).get("file")
    return path


def new_commands(old: Document | None, new: Document) -> list[str]:
    """Tell which commands a commit applied."""
    known = set((old or {}).get("commands") or ())
    return [each for each in new.get("commands") or () if each not in known]
