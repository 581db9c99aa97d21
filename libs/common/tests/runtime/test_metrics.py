"""Labels come out of known sets, and traces are examples where somebody wants them."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from filemill_common.metrics import ATTEMPT_CODES, bounded, exemplar, shown, type_label

ROOT = Path(__file__).parents[4]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# Of a step that is no work for a worker, or of the notifier, which says more in its log.
APART = {
    "id_taken",
    "invalid_input",
    "items_failed",
    "step_cancelled",
    "subworkflow_failed",
    "unknown_template",
}


class TestLabels:
    def test_of_what_nobody_knows_are_one(self) -> None:
        assert {type_label(f"type-{number}") for number in range(1000)} == {"other"}
        assert type_label("echo") == "echo"
        assert bounded("boom", ATTEMPT_CODES) == "other"

    def test_are_known_for_each_code_that_we_give_a_failure(self) -> None:
        found: set[str] = set()
        for service in ("worker", "scheduler"):
            for path in (ROOT / "services" / service / "src").rglob("*.py"):
                text = path.read_text()
                found |= set(re.findall(r'ProcessingError\(\s*"([a-z_]+)"', text))
                found |= set(re.findall(r'Failure\(\s*code="([a-z_]+)"', text))
                if path.name == "failures.py":
                    found |= set(re.findall(r'\("([a-z_]+)", (?:True|False|"it)', text))

        assert found - APART <= ATTEMPT_CODES
        assert {"worker_lost", "corrupt_input", "timeout", "out_of_memory"} <= found


class TestExamples:
    @pytest.mark.parametrize(
        ("traceparent", "expected"),
        [
            (f"00-{TRACE}-00f067aa0ba902b7-01", {"trace_id": TRACE}),
            (f"00-{TRACE}-00f067aa0ba902b7-00", None),
            (None, None),
            ("nonsense", None),
        ],
    )
    def test_name_the_trace_if_it_was_recorded(
        self, traceparent: str | None, expected: dict[str, str] | None
    ) -> None:
        assert exemplar(traceparent) == expected

    def test_are_shown_to_who_takes_openmetrics(self) -> None:
        registry = CollectorRegistry()
        counter = Counter("things_total", "Things.", registry=registry)
        counter.inc(exemplar={"trace_id": TRACE})

        plain, _ = shown("text/plain", registry)
        rich, content_type = shown("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", registry)

        assert TRACE.encode() not in plain
        assert TRACE.encode() in rich
        assert content_type.startswith("application/openmetrics-text")
        assert b"_created" not in plain + rich
