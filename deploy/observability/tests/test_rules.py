"""Each alert fires when it shall, and is quiet when it shall be: asked of Prometheus's own tool."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability import rules

ROOT = Path(__file__).parents[3]
PROMTOOL = shutil.which("promtool") or "/usr/bin/promtool"

Series = dict[str, str]

_HANDOFF = "filemill_task_handoff_seconds"
_DELAY = "filemill_notification_delay_seconds"
_QUEUE = "rabbitmq_detailed_queue"


def late(metric: str, limit: str, label: str, *, of_hundred: int) -> Series:
    """A hundred a minute, of which so many are late."""
    return {
        f"{metric}_count{{{label}}}": "0+100x60",
        f'{metric}_bucket{{{label},le="{limit}"}}': f"0+{100 - of_hundred}x60",
    }


def tries(failed: int, delivered: int) -> Series:
    return {
        'filemill_delivery_tries_total{channel="webhook",outcome="retried"}': f"0+{failed}x60",
        'filemill_delivery_tries_total{channel="webhook",outcome="delivered"}': f"0+{delivered}x60",
    }


def store(slow: int) -> Series:
    """A hundred commands a minute, of which so many take a second."""
    metric = "filemill_store_command_duration_seconds_bucket"
    return {
        f'{metric}{{le="0.1"}}': f"0+{100 - slow}x60",
        f'{metric}{{le="0.5"}}': f"0+{100 - slow}x60",
        f'{metric}{{le="1.0"}}': "0+100x60",
        f'{metric}{{le="+Inf"}}': "0+100x60",
    }


CASES: dict[str, tuple[Series, Series, dict[str, str]]] = {
    "FilemillStartsLate": (
        late(_HANDOFF, "5.0", 'pool="video"', of_hundred=80),
        late(_HANDOFF, "5.0", 'pool="video"', of_hundred=20),
        {},
    ),
    "FilemillWorkUnfinished": (
        {
            'filemill_workflows_stuck{status="running"}': "200x60",
            'filemill_accepted_total{kind="task"}': "0+100x60",
        },
        {
            'filemill_workflows_stuck{status="running"}': "0x60",
            'filemill_accepted_total{kind="task"}': "0+100x60",
        },
        {},
    ),
    "FilemillNotificationsLate": (
        late(_DELAY, "60.0", 'channel="email"', of_hundred=30),
        late(_DELAY, "60.0", 'channel="email"', of_hundred=1),
        {},
    ),
    "FilemillWorkflowStuck": (
        {'filemill_workflows_stuck{status="running"}': "0 1x60"},
        {'filemill_workflows_stuck{status="running"}': "0x36 1x2 0x20"},
        {},
    ),
    "FilemillOutboxGrowing": (
        {'filemill_outbox_oldest_seconds{state="owed"}': "0+60x60"},
        {'filemill_outbox_oldest_seconds{state="owed"}': "4x60"},
        {},
    ),
    "FilemillMessagesParked": (
        {f'{_QUEUE}_messages{{queue="parking-lot"}}': "3x60"},
        {
            f'{_QUEUE}_messages{{queue="parking-lot"}}': "0x60",
            f'{_QUEUE}_messages{{queue="worker.video"}}': "9x60",
        },
        {"queue": "parking-lot"},
    ),
    "FilemillNoConsumer": (
        {
            f'{_QUEUE}_consumers{{queue="worker.video"}}': "0x60",
            f'{_QUEUE}_consumers{{queue="scheduler.0"}}': "1x60",
            'filemill_worker_busy_slots{pool="video"}': "0x60",
            'filemill_worker_busy_slots{pool="image"}': "2x60",
        },
        {
            f'{_QUEUE}_consumers{{queue="worker.image"}}': "4x60",
            f'{_QUEUE}_consumers{{queue="parking-lot"}}': "0x60",
            f'{_QUEUE}_consumers{{queue="worker.video"}}': "0x60",
            'filemill_worker_busy_slots{pool="video"}': "2x60",
            # Scaled down to none until five minutes ago.
            f'{_QUEUE}_consumers{{queue="worker.model"}}': "0x60",
            'kube_deployment_spec_replicas{deployment="worker-model"}': "0x35 1x25",
            'filemill_pool_oldest_waiting_seconds{pool="model"}': "0x35 0+60x25",
        },
        {"queue": "worker.video"},
    ),
    "FilemillNoGateway": (
        {"filemill_workflows_stuck": "0x60"},
        {"filemill_http_requests_under_way": "0x60"},
        {},
    ),
    "FilemillLeaseLossStorm": (
        {'filemill_attempts_total{type="sleep",outcome="lost"}': "0+2x60"},
        {'filemill_attempts_total{type="sleep",outcome="lost"}': "0x36 3x20"},
        {},
    ),
    "FilemillPoisonTask": (
        {'filemill_task_failures_total{pool="video",code="worker_lost"}': "0x35 1x20"},
        {'filemill_task_failures_total{pool="video",code="corrupt_input"}': "0+1x60"},
        {"pool": "video"},
    ),
    "FilemillSweepRepairing": (
        {'filemill_sweep_repairs_total{what="outbox"}': "0x35 1x20"},
        {
            'filemill_sweep_repairs_total{what="outbox"}': "7x60",
            'filemill_sweep_repairs_total{what="lease"}': "0+1x60",
        },
        {"what": "outbox"},
    ),
    "FilemillDeliveriesFailing": (tries(3, 1), tries(1, 3), {"channel": "webhook"}),
    "FilemillStoreSlow": (store(20), store(2), {}),
    "FilemillBrokerMemoryAlarm": (
        {"rabbitmq_alarms_memory_used_watermark": "1x60"},
        {"rabbitmq_alarms_memory_used_watermark": "0x60"},
        {},
    ),
    "FilemillBrokerDiskAlarm": (
        {"rabbitmq_alarms_free_disk_space_watermark": "1x60"},
        {"rabbitmq_alarms_free_disk_space_watermark": "0x60"},
        {},
    ),
    "FilemillPoolBehind": (
        {'filemill_pool_oldest_waiting_seconds{pool="video"}': "4000x60"},
        {'filemill_pool_oldest_waiting_seconds{pool="video"}': "3000x60"},
        {"pool": "video"},
    ),
    "FilemillSubmissionsRefused": (
        {'filemill_submissions_refused_total{reason="backlog"}': "0+5x60"},
        {'filemill_submissions_refused_total{reason="backlog"}': "0x37 5x20"},
        {},
    ),
}
"""Alert to: a story in which it fires after forty minutes, one in which it does not, and its labels."""

FIRING_TOO: tuple[tuple[str, Series, dict[str, str]], ...] = (
    # Scaled down to none, but what has waited for so long should have been seen.
    (
        "FilemillNoConsumer",
        {
            f'{_QUEUE}_consumers{{queue="worker.model"}}': "0x60",
            'kube_deployment_spec_replicas{deployment="worker-model"}': "0x60",
            'filemill_pool_oldest_waiting_seconds{pool="model"}': "700x60",
        },
        {"queue": "worker.model"},
    ),
    # There should be some, and have been for long; another pool is at none.
    (
        "FilemillNoConsumer",
        {
            f'{_QUEUE}_consumers{{queue="worker.model"}}': "0x60",
            'kube_deployment_spec_replicas{deployment="worker-model"}': "1x60",
            'kube_deployment_spec_replicas{deployment="worker-video"}': "0x60",
        },
        {"queue": "worker.model"},
    ),
)
"""More stories in which alerts fire."""

_GATEWAY = {"filemill_http_requests_under_way": "0x60"}


def asked(alert: str, series: Series, expected: list[dict[str, str]]) -> dict[str, Any]:
    """One test of ``promtool``; that there is a gateway is said where the story is not about it."""
    told = series if alert == "FilemillNoGateway" else {**_GATEWAY, **series}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in told.items()],
        "alert_rule_test": [
            {
                "eval_time": "40m",
                "alertname": alert,
                "exp_alerts": [{"exp_labels": each} for each in expected],
            }
        ],
    }


class TestRules:
    def test_written_down_are_those_of_the_code(self) -> None:
        assert rules.FILE.read_text() == rules.text(), "python -m deploy.observability write"
        assert rules.MANIFEST.read_text() == rules.manifest(), "python -m deploy.observability write"

    def test_are_each_tried_both_ways(self) -> None:
        assert set(CASES) == set(rules.names())

    def test_have_each_a_section_of_the_runbook(self) -> None:
        headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)

        assert set(rules.names()) <= set(headings)

    @pytest.mark.parametrize("quick", [False, True])
    def test_are_as_prometheus_reads_them(self, tmp_path: Path, quick: bool) -> None:
        file = tmp_path / "rules.yaml"
        file.write_text(rules.text(quick=quick))

        done = subprocess.run(
            [PROMTOOL, "check", "rules", str(file)], capture_output=True, text=True, check=False
        )

        assert done.returncode == 0, done.stdout + done.stderr

    def test_fire_when_they_shall_and_are_quiet_when_they_shall_be(self, tmp_path: Path) -> None:
        file = tmp_path / "rules.yaml"
        file.write_text(without_annotations())
        by_name: dict[str, list[str]] = {}
        for group in rules.document()["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    by_name.setdefault(rule["alert"], []).append(rule["labels"]["severity"])
        tests = []
        for alert, (firing, quiet, labels) in CASES.items():
            tests.append(asked(alert, firing, [{**labels, "severity": each} for each in by_name[alert]]))
            tests.append(asked(alert, quiet, []))
        for alert, firing, labels in FIRING_TOO:
            tests.append(asked(alert, firing, [{**labels, "severity": each} for each in by_name[alert]]))

        told_to_promtool(tmp_path, tests)

    @pytest.mark.parametrize("what", ["messages", "consumers"])
    def test_count_a_queue_once_that_is_shown_in_both_ways(self, tmp_path: Path, what: str) -> None:
        (tmp_path / "rules.yaml").write_text(without_annotations())
        shown = {
            f'{_QUEUE}_{what}{{job="rabbitmq-queues",queue="worker.video"}}': "3x60",
            f'rabbitmq_queue_{what}{{job="rabbitmq",queue="worker.video"}}': "3x60",
            f'rabbitmq_queue_{what}{{job="rabbitmq"}}': "9x60",
        }
        name = f"filemill:queue_{what}"
        sample = {"labels": f'{name}{{queue="worker.video"}}', "value": 3}
        test = asked("FilemillNoGateway", {**_GATEWAY, **shown}, [])

        told_to_promtool(
            tmp_path,
            [{**test, "promql_expr_test": [{"expr": name, "eval_time": "40m", "exp_samples": [sample]}]}],
        )


def told_to_promtool(folder: Path, tests: list[dict[str, Any]]) -> None:
    """Have the rules in a folder tested, which must go well."""
    file = folder / "tests.yaml"
    rules_and_tests = {
        "rule_files": [str(folder / "rules.yaml")],
        "evaluation_interval": "1m",
        "tests": tests,
    }
    file.write_text(yaml.safe_dump(rules_and_tests))

    done = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def without_annotations() -> str:
    """The rules without their sentences, which promtool would want to be told word by word."""
    document = rules.document()
    for group in document["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)
    return yaml.safe_dump(document)
