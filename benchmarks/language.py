"""How long the whole check of a large definition takes; no server is needed."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from filemill_common.language import check_text, dump, load
from filemill_common.task_types import option_models

STEPS = 10_000


def shapes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give definitions of 10,000 steps, by name."""
    last = STEPS - 1
    names = [f"s{n}" for n in range(STEPS)]
    pairs = [*pairwise(names)]
    yield (
        "chain of paths",
        _definition(
            _step("s0"),
            *(
                _step(name, before, **{"with": {"x": f"${{{{ steps.{before}.output.x }}}}"}})
                for before, name in pairs
            ),
        ),
    )
    yield (
        "chain of conditions",
        _definition(
            _step("s0"),
            *(
                _step(name, before, **{"if": f"steps.{before}.output.x > {len(name)}"})
                for before, name in pairs
            ),
        ),
    )
    yield "join", _definition(*map(_step, names[:last]), _step("end", *names[:last]))
    yield (
        "one parallel",
        _definition({"id": "p", "type": "parallel", "branches": {"b": [*map(_step, names[:last])]}}),
    )
    yield (
        "99 branches of 101",
        _definition(
            {
                "id": "p",
                "type": "parallel",
                "branches": {f"b{b}": [_step(f"s{b}-{n}") for n in range(101)] for b in range(99)},
            }
        ),
    )
    item = {"task": "echo", "with": {"x": "${{ file.x }}"}}
    yield (
        "maps",
        _definition(
            *({"id": name, "type": "map", "items": "input.x", "as": "file", "step": item} for name in names)
        ),
    )


def _definition(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": "large", "steps": list(steps)}


def _step(name: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "task": "echo", "depends_on": list(needs), **fields}


def best(action: Callable[[], object]) -> float:
    """Give the CPU seconds of the fastest of three calls: on an idle machine it takes as long."""
    took = []
    for _ in range(3):
        began = time.process_time()
        action()
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    """Print the CPU seconds of each shape: its check as a document and as text, and writing it down again."""
    types = option_models()
    print(f"{STEPS} steps{'load':>20}{'check_text':>14}{'dump':>10}")
    for name, document in shapes():
        text = json.dumps(document)
        definition = load(document, task_types=types)
        loaded = best(partial(load, document, task_types=types))
        checked = best(partial(check_text, text, task_types=types))
        dumped = best(partial(dump, definition))
        print(f"{name:<22}{loaded:>7.2f} s{checked:>12.2f} s{dumped:>8.2f} s")
