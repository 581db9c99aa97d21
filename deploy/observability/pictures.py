"""Dashboards as pictures, drawn from what Prometheus answered, for where there is no Grafana."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from deploy.observability.dashboards import written
from deploy.observability.panels import Dashboard, Panel

Line = tuple[str, Sequence[tuple[float, float]]]
"""What a series is called, and its points: seconds since 1970 and value."""

_UNIT: Final = 50
"""Pixels of one of the 24 columns."""

_ROW: Final = 26
_COLOURS: Final = ("#3274d9", "#e0752d", "#37872d", "#a352cc", "#c4162a", "#8ab8ff", "#b877d9", "#757575")
_SHOWN: Final = 5
_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"))
_UNITS: Final = {"s": " s", "bytes": "B", "Bps": "B/s", "ops": "/s", "reqps": "/s", "percentunit": " %"}


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a panel stands, in pixels."""

    x: float
    y: float
    width: float
    height: float


def draw(dashboard: Dashboard, answers: Mapping[str, Sequence[Line]]) -> str:
    """Draw a dashboard as SVG.

    Args:
        dashboard: Which.
        answers: What each of its panels shows, by title and row heading; see `key`.
    """
    laid = written(dashboard)["panels"]
    shapes: list[str] = []
    heading = ""
    by_title = {(row, panel.title): panel for row, panels in dashboard.rows for panel in panels}
    bottom = 0.0
    for each in laid:
        at = each["gridPos"]
        box = _Box(at["x"] * _UNIT + 6, at["y"] * _ROW + 40, at["w"] * _UNIT - 12, at["h"] * _ROW - 10)
        bottom = max(bottom, box.y + box.height)
        if each["type"] == "row":
            heading = each["title"]
            shapes.append(_text(box.x, box.y + 16, heading, size=14, weight="bold"))
        else:
            panel = by_title[heading, each["title"]]
            shapes.extend(_panel(panel, answers[key(heading, panel)], box))
    width = 24 * _UNIT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 12:.0f}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="#f4f5f5"/>'
        + _text(10, 26, dashboard.title, size=18, weight="bold")
        + "".join(shapes)
        + "</svg>\n"
    )


def key(heading: str, panel: Panel) -> str:
    """Name a panel within its dashboard."""
    return f"{heading} / {panel.title}"


def number(value: float, unit: str) -> str:
    """Write a value for people, with three digits."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if value == 0:
        return f"0{_UNITS.get(unit, '')}"
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g}{' ' if unit == 's' else ''}{prefix}{_UNITS.get(unit, '').strip()}"
    return f"{value:.1e}"


def _panel(panel: Panel, lines: Sequence[Line], box: _Box) -> Iterator[str]:
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="3" fill="#fff" '
        f'stroke="#d8d9da"/>'
    )
    yield _text(box.x + 8, box.y + 16, panel.title, size=12)
    lines = [(name, [(at, value) for at, value in points if math.isfinite(value)]) for name, points in lines]
    lines = sorted((line for line in lines if line[1]), key=lambda line: -max(value for _, value in line[1]))
    if panel.is_number:
        value = lines[0][1][-1][1] if lines else 0.0
        yield _text(box.x + 14, box.y + box.height / 2 + 18, number(value, panel.unit), size=30)
        return
    yield from _chart(panel, lines, box)


def _chart(panel: Panel, lines: Sequence[Line], box: _Box) -> Iterator[str]:
    legend = min(len(lines), _SHOWN)
    inner = _Box(box.x + 58, box.y + 28, box.width - 70, box.height - 46 - 14 * legend)
    moments = [at for _, points in lines for at, _ in points]
    first, last = min(moments, default=0), max(moments, default=1)
    top = max((value for _, points in lines for _, value in points), default=1.0) or 1.0
    for part in (0, 0.5, 1):
        y = inner.y + inner.height * (1 - part)
        yield f'<path d="M{inner.x} {y:.1f}h{inner.width}" stroke="#e5e5e5"/>'
        yield _text(inner.x - 6, y + 4, number(top * part, panel.unit), size=10, anchor="end")
    for index, (name, points) in enumerate(lines[: len(_COLOURS)]):
        colour = _COLOURS[index]
        path = " ".join(
            f"{inner.x + inner.width * (at - first) / (last - first or 1):.1f},"
            f"{inner.y + inner.height * (1 - value / top):.1f}"
            for at, value in points
        )
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        if index < legend:
            y = inner.y + inner.height + 16 + 14 * index
            yield f'<rect x="{box.x + 10}" y="{y - 7}" width="10" height="3" fill="{colour}"/>'
            rest = f" and {len(lines) - legend} more" if index == legend - 1 and len(lines) > legend else ""
            yield _text(box.x + 26, y, name[:60] + rest, size=10)


def _text(x: float, y: float, words: str, *, size: int, weight: str = "normal", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="#333">{escape(words)}</text>'
    )
