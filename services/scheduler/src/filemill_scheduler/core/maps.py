"""Maps: one step for each item of a list, so many at once, and what they come to together."""

import json
from typing import Any, Final

from filemill_common.events import Failure, JsonObject, TaskStatus
from filemill_common.ids import step_task_id
from filemill_common.language.model import MAX_ITEMS
from filemill_scheduler.core.inside import recounted
from filemill_scheduler.core.making import item_task, taken_id
from filemill_scheduler.core.readiness import NotReadyError, evaluated, rendered
from filemill_scheduler.core.state import Task, Unmet, replace
from filemill_scheduler.core.transitions import conclude, fail, occupy
from filemill_scheduler.core.view import View

OUTPUT_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of JSON that the outputs of all items may come to."""


def begin_map(view: View, task: Task) -> None:
    """Make a task for each item, and let as many begin as may be under way at once.

    One that a rerun opened goes on with the items that it has.

    Raises:
        NotReadyError: The expression fails, gives no list, or one of more than 1,000 items; or the id of an
            item is taken.
    """
    if task.inside.total:
        _go_on(view, task)
        return
    spec = task.spec or {}
    items = _items(view, task, spec["items"])
    ids = item_ids(task, len(items))
    known = view.tasks(ids)
    if not items:
        conclude(view, task, {"items": [], "total": 0, "failed": 0})
        return
    run = view.run_of(task)
    taken = taken_id(known, run)
    if taken is not None:
        view.taken.append(taken)
        raise NotReadyError("id_taken", f"the id of one of its items is that of another task, {taken!r}")
    at_once = slots(task)
    task = occupy(view, task, inside=Unmet(total=len(items)), queue=tuple(range(len(items)))[at_once:])
    for number, (item, before) in enumerate(zip(items, known, strict=True)):
        view.put(item_task(run, task, number, item, before, now=view.now))
    view.due.extend(ids[:at_once])


def _go_on(view: View, task: Task) -> None:
    items = [each for each in view.tasks(item_ids(task, task.inside.total)) if each is not None]
    task = recounted(task, (each for each in items if not each.is_open))
    task = occupy(view, task, inside=task.inside)
    if task.inside.ended == task.inside.total:
        finish_map(view, task)
    else:
        view.due.extend(each.id for each in items if each.item not in task.queue)


def slots(task: Task) -> int:
    """Tell how many items of a map may be under way at once."""
    return int((task.spec or {}).get("max_concurrency") or MAX_ITEMS)


def _items(view: View, task: Task, said: object) -> list[Any]:
    if isinstance(said, str):
        items = evaluated(view, task, said)
    else:
        items = rendered(view, task, {"items": said})["items"]
    if not isinstance(items, list):
        raise NotReadyError("expression_error", f"'items' gives a list, and not {json.dumps(items):.80}")
    if len(items) > MAX_ITEMS:
        raise NotReadyError("expression_error", f"{len(items)} items; a map takes at most {MAX_ITEMS}")
    return items


def item_ids(task: Task, total: int) -> tuple[str, ...]:
    """Name the tasks of a map's items."""
    return tuple(step_task_id(task.workflow_id or "", task.step_id or "", number) for number in range(total))


def next_item(view: View, task: Task, *, after: Task) -> None:
    """Give the next item of a running map its turn, if one is left; one that ended in the queue had none."""
    if after.item in task.queue:
        view.put(replace(task, queue=tuple(each for each in task.queue if each != after.item)))
    elif task.queue:
        item = view.task(step_task_id(task.workflow_id or "", task.step_id or "", task.queue[0]))
        view.put(replace(task, queue=task.queue[1:]))
        view.due.extend([item.id] if item is not None else ())


def finish_map(view: View, task: Task) -> None:
    """Put together what the items came to, in the order of the list, and end the map."""
    found = [each for each in view.tasks(item_ids(task, task.inside.total)) if each is not None]
    output: JsonObject = {
        "items": [
            {"index": each.item, "status": str(each.status), "output": each.output or {}} for each in found
        ],
        "total": task.inside.total,
        "failed": sum(each.status in {TaskStatus.FAILED, TaskStatus.CANCELLED} for each in found),
    }
    if (size := len(json.dumps(output))) > OUTPUT_LIMIT:
        message = (
            f"the items' outputs come to {size} bytes; at most {OUTPUT_LIMIT} are kept: let them write files"
        )
        fail(view, task, Failure(code="output_too_large", message=message))
    elif task.error is not None:
        fail(view, replace(task, output=output), task.error)
    else:
        conclude(view, task, output)
