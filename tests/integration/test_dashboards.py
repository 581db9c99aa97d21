"""What operators look at shows something: each panel is asked of a real Prometheus that watched real work."""

import time
from collections.abc import Iterator

import httpx
import pytest

from deploy.observability.boards import DASHBOARDS
from deploy.observability.load import example
from deploy.observability.look import EVERY, SETTLED, Prometheus, answered, has_data
from filemill_local.plan import MONITORING, PROGRAMS, SERVICES
from filemill_local.stack import Stack
from filemill_local.user import User, fan

Watched = tuple[Prometheus, float, Stack]
"""A Prometheus that has watched a stack under the example load, when that began, and the stack."""


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with (
        Stack.temporary((*PROGRAMS, MONITORING), scraped_every=EVERY) as stack,
        Prometheus(stack.plan.address(MONITORING)) as prometheus,
    ):
        wait_until_it_looks(prometheus)
        began = time.time()
        example(stack)
        time.sleep(SETTLED)
        yield prometheus, began, stack


def wait_until_it_looks(prometheus: Prometheus) -> None:
    """Wait until all has been seen once: what happened before is no increase."""
    deadline = time.monotonic() + 30
    while len(prometheus.now("up == 1")) < len(SERVICES) + 2:  # the broker is looked at in two ways
        assert time.monotonic() < deadline, prometheus.now("up")
        time.sleep(0.5)


def test_every_panel_shows_something(watched: Watched) -> None:
    prometheus, began, _ = watched
    empty = [
        f"{dashboard.name}: {panel}"
        for dashboard in DASHBOARDS
        for panel, lines in answered(prometheus, dashboard, since=began, until=time.time()).items()
        if not has_data(lines)
    ]

    assert empty == []


def test_each_fact_of_the_load_is_counted_once(watched: Watched) -> None:
    prometheus, _, _ = watched

    def value(expr: str) -> float:
        [found] = prometheus.now(expr)
        return float(found["value"][1])

    # A chain of three, a fan of 22; a conversion, a probe, two failing, one cancelled.
    assert value("sum(filemill_accepted_total)") == 2 + 5
    assert value("sum(task_created_total)") == 3 + 22 + 5
    assert value('sum(task_completed_total{type="echo"})') == 25
    assert value('sum(task_failed_total{type="fail"})') == 1
    assert value('sum(filemill_retries_total{type="fail"})') == 1
    assert value('sum(filemill_attempts_total{outcome="succeeded"})') == 25 + 3
    assert value('sum(filemill_attempts_total{outcome="failed"})') == 2
    assert value('sum(filemill_tasks_not_run_total{outcome="cancelled"})') == 1
    assert value("sum(filemill_messages_parked_total)") == 1
    assert value('sum(filemill_delivery_tries_total{channel="email",outcome="delivered"})') == 1
    assert value('sum(filemill_delivery_tries_total{channel="webhook",outcome="retried"})') >= 1


def test_a_thousand_ids_make_no_series(watched: Watched) -> None:
    with User(watched[2]) as user:
        ask(user, user.workflow(fan(1)))  # whatever is only known from the first of its kind
        before = series(user)

        ask(user, user.workflow(fan(1000)))

        more = series(user) - before
        assert more < 50, "an outcome seen for the first time makes a few, an id in a label a thousand"


def ask(user: User, run: str) -> None:
    """Wait for a run, and look at some of its tasks."""
    for step in user.ended_workflow(run, within=120)["steps"][:100]:
        user.get_task(step["task_id"])


def series(user: User) -> int:
    """How many series the four services have."""
    texts = [httpx.get(f"{user.stack.plan.address(name)}/metrics").text for name in SERVICES]
    return sum(not line.startswith("#") for text in texts for line in text.splitlines())
