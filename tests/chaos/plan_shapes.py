"""Workflows of every kind of step, with the commands that steer them, drawn from a seed."""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Final

from filemill_local.user import chain
from tests.chaos.plan_request import Json, Order, Request

_RULES: Final = (
    "all_success",
    "all_done",
    "one_success",
    "one_failed",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "always",
)
_POLICIES: Final = ("fail_fast", "drain", "continue")


def _step(name: str, *needed: str, task: str = "echo", **said: Any) -> Json:
    named = {key.removesuffix("_"): value for key, value in said.items()}
    return {"id": name, "type": "task", "task": task, "depends_on": list(needed), **named}


def _nap(rng: Random, name: str, *needed: str) -> Json:
    return _step(name, *needed, task="sleep", with_={"seconds": rng.choice((0.1, 0.5, 1.5, 3))})


def _fails(name: str, *needed: str, **said: Any) -> Json:
    return _step(name, *needed, task="fail", with_={"code": "odd", "retryable": False}, **said)


TEMPLATES: Final[Mapping[str, Json]] = {
    "chaos-part": {
        "name": "chaos-part",
        "steps": [
            _step("a", task="sleep", with_={"seconds": 0.5}),
            {"id": "m", "type": "map", "items": "input.list", "step": {"task": "echo"}, "depends_on": ["a"]},
        ],
        "finally": [_step("z")],
    }
}
"""Templates by their names; their first version is what subworkflows name."""


def _asked(at: float, key: str, definition: Json, *orders: Order, **more: Any) -> Request:
    body = {"definition": definition, "input": {"yes": True, "list": [1, 2, 3]}}
    return Request(at, "workflow", body, key, orders=orders, **more)


def _branching(rng: Random, at: float, key: str) -> Iterator[Request]:
    """A condition, a parallel with a failure in it, and what waits for both by some rule."""
    choice = {
        "id": "choice",
        "type": "condition",
        "depends_on": ["a"],
        "cases": [
            {"when": "steps.a.output.n > 5", "then": ["long"]},
            {"when": "input.yes", "then": ["short"]},
        ],
        "default": ["long", "short"],
    }
    bad = _fails("y", "x") if rng.random() < 0.5 else _nap(rng, "y", "x")
    parallel = {
        "id": "p",
        "type": "parallel",
        "branches": {"one": [_nap(rng, "x"), bad], "two": [_nap(rng, "z"), _step("z2", "z", "x")]},
        "failure_policy": rng.choice(_POLICIES),
        "allow_failure": rng.random() < 0.5,
    }
    steps = [
        _step("a", with_={"n": rng.choice((1, 9))}),
        choice,
        _nap(rng, "long"),
        _step("short"),
        parallel,
        _step("join", "long", "short", "p", trigger_rule=rng.choice(_RULES)),
    ]
    definition = {"name": "branching", "failure_policy": rng.choice(_POLICIES), "steps": steps}
    yield _asked(at, key, definition | {"finally": [_step("last")]}, *_sometimes(rng, "cancel"))


def _mapped(rng: Random, at: float, key: str) -> Iterator[Request]:
    """A map of short and long items, few at once, some of which may fail."""
    item = rng.choice(
        (
            {"task": "sleep", "with": {"seconds": rng.choice((0.2, 1.2))}},
            {"task": "fail", "with": {"code": "odd", "times": 1}, "retry": {"retry_delay": 0.3}},
            {"task": "fail", "with": {"code": "odd", "retryable": False}},
            {"type": "map", "items": "input.list", "step": {"task": "echo"}},
        )
    )
    many = list(range(rng.choice((0, 3, 8))))
    mapped = {"id": "m", "type": "map", "items": many, "step": item, "max_concurrency": rng.choice((1, 2, 5))}
    mapped |= {"tolerated_failures": rng.choice((0, 2, 10))}
    after = _step("after", "m", with_={"n": "${{ steps.m.output.total }}"})
    again = [Order("rerun", rng.uniform(0, 8), body={"step": "m", "index": 1})] if len(many) > 1 else []
    orders = again if rng.random() < 0.5 else []
    yield _asked(at, key, {"name": "mapped", "steps": [mapped, after]}, *orders)


def _waiting(rng: Random, at: float, key: str) -> Iterator[Request]:
    """Waits for a time, and for a signal that does not come."""
    silent = {"id": "s", "type": "wait", "signal": "never", "timeout": rng.uniform(0.5, 4)}
    silent |= {"on_timeout": rng.choice(("fail", "complete", "skip"))}
    steps = [
        {"id": "w", "type": "wait", "duration": rng.uniform(0, 4)},
        silent,
        _step("a", "w", "s", trigger_rule=rng.choice(_RULES)),
    ]
    yield _asked(at, key, {"name": "waiting", "steps": steps})


def _approved(rng: Random, at: float, key: str) -> Iterator[Request]:
    """A wait for a signal, which often comes before it, and often twice.

    It ends without one too: whoever never heard that the run was taken sends none.
    """
    wait: Json = {"id": "w", "type": "wait", "signal": "go", "depends_on": ["a"]}
    wait |= {"timeout": 90, "on_timeout": "complete"}
    steps = [_nap(rng, "a"), wait, _step("b", "w", with_={"by": "${{ steps.w.output }}"})]
    go = Order("signal", rng.uniform(0, 6), twice=rng.random() < 0.3, signal="go", body={"by": "somebody"})
    yield _asked(at, key, {"name": "approved", "steps": steps}, go)


def _nested(rng: Random, at: float, key: str) -> Iterator[Request]:
    """A run within a run; and another one, which is paused or cancelled or deleted with it now and then."""
    inner = {"id": "sub", "type": "subworkflow", "workflow": "chaos-part@1", "with": {"list": [1, 2]}}
    steps = [_step("a"), inner | {"depends_on": ["a"]}, _step("b", "sub")]
    orders = rng.choice(
        ((), (), _sometimes(rng, "cancel"), _held(rng), (Order("delete", rng.uniform(0, 9)),))
    )
    yield _asked(at, key, {"name": "nested", "steps": steps})
    yield _asked(at, f"{key}-steered", {"name": "nested", "steps": steps}, *orders)


def _paused(rng: Random, at: float, key: str) -> Iterator[Request]:
    """Paused and resumed, some for good, some before they are started."""
    definition = chain(4, task="sleep", options={"seconds": rng.uniform(1, 2)}) | {"finally": [_step("z")]}
    orders = [*_held(rng), *(_held(rng) if rng.random() < 0.5 else ())]
    if rng.random() < 0.3:
        orders.pop()  # and so it stays
    if rng.random() < 0.3:
        starts = [Order("start", rng.uniform(0, 5))] if rng.random() < 0.5 else []
        yield _asked(at, key, definition, *orders, *starts, start=False)
    else:
        yield _asked(at, key, definition, *orders)


def _reran(rng: Random, at: float, key: str) -> Iterator[Request]:
    """Runs that fail and are run again: all that failed, or from a step on."""
    bad = _step("b", "a", task="fail", with_={"code": "odd", "retryable": False, "times": rng.choice((1, 2))})
    steps = [_step("a"), bad, _step("c", "b"), _nap(rng, "d")]
    definition = {"name": "reran", "failure_policy": rng.choice(_POLICIES), "steps": steps}
    bodies: tuple[Json, ...] = ({}, {}, {"step": "b"}, {"step": "a"}, {"step": "d"})
    orders = [
        Order("rerun", rng.uniform(0, 5), twice=rng.random() < 0.3, body=rng.choice(bodies))
        for _ in range(rng.choice((1, 1, 2)))
    ]
    yield _asked(at, key, definition | {"finally": [_step("last")]}, *orders)


def _foreign_run(rng: Random, at: float, key: str) -> Iterator[Request]:
    """Another system's run, with its commands, as events; the commands often before the run."""
    wait = {"id": "w", "type": "wait", "signal": "go", "depends_on": ["a"]}
    definition = {"name": "foreign", "steps": [_nap(rng, "a"), wait, _step("b", "w")]}
    go = Order("signal", 0, signal="go", body={"by": "somebody"})
    orders = (Order("pause", 0), Order("resume", 0), go) if rng.random() < 0.5 else (go,)
    again = rng.uniform(0, 20) if rng.random() < 0.7 else None
    yield _asked(at, f"foreign-{key}", definition, *orders, door="intake", again=again)


def _held(rng: Random) -> tuple[Order, ...]:
    return (
        Order("pause", rng.uniform(0, 2), twice=rng.random() < 0.3),
        Order("resume", rng.uniform(0, 6), twice=rng.random() < 0.3),
    )


def _sometimes(rng: Random, name: str) -> tuple[Order, ...]:
    return (Order(name, rng.uniform(0, 5), twice=rng.random() < 0.5),) if rng.random() < 0.3 else ()


SHAPES: Final[Mapping[Callable[[Random, float, str], Iterator[Request]], float]] = {
    _branching: 7,
    _mapped: 7,
    _waiting: 4,
    _approved: 5,
    _nested: 5,
    _paused: 6,
    _reran: 5,
    _foreign_run: 3,
}
"""How often each kind is asked for, as weights beside those of `plan_requests`."""
