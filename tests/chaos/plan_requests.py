"""What is asked for in a run: workflows and tasks of mixed shapes, drawn from a seed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

from filemill_common.ids import keyed_id
from filemill_local.user import chain, fan
from tests.chaos.plan_request import CLIP, SINK, Json, Order, Request
from tests.chaos.plan_shapes import SHAPES


def requests(rng: Random, number: int, seconds: float) -> tuple[Request, ...]:
    """Draw so many requests over so many seconds.

    Whatever the seed, the first ones are one of each kind.
    """
    kinds = list(_KINDS)
    chosen = [*kinds, *rng.choices(kinds, weights=list(_KINDS.values()), k=max(0, number - len(kinds)))]
    made: list[Request] = []
    for index, kind in enumerate(chosen):
        at = seconds * index / len(chosen)
        made += [_often_more(rng, each, index) for each in kind(rng, at, f"{index}-{rng.getrandbits(32):x}")]
    return tuple(sorted(made, key=lambda request: request.at))


def _often_more(rng: Random, request: Request, index: int) -> Request:
    """Ask for some things twice, without a key, or for a notification."""
    if request.kind == "poison":
        return request
    if rng.random() < 0.15:
        request = replace(request, again=rng.uniform(0.1, 40))
    elif request.door == "http" and rng.random() < 0.2:
        request = replace(request, key=None)
    if rng.random() < 0.3 or index < 3:
        request = replace(request, body=_telling(rng, request))
    return request


def _telling(rng: Random, request: Request) -> Json:
    if request.kind == "task":
        return request.body | {
            "notify_webhook": SINK,
            **({"callback_url": SINK} if rng.random() < 0.3 else {}),
            **({"notify_email": "somebody@example.com"} if rng.random() < 0.3 else {}),
        }
    events = ["workflow.completed", "workflow.failed", "workflow.cancelled"]
    notify: list[Json] = [{"events": events, "webhook": {"url": SINK}}]
    if rng.random() < 0.3:
        notify.append({"events": events, "email": {"to": "somebody@example.com"}})
    return request.body | {"definition": {**request.body["definition"], "notify": notify}}


def _workflow(at: float, key: str, definition: Mapping[str, Any], **more: Any) -> Request:
    return Request(at, "workflow", {"definition": dict(definition), "input": {}}, key, **more)


def _task(at: float, key: str, type_: str, options: Json | None = None, **more: Any) -> Request:
    return Request(at, "task", {"type": type_, "options": options or {}, **more}, key)


def _nap(rng: Random) -> float:
    """Most tasks are short, some are long, and a few outlast a lease."""
    return rng.choices((rng.uniform(0, 0.8), rng.uniform(1, 3), rng.uniform(6, 12), 24.0), (70, 20, 8, 2))[0]


def _chain(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _workflow(at, key, chain(rng.randint(1, 6)))


def _slow_chain(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _workflow(at, key, chain(rng.randint(1, 3), task="sleep", options={"seconds": _nap(rng)}))


def _fan(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _workflow(at, key, fan(rng.choice((2, 5, 20))))


def _diamond(rng: Random, at: float, key: str) -> Iterator[Request]:
    steps: list[Json] = [
        {"id": "a", "type": "task", "task": "echo", "with": {"n": 1}},
        {"id": "b", "type": "task", "task": "sleep", "with": {"seconds": _nap(rng)}, "depends_on": ["a"]},
        {"id": "c", "type": "task", "task": "echo", "depends_on": ["a"]},
        {
            "id": "d",
            "type": "task",
            "task": "echo",
            "with": {"n": "${{ steps.a.output.n }}"},
            "depends_on": ["b", "c"],
        },
    ]
    yield _workflow(at, key, {"name": "diamond", "steps": steps})


def _failing_chain(rng: Random, at: float, key: str) -> Iterator[Request]:
    steps: list[Json] = chain(4)["steps"]
    times = rng.choice((1, 2, None))
    steps[1] |= {"task": "fail", "with": {"code": "odd"} | ({"times": times} if times else {})}
    steps[1] |= {"retry": {"max_retries": 2, "retry_delay": 0.2}}
    yield _workflow(at, key, {"name": "failing", "steps": steps})


def _cancelled(rng: Random, at: float, key: str) -> Iterator[Request]:
    order = Order("cancel", rng.uniform(0, 6), twice=rng.random() < 0.3)
    body = chain(3, task="sleep", options={"seconds": rng.uniform(1, 8)})
    yield _workflow(at, key, body, orders=(order,))


def _deleted(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _workflow(at, key, chain(3), orders=(Order("delete", rng.uniform(0, 6)),))


def _kept_pending(rng: Random, at: float, key: str) -> Iterator[Request]:
    orders = (Order("start", rng.uniform(0, 10), twice=rng.random() < 0.3),) if rng.random() < 0.8 else ()
    yield _workflow(at, key, chain(2), start=False, orders=orders)


def _single(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _task(at, key, "sleep", {"seconds": _nap(rng)})


def _outlasting(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _task(at, key, "sleep", {"seconds": rng.uniform(6, 30)})


def _retried(rng: Random, at: float, key: str) -> Iterator[Request]:
    request = _task(at, key, "fail", {"code": "odd", "retryable": False})
    yield replace(request, orders=(Order("retry", rng.uniform(0, 5), twice=rng.random() < 0.3),))


def _failing_twice(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _task(at, key, "fail", {"code": "odd", "times": rng.randint(1, 2)}, retry_delay=0.3)


def _cancelled_task(rng: Random, at: float, key: str) -> Iterator[Request]:
    request = _task(at, key, "sleep", {"seconds": rng.uniform(2, 9)})
    orders = [Order("cancel", rng.uniform(0, 4))]
    if rng.random() < 0.5:
        orders.append(Order(rng.choice(("retry", "delete")), rng.uniform(5, 9)))
    yield replace(request, orders=tuple(orders))


def _depending(rng: Random, at: float, key: str) -> Iterator[Request]:
    """Tasks that depend on each other, asked for in any order."""
    length = rng.randint(2, 4)
    keys = [f"{key}-{index}" for index in range(length)]
    ids = [keyed_id("default", "POST /v1/tasks", each) for each in keys]
    for index, (each, earlier) in enumerate(zip(keys, [[], *([one] for one in ids)], strict=False)):
        request = _task(at + rng.uniform(0, 3), each, "echo", {"n": index}, depends_on=earlier)
        yield replace(request, key=each)


def _foreign(rng: Random, at: float, key: str) -> Iterator[Request]:
    """Another system's task, as an event, and often twice."""
    request = _task(at, f"foreign-{key}", "sleep", {"seconds": _nap(rng)})
    yield replace(request, door="intake", again=rng.uniform(0, 20) if rng.random() < 0.7 else None)


def _commanded_first(rng: Random, at: float, key: str) -> Iterator[Request]:
    """Another system's command that arrives before its task."""
    request = _task(at, f"late-{key}", "sleep", {"seconds": 8})
    yield replace(request, door="intake", orders=(Order("cancel", 0),))


def _thumbnail(rng: Random, at: float, key: str) -> Iterator[Request]:
    made = f"chaos/{rng.randint(1, 5)}.jpg"
    yield _task(at, key, "video_thumbnail", input_file=CLIP, output_file=made)


def _probe(rng: Random, at: float, key: str) -> Iterator[Request]:
    yield _task(at, key, "probe", input_file=CLIP)


def _poison(rng: Random, at: float, key: str) -> Iterator[Request]:
    exchange, routing_key = rng.choice(
        (
            ("filemill.scheduler", "0"),
            ("filemill.work", "default.echo"),
            ("filemill.events", "task.completed.x"),
        )
    )
    yield Request(at, "poison", {"exchange": exchange, "routing_key": routing_key}, f"poison-{key}")


_KINDS: Final = {
    _chain: 20,
    _slow_chain: 14,
    _fan: 10,
    _diamond: 14,
    _failing_chain: 6,
    _cancelled: 6,
    _deleted: 4,
    _kept_pending: 4,
    _single: 5,
    _outlasting: 3,
    _retried: 3,
    _failing_twice: 3,
    _cancelled_task: 3,
    _depending: 4,
    _foreign: 3,
    _commanded_first: 1,
    _thumbnail: 1,
    _probe: 1,
    _poison: 0.5,
    **SHAPES,
}
"""How often each kind is asked for, as weights."""
