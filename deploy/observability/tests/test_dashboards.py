"""Dashboards are made of values, written down, and drawn."""

import json
import re

from deploy.observability import dashboards, listing, rules
from deploy.observability.boards import DASHBOARDS, OVERVIEW
from deploy.observability.panels import Panel
from deploy.observability.pictures import draw, key, number

_FOREIGN = re.compile(r"rabbitmq_|process_|ALERTS$")
_NAME = re.compile(
    r"(?<![\w:\"])((?:filemill|task|rabbitmq|process)[_:][a-z_:0-9]*[a-z0-9]|ALERTS)(?=[\s{\[()]|$)"
)


def asked() -> set[str]:
    """Names that panels and rules ask for."""
    exprs = [query.expr for _, panel in dashboards.panels() for query in panel.queries]
    for group in rules.document()["groups"]:
        exprs += [rule["expr"] for rule in group["rules"]]
    return {name for expr in exprs for name in _NAME.findall(expr)}


class TestDashboards:
    def test_written_down_are_those_of_the_code(self) -> None:
        kept = {path: path.read_text() for path in dashboards.FOLDER.glob("*.json")}

        assert kept == dashboards.files(), "python -m deploy.observability write"

    def test_ask_for_nothing_that_nobody_measures(self) -> None:
        recorded = {
            rule["record"]
            for group in rules.document()["groups"]
            for rule in group["rules"]
            if "record" in rule
        }

        ours = {name for name in asked() if not _FOREIGN.match(name)}
        assert ours - listing.samples() - recorded == set()
        assert len(ours) > 40

    def test_lay_no_panel_over_another(self) -> None:
        for text in dashboards.files().values():
            taken: set[tuple[int, int]] = set()
            for panel in json.loads(text)["panels"]:
                at = panel["gridPos"]
                across, down = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
                cells = {(x, y) for x in across for y in down}
                assert not taken & cells
                assert at["x"] + at["w"] <= 24
                taken |= cells

    def test_have_titles_that_differ_within_a_row(self) -> None:
        for dashboard in DASHBOARDS:
            for _, row in dashboard.rows:
                assert len({panel.title for panel in row}) == len(row)


class TestPictures:
    def test_show_numbers_lines_and_what_has_no_data(self) -> None:
        points = [(0.0, 1.0), (2.0, 3.0)]
        shown = [key(row, panel) for row, panels in OVERVIEW.rows for panel in panels]
        answers = {each: [("a<b", points)] for each in shown}
        answers[key(*_last())] = []

        picture = draw(OVERVIEW, answers)

        assert picture.startswith("<svg")
        assert picture.endswith("</svg>\n")
        assert "a&lt;b" in picture
        assert "polyline" in picture

    def test_write_numbers_for_people(self) -> None:
        values = ((0.5, "percentunit"), (0.0123, "s"), (2048, "bytes"), (0, "ops"))

        assert [number(*each) for each in values] == ["50 %", "12.3 ms", "2.05kB", "0/s"]


class TestTheListInTheManual:
    def test_is_that_of_the_code(self) -> None:
        assert listing.MANUAL.read_text() == listing.manual(), "python -m deploy.observability write"

    def test_holds_the_originals_five(self) -> None:
        labels = {name: each._labelnames for _, name, each in listing.metrics() if name.startswith("task_")}

        assert labels == {
            "task_created_total": ("type",),
            "task_completed_total": ("type",),
            "task_failed_total": ("type",),
            "task_duration_seconds": ("type",),
            "task_queue_size": ("type", "pool"),
        }


def _last() -> tuple[str, Panel]:
    row, panels = OVERVIEW.rows[-1]
    return row, panels[-1]
