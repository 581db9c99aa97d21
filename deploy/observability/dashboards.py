"""Dashboards as Grafana reads them, made of the values in `panels`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from deploy.observability.boards import DASHBOARDS
from deploy.observability.panels import JOB, Dashboard, Panel

FOLDER: Final = Path(__file__).with_name("dashboards")

_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_WIDTH: Final = 24
_HEIGHT: Final = 8
_LOGS: Final = (
    '/explore?left={"datasource":"loki","queries":[{"refId":"A","expr":"{app=\\"filemill\\"}"}],'
    '"range":{"from":"${__from}","to":"${__to}"}}'
)


def files() -> dict[Path, str]:
    """Give the text of each file in the folder of dashboards."""
    return {
        FOLDER / f"{each.name}.json": json.dumps(written(each), indent=2, ensure_ascii=False) + "\n"
        for each in DASHBOARDS
    }


def panels() -> Iterator[tuple[Dashboard, Panel]]:
    """Give all panels."""
    for dashboard in DASHBOARDS:
        for _, row in dashboard.rows:
            for panel in row:
                yield dashboard, panel


def written(dashboard: Dashboard) -> dict[str, Any]:
    """Write a dashboard."""
    return {
        "uid": f"filemill-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["filemill"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": [_starts()]},
        "links": [
            {"title": "Filemill", "type": "dashboards", "tags": ["filemill"], "keepTime": True},
            {"title": "Logs", "type": "link", "url": _LOGS, "targetBlank": True},
        ],
        "templating": {
            "list": [
                _source(),
                _variable("type", "task_created_total"),
                _variable("pool", "filemill_worker_slots"),
            ]
        },
        "panels": list(_laid_out(dashboard)),
    }


def _starts() -> dict[str, Any]:
    """Mark the moments at which services started: what a deploy, or a crash, looks like."""
    return {
        "name": "Starts",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": f"process_start_time_seconds{{{JOB}}} * 1000",
        "useValueForTime": True,
        "titleFormat": "{{job}} started",
        "textFormat": "{{instance}}",
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(label: str, metric: str) -> dict[str, Any]:
    return {
        "name": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": f"label_values({metric}, {label})", "refId": label},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _laid_out(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    """Put the panels of a row side by side, as wide as there is room for, four at the most."""
    top = number = 0
    for heading, row in dashboard.rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": heading,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1},
            "panels": [],
        }
        top += 1
        in_line = len(row) if len(row) <= 4 or all(panel.is_number for panel in row) else 3
        width = _WIDTH // in_line
        for place, panel in enumerate(row):
            number += 1
            at = {
                "x": place % in_line * width,
                "y": top + place // in_line * _HEIGHT,
                "w": width,
                "h": _HEIGHT,
            }
            yield _panel(panel, number, at)
        top += -(-len(row) // in_line) * _HEIGHT


def _panel(panel: Panel, number: int, at: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": at,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {} if panel.is_number else {"tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "expr": query.expr,
                "legendFormat": query.legend or panel.title,
                # A point that is an example of a trace leads to it.
                "exemplar": "histogram_quantile" in query.expr,
                "datasource": _SOURCE,
            }
            for index, query in enumerate(panel.queries)
        ],
    }
