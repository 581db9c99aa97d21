"""Asks each panel's queries of a real Prometheus that watched a real stack, and draws what it answered."""

import math
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx

from deploy.observability.boards import DASHBOARDS
from deploy.observability.load import example
from deploy.observability.panels import Dashboard
from deploy.observability.pictures import Line, draw, key
from filemill_local.plan import MONITORING, PROGRAMS
from filemill_local.stack import Stack

PICTURES: Final = Path(__file__).parents[2] / "docs" / "dashboards"

EVERY: Final = "2s"
_INTERVAL: Final = "20s"
_STEP: Final = 2
SETTLED: Final = 25.0
"""Seconds in which what the load did is scraped and its rates are worked out."""


class Prometheus:
    """A Prometheus that answers queries.

    Args:
        url: Where it is.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def now(self, expr: str) -> list[dict[str, Any]]:
        """Answer a query for this moment."""
        return self._asked("query", query=expr)

    def line(self, expr: str, *, since: float, until: float) -> list[dict[str, Any]]:
        """Answer a query for a span of time."""
        return self._asked("query_range", query=expr, start=since, end=until, step=_STEP)

    def alerts(self) -> list[dict[str, Any]]:
        """Give the alerts that are pending or firing."""
        found: list[dict[str, Any]] = (
            self._http.get("/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        )
        return found

    def _asked(self, what: str, **parameters: object) -> list[dict[str, Any]]:
        answer = self._http.get(f"/api/v1/{what}", params={k: str(v) for k, v in parameters.items()}).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters['query']}: {answer['error']}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def look() -> int:
    """Run a stack with the example load, ask all panels, and draw them; give how many had nothing to show."""
    with Stack.temporary((*PROGRAMS, MONITORING), scraped_every=EVERY) as stack:
        began = time.time()
        example(stack)
        time.sleep(SETTLED)
        prometheus = Prometheus(stack.plan.address(MONITORING))
        empty = 0
        PICTURES.mkdir(parents=True, exist_ok=True)
        for dashboard in DASHBOARDS:
            answers = answered(prometheus, dashboard, since=began, until=time.time())
            for panel in (name for name, lines in answers.items() if not has_data(lines)):
                print(f"{dashboard.name}: {panel} shows nothing")  # noqa: T201
                empty += 1
            (PICTURES / f"{dashboard.name}.svg").write_text(draw(dashboard, answers))
        return empty


def answered(
    prometheus: Prometheus, dashboard: Dashboard, *, since: float, until: float
) -> dict[str, Sequence[Line]]:
    """Ask all queries of a dashboard, as Grafana would with all types and pools chosen."""
    answers: dict[str, Sequence[Line]] = {}
    for heading, row in dashboard.rows:
        for panel in row:
            lines: list[Line] = []
            for query in panel.queries:
                found = prometheus.line(filled(query.expr), since=since, until=until)
                lines += [_line(query.legend or panel.title, each) for each in found]
            answers[key(heading, panel)] = lines
    return answers


def filled(expr: str) -> str:
    """Fill in what Grafana would."""
    return expr.replace("$__rate_interval", _INTERVAL).replace("$type", ".*").replace("$pool", ".*")


def has_data(lines: Sequence[Line]) -> bool:
    """Whether there is a number to be seen."""
    return any(math.isfinite(value) for _, points in lines for _, value in points)


def _line(legend: str, series: dict[str, Any]) -> Line:
    labels = series["metric"]
    name = re.sub(r"\{\{(\w+)\}\}", lambda found: str(labels.get(found[1], "")), legend)
    return name, [(float(at), float(value)) for at, value in series["values"]]
