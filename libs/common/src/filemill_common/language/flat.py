"""The flat shape of the original system, turned into ours.

A document is in the flat shape if any of its steps has the key ``config``; nothing else decides.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from filemill_common.language.problems import Problem, pointer

_PLACES = re.compile(r"^(/steps/\d+)/(task|with|id)(?=/|$)")
_ORIGINAL = {"task": "config/type", "with": "config", "id": "order"}
_TURNED = ("id", "task", "with", "config", "depends_on", "status")
_ORDER = "a whole number from 0 to 10^15"


def is_flat(document: Mapping[str, Any]) -> bool:
    """Whether any step of the document has the key ``config``."""
    steps = document.get("steps")
    return isinstance(steps, list) and any(isinstance(s, dict) and "config" in s for s in steps)


def from_flat(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Give the same workflow in our shape.

    A step's id is ``s<order>``, and a number in ``depends_on`` becomes one; ``config.type`` is the
    task type, the rest of ``config`` goes into ``with``. ``config`` and ``depends_on`` may be JSON
    text, ``status`` is dropped. What cannot be turned is left out or as it is.

    Returns:
        The document and what is wrong with it; pointers are those of the flat document.
    """
    problems: list[Problem] = []
    ours = {key: value for key, value in document.items() if key != "status"}
    ours["steps"] = [
        _step(step, at, problems) if isinstance(step, dict) else step
        for at, step in enumerate(document["steps"])
    ]
    return ours, problems


def to_flat_pointer(place: str) -> str:
    """Say where the thing at a pointer into our shape stands in the flat one."""
    return _PLACES.sub(lambda found: f"{found[1]}/{_ORIGINAL[found[2]]}", place)


def _step(step: Mapping[str, Any], at: int, problems: list[Problem]) -> dict[str, Any]:
    def report(code: str, message: str, *place: str | int) -> None:
        problems.append(Problem(pointer=pointer("steps", at, *place), code=code, message=message))

    ours = {key: value for key, value in step.items() if key not in _TURNED}
    for key in ("id", "task", "with"):
        if key in step:
            report("unknown_field", f"a step with 'config' has no {key!r}", key)

    order = step.get("order")
    if _is_order(order):
        ours["id"] = f"s{order}"
    elif order is None:
        report("missing_field", "'order' is missing", "order")
    else:
        report("wrong_type", f"'order' is {_ORDER}, not {type(order).__name__}", "order")

    config = _parsed(step.get("config"), empty={})
    if not isinstance(config, dict):
        report("wrong_type", "'config' is an object, or one as JSON text", "config")
    else:
        ours["with"] = {key: value for key, value in config.items() if key != "type"}
        if "type" in config:
            ours["task"] = config["type"]
        else:
            report("missing_field", "'type', the type of the task, is missing", "config", "type")

    ours["depends_on"] = _dependencies(step.get("depends_on"), report)
    return ours


def _dependencies(given: object, report: Callable[..., None]) -> object:
    orders = _parsed(given, empty=[])
    if not isinstance(orders, list):
        report("wrong_type", "'depends_on' is a list, or one as JSON text", "depends_on")
        return orders
    for index, order in enumerate(orders):
        if not _is_order(order):
            message = f"'depends_on' names steps by their order, {_ORDER}"
            report("wrong_type", message, "depends_on", index)
    return [f"s{order}" if _is_order(order) else order for order in orders]


def _is_order(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15


def _parsed(value: object, *, empty: object) -> object:
    """Read JSON text; what is no text is taken as it is, nothing at all as ``empty``."""
    if value is None or value == "":
        return empty
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
