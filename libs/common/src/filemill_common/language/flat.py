"""The flat shape of the original system, turned into ours.

A document is in the flat shape if any of its steps has the key ``config``; nothing else decides.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from filemill_common.language.model import STEP_MODELS, field_names
from filemill_common.language.places import Path
from filemill_common.language.problems import Problem, pointer

_TURNED = ("id", "task", "with", "config", "depends_on", "status")
_COMMON = frozenset.intersection(*(frozenset(field_names(model, ())) for model in STEP_MODELS.values())) - {
    "timeout"
}
"""What every step has: it stands beside ``config``, never in it. A wait has a ``timeout`` of its own."""
_Report = Callable[..., None]
_ORDER = "a whole number from 0 to 10^15"


def is_flat(document: Mapping[str, Any]) -> bool:
    """Whether any step of the document has the key ``config``."""
    steps = document.get("steps")
    return isinstance(steps, list) and any(isinstance(s, dict) and "config" in s for s in steps)


class Turned:
    """A flat document in our shape.

    A step's id is ``s<order>``, and a number in ``depends_on``, ``then`` and ``default`` becomes one. Of a
    task ``config.type`` is the task type, and the rest of ``config`` goes into ``with``; of any other step
    the keys of ``config`` become its fields. ``config`` and ``depends_on`` may be JSON text, ``status`` is
    dropped. Steps in branches and in ``finally`` may be in either shape. What cannot be turned is left out
    or as it is.

    Attributes:
        document: In our shape.
        problems: What is wrong with it; pointers are those of the flat document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Turn a document that `is_flat`."""
        self.problems: list[Problem] = []
        # From where something stands in our shape to where it does in the flat one.
        self._origin: dict[str, str] = {}
        self.document = {key: value for key, value in document.items() if key != "status"}
        for name in ("steps", "finally"):
            listed = document.get(name)
            if isinstance(listed, list):
                is_whole = name == "steps"
                self.document[name] = self._steps(listed, (name,), (name,), is_whole=is_whole)

    def pointer(self, place: str) -> str:
        """Say where the thing at a pointer into our shape stands in the flat one."""
        known, rest = place, ""
        while known not in self._origin:
            known, slash, last = known.rpartition("/")
            if not slash:
                return place
            rest = f"/{last}{rest}"
        return self._origin[known] + rest

    def _steps(self, steps: list[Any], ours: Path, flat: Path, *, is_whole: bool) -> list[Any]:
        return [
            self._step(step, (*ours, at), (*flat, at))
            if isinstance(step, dict) and (is_whole or "config" in step)
            else self._left(step, (*ours, at), (*flat, at))
            for at, step in enumerate(steps)
        ]

    def _left(self, step: object, ours: Path, flat: Path) -> object:
        self._origin[pointer(*ours)] = pointer(*flat)
        return step

    def _step(self, step: Mapping[str, Any], ours: Path, flat: Path) -> dict[str, Any]:
        def report(code: str, message: str, *place: str | int) -> None:
            self.problems.append(Problem(pointer=pointer(*flat, *place), code=code, message=message))

        self._origin[pointer(*ours)] = pointer(*flat)
        self._origin[pointer(*ours, "id")] = pointer(*flat, "order")
        turned = {key: value for key, value in step.items() if key not in _TURNED}
        for key in ("id", "task", "with"):
            if key in step:
                report("unknown_field", f"a step with 'config' has no {key!r}", key)
        order = step.get("order")
        if _is_order(order):
            turned["id"] = f"s{order}"
        elif order is None:
            report("missing_field", "'order' is missing", "order")
        else:
            report("wrong_type", f"'order' is {_ORDER}, not {type(order).__name__}", "order")
        turned["depends_on"] = _dependencies(step.get("depends_on"), report)
        config = _parsed(step.get("config"), empty={})
        if not isinstance(config, dict):
            report("wrong_type", "'config' is an object, or one as JSON text", "config")
            config = None
        if step.get("type", "task") == "task":
            self._origin[pointer(*ours, "task")] = pointer(*flat, "config", "type")
            self._origin[pointer(*ours, "with")] = pointer(*flat, "config")
            turned |= _work(config, report)
        else:
            turned |= self._fields(step, config or {}, ours, flat, report)
        return turned

    def _fields(
        self, step: Mapping[str, Any], config: dict[str, Any], ours: Path, flat: Path, report: _Report
    ) -> dict[str, Any]:
        """Take the fields of a step that is no task out of ``config``."""
        kind = step["type"]
        model = STEP_MODELS.get(kind) if isinstance(kind, str) else None
        named = field_names(model, ()) if model else ()
        for field in {*named, *config} - _COMMON - {"type"}:
            self._origin[pointer(*ours, field)] = pointer(*flat, "config", field)
        for field in config.keys() & (_COMMON | step.keys()) - {"type"}:
            report("unknown_field", f"{field!r} stands beside 'config', not in it", "config", field)
        fields = {key: value for key, value in config.items() if key not in _COMMON and key != "type"}
        self._inside(fields, ours, flat)
        return fields

    def _inside(self, step: dict[str, Any], ours: Path, flat: Path) -> None:
        """Turn what the fields of a step hold that came out of ``config``: names of steps, and steps."""
        if isinstance(step.get("default"), list):
            step["default"] = _names(step["default"])
        if isinstance(step.get("cases"), list):
            step["cases"] = [
                {**case, "then": _names(case["then"])}
                if isinstance(case, dict) and isinstance(case.get("then"), list)
                else case
                for case in step["cases"]
            ]
        if isinstance(step.get("branches"), dict):
            step["branches"] = {
                name: self._steps(
                    branch,
                    (*ours, "branches", name),
                    (*flat, "config", "branches", name),
                    is_whole=False,
                )
                if isinstance(branch, list)
                else branch
                for name, branch in step["branches"].items()
            }


def _work(config: dict[str, Any] | None, report: _Report) -> dict[str, Any]:
    """Take the task and its options out of ``config``."""
    if config is None:
        return {}
    options = {key: value for key, value in config.items() if key != "type"}
    if "type" in config:
        return {"task": config["type"], "with": options}
    report("missing_field", "'type', the type of the task, is missing", "config", "type")
    return {"with": options}


def _names(orders: list[Any]) -> list[Any]:
    return [f"s{order}" if _is_order(order) else order for order in orders]


def _dependencies(given: object, report: _Report) -> object:
    orders = _parsed(given, empty=[])
    if not isinstance(orders, list):
        report("wrong_type", "'depends_on' is a list, or one as JSON text", "depends_on")
        return orders
    for index, order in enumerate(orders):
        if not _is_order(order):
            message = f"'depends_on' names steps by their order, {_ORDER}"
            report("wrong_type", message, "depends_on", index)
    return _names(orders)


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
