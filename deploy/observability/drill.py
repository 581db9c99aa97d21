"""Ten faults in a real stack, one by one: the alert that is expected must fire, and no other."""

# ruff: noqa: T201 - a command speaks on standard output

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.observability import faults, rules
from deploy.observability.faults import Ground
from deploy.observability.look import Prometheus
from filemill_local.plan import MONITORING, PROGRAMS
from filemill_local.stack import Stack
from filemill_local.user import User

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "docs" / "drill.md"

_BOUND: Final = 15 * 60.0
"""Seconds for all of it, the start of the stack included."""

_CLEAR: Final = 75.0
"""Seconds in which what a fault left must have gone."""

_LONGER: Final = 4.0
"""Seconds to look on after the alert fired, for others."""


_HEAD: Final = """# The drill

What `make drill` wrote last. Each fault is injected into a real stack that Prometheus watches, when no alert
is pending; the alert that is expected must fire within its time, and no other until the repair. So that it
takes minutes, the rules are those of a [variant](../deploy/observability/rules.py): windows of half a minute,
at most a quarter of a minute to be sure, a look every three seconds. What is compared with what is the same.

"""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        alert: The one that must fire.
        within: Seconds in which it must, under the quick rules.
        inject: Makes it go wrong until it is left, and repairs it then.
    """

    name: str
    alert: str
    within: float
    inject: Callable[[Ground], AbstractContextManager[None]]


FAULTS: Final = (
    Fault("worker stopped", "FilemillNoConsumer", 60, lambda ground: faults.stopped(ground, "worker")),
    Fault("scheduler stopped", "FilemillNoConsumer", 60, lambda ground: faults.stopped(ground, "scheduler")),
    Fault("no notifier", "FilemillNoConsumer", 60, lambda ground: faults.stopped(ground, "notifier")),
    Fault("broker memory alarm", "FilemillBrokerMemoryAlarm", 60, faults.memory_alarm),
    Fault("dead webhook", "FilemillDeliveriesFailing", 45, faults.dead_webhook),
    Fault("full parking lot", "FilemillMessagesParked", 60, faults.full_parking_lot),
    Fault("slow MongoDB", "FilemillStoreSlow", 75, faults.slow_store),
    Fault("lease-loss storm", "FilemillLeaseLossStorm", 75, faults.lease_losses),
    Fault("growing outbox", "FilemillOutboxGrowing", 120, faults.growing_outbox),
    Fault("poison file", "FilemillPoisonTask", 150, faults.poison),
)


@dataclass(slots=True)
class Result:
    """What came of a fault.

    Attributes:
        after: Seconds from when the fault was complete until the alert that was expected; None if it never
            fired.
        others: Those that fired beside it.
        note: What else there is to say.
    """

    fault: Fault
    after: float | None = None
    others: set[str] = field(default_factory=set)
    note: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it is as it should be."""
        return self.after is not None and not self.others


def drill() -> int:
    """Inject all faults and keep what came of them; gives the process's exit status."""
    began = time.monotonic()
    results: list[Result] = []
    with _ground() as (ground, prometheus):
        for fault in FAULTS:
            result = Result(fault)
            results.append(result)
            left = _BOUND - (time.monotonic() - began)
            if left < fault.within + _LONGER:
                result.note = "no time was left"
            elif pending := _clear(prometheus):
                result.note = f"not injected: {', '.join(sorted(pending))} would not go"
            else:
                _inject(fault, ground, prometheus, result)
            said = f"after {result.after:.0f} s" if result.after is not None else "not seen"
            rest = ", ".join(sorted(result.others)) or "no other"
            print(f"{fault.name:<22}{fault.alert:<28}{said}; {rest} {result.note}", flush=True)
    minutes = (time.monotonic() - began) / 60
    RESULTS.write_text(page(results, minutes=minutes))
    return 0 if all(result.is_good for result in results) else 1


def page(results: list[Result], *, minutes: float) -> str:
    """Write the page that keeps the results."""
    good = sum(each.is_good for each in results)
    return (
        f"{_HEAD}{good} of {len(results)} were good, in {minutes:.0f} minutes.\n\n"
        "| fault | expected | within | fired after | others | verdict | note |\n"
        "|---|---|---|---|---|---|---|\n" + "".join(map(_row, results))
    )


def _row(result: Result) -> str:
    fault = result.fault
    after = f"{result.after:.0f} s" if result.after is not None else "never"
    others = ", ".join(sorted(result.others)) or "none"
    verdict = "good" if result.is_good else "not good"
    cells = (fault.name, fault.alert, f"{fault.within:.0f} s", after, others, verdict, result.note)
    return f"| {' | '.join(cells)} |\n"


def _inject(fault: Fault, ground: Ground, prometheus: Prometheus, result: Result) -> None:
    try:
        with fault.inject(ground):
            began = time.monotonic()
            while time.monotonic() - began < fault.within:
                firing = _alerts(prometheus, "firing")
                result.others |= firing - {fault.alert}
                if fault.alert in firing and result.after is None:
                    result.after = time.monotonic() - began
                if result.after is not None and time.monotonic() - began > result.after + _LONGER:
                    break
                time.sleep(1)
    except Exception as error:  # noqa: BLE001 - the other faults are still to be tried
        result.note = f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _clear(prometheus: Prometheus) -> set[str]:
    """Wait until no alert is pending; give those that stay."""
    deadline = time.monotonic() + _CLEAR
    while pending := _alerts(prometheus, "pending", "firing"):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    return pending


def _alerts(prometheus: Prometheus, *states: str) -> set[str]:
    return {each["labels"]["alertname"] for each in prometheus.alerts() if each["state"] in states}


@contextmanager
def _ground() -> Iterator[tuple[Ground, Prometheus]]:
    """Run a stack with the quick rules, whose worker dies of some work when it is told so."""
    with tempfile.TemporaryDirectory() as folder:
        quick, poisoned = Path(folder) / "rules.yaml", Path(folder) / "poisoned"
        quick.write_text(rules.text(quick=True))
        environment = {
            "FILEMILL_POISON": str(poisoned),
            "PYTHONPATH": os.pathsep.join((str(ROOT), *_paths())),
        }
        worker = (sys.executable, "-m", "tests.integration.poison", "worker")
        with (
            Stack.temporary(
                (*PROGRAMS, MONITORING),
                commands={"worker": worker},
                settled=None,
                rules=str(quick),
                scraped_every="3s",
                **environment,
            ) as stack,
            User(stack) as user,
        ):
            user.ended_task(user.task("echo"))
            time.sleep(10)
            yield Ground(stack, user, poisoned), Prometheus(stack.plan.address(MONITORING))


def _paths() -> list[str]:
    return [each for each in (os.environ.get("PYTHONPATH"),) if each]
