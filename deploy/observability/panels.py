"""What a dashboard is made of, as values, and short words for them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Query:
    """One line or number: an expression, and what its series are called (``{{label}}``)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of some queries.

    Attributes:
        unit: As Grafana names it; ``short`` for plain numbers.
        is_number: Whether the last value is what counts, rather than the line.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Rows of panels, each with its heading."""

    name: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def line(title: str, *queries: tuple[str, str] | str, unit: str = "short") -> Panel:
    """Say a panel of lines; a query is an expression, alone or with what its series are called."""
    return Panel(
        title, tuple(Query(each) if isinstance(each, str) else Query(*each) for each in queries), unit
    )


def number(title: str, expr: str, unit: str = "short") -> Panel:
    """Say a panel of one number."""
    return Panel(title, (Query(expr),), unit, is_number=True)


def rate(metric: str, by: str = "") -> str:
    """Say how fast a counter grows, by some labels."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}[$__rate_interval]))"


def quantile(quantile: float, metric: str, by: str = "", matching: str = "") -> str:
    """Say below what so much of a histogram lies, by a label."""
    labels = f"le, {by}" if by else "le"
    chosen = f"{{{matching}}}" if matching else ""
    rates = f"rate({metric}_bucket{chosen}[$__rate_interval])"
    return f"histogram_quantile({quantile:g}, sum by ({labels}) ({rates}))"


SERVICES: Final = ("gateway", "scheduler", "worker", "notifier")
"""What Prometheus calls the jobs that look at them."""

JOB: Final = f'job=~"{"|".join(SERVICES)}"'
"""Ours alone: what every process has, others that the same Prometheus sees have too."""

TYPE: Final = 'type=~"$type"'
POOL: Final = 'pool=~"$pool"'
