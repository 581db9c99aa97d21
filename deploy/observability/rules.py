"""Recording and alerting rules, as values; ``rules.yaml`` is what they come to, here and below ``k8s``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

FILE: Final = Path(__file__).with_name("rules.yaml")
MANIFEST: Final = Path(__file__).parents[1] / "k8s" / "components" / "prometheus" / "rules.yaml"
RUNBOOK: Final = "docs/operations.md#"

_LOST: Final = 'filemill_attempts_total{outcome="lost"}'
_NOBODY: Final = (
    r'filemill:queue_consumers{queue=~"scheduler\\..+|worker\\..+|notifier\\.events"} == 0'
    # A slot with a long task does not consume, so a pool that is busy may have no consumer.
    " unless on (queue) label_replace(sum by (pool) (filemill_worker_busy_slots) > 0,"
    ' "queue", "worker.$1", "pool", "(.+)")'
    # On Kubernetes a pool without work is scaled down to none, and needs some minutes to come back.
    " unless on (queue) label_replace(label_replace("
    'min by (deployment) (min_over_time(kube_deployment_spec_replicas{deployment=~"worker-.+"}[10m])) == 0,'
    ' "pool", "$1", "deployment", "worker-(.+)")'
    " unless on (pool) max by (pool) (filemill_pool_oldest_waiting_seconds) > 600,"
    ' "queue", "worker.$1", "pool", "(.+)")'
)


@dataclass(frozen=True, slots=True)
class Record:
    """An expression that is worked out once for all who ask."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should look at.

    Attributes:
        lasting: How long it must hold, as Prometheus writes it.
        severity: ``page`` (now, at night too) or ``ticket`` (today).
        summary: One sentence; ``{{ $labels }}`` and ``{{ $value }}`` may stand in it.
    """

    name: str
    expr: str
    lasting: str
    severity: str
    summary: str


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise, and how much of it may be broken.

    Attributes:
        record: What its error ratio is called, before the window.
        alert: Name of its alerts.
        target: The part that must be well.
        errors: What was not well in a window ``{w}``.
        total: What there was in it.
        least: How many there must have been in the longer window; a few say nothing.
    """

    record: str
    alert: str
    target: float
    errors: str
    total: str
    least: int
    summary: str


OBJECTIVES: Final = (
    Objective(
        "filemill:starts_late:ratio",
        "FilemillStartsLate",
        0.95,
        "sum(increase(filemill_task_handoff_seconds_count[{w}]))"
        ' - sum(increase(filemill_task_handoff_seconds_bucket{{le="5.0"}}[{w}]))',
        "sum(increase(filemill_task_handoff_seconds_count[{w}]))",
        50,
        "Too many tasks start later than 5 s after they are ready.",
    ),
    Objective(
        "filemill:work_unfinished:ratio",
        "FilemillWorkUnfinished",
        0.999,
        "max(avg_over_time(filemill_workflows_stuck[{w}])) + (sum(increase("
        r'filemill_messages_parked_total{{queue=~"scheduler\\.[0-9]+"}}[{w}])) or vector(0))',
        "sum(increase(filemill_accepted_total[{w}]))",
        50,
        "Too much of what was accepted reaches no end.",
    ),
    Objective(
        "filemill:notifications_late:ratio",
        "FilemillNotificationsLate",
        0.99,
        "sum(increase(filemill_notification_delay_seconds_count[{w}]))"
        ' - sum(increase(filemill_notification_delay_seconds_bucket{{le="60.0"}}[{w}]))',
        "sum(increase(filemill_notification_delay_seconds_count[{w}]))",
        20,
        "Too many outcomes are told later than 60 s after the fact.",
    ),
)

_BURNS: Final = ((14.4, "1h", "5m", "page"), (6.0, "6h", "30m", "ticket"))
"""How many times too fast the budget of 30 days is used up, in both windows: 2 % in an hour, 5 % in six.

Google, "The Site Reliability Workbook", chapter 5: multi-window, multi-burn-rate alerts.
"""

RECORDS: Final = (
    # Of a broker that shows each queue, by either of its two ways; not of both, which would count twice.
    Record(
        "filemill:queue_messages",
        "sum by (queue) (rabbitmq_detailed_queue_messages)"
        ' or sum by (queue) (rabbitmq_queue_messages{queue!=""})',
    ),
    Record(
        "filemill:queue_consumers",
        "sum by (queue) (rabbitmq_detailed_queue_consumers)"
        ' or sum by (queue) (rabbitmq_queue_consumers{queue!=""})',
    ),
    Record(
        "filemill:worker_saturation:ratio",
        "sum by (pool) (filemill_worker_busy_slots) / (sum by (pool) (filemill_worker_slots) > 0)",
    ),
    Record(
        "filemill:tasks_ended:rate5m",
        "sum(rate(task_completed_total[5m])) + sum(rate(task_failed_total[5m]))"
        " + sum(rate(filemill_tasks_not_run_total[5m]))",
    ),
    Record(
        "filemill:store_command_seconds:p95",
        "histogram_quantile(0.95, sum by (le) (rate(filemill_store_command_duration_seconds_bucket[5m])))",
    ),
)

ALERTS: Final = (
    Alert(
        "FilemillWorkflowStuck",
        "max(filemill_workflows_stuck) > 0",
        "5m",
        "page",
        "{{ $value }} runs go on although nothing of them is under way or waited for.",
    ),
    Alert(
        "FilemillOutboxGrowing",
        "max(filemill_outbox_oldest_seconds) > 60",
        "1m",
        "page",
        "The oldest event owed has been waiting for the broker for {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "FilemillMessagesParked",
        'filemill:queue_messages{queue="parking-lot"} > 0',
        "1m",
        "ticket",
        "{{ $value }} messages lie in the parking lot.",
    ),
    Alert(
        "FilemillNoConsumer",
        _NOBODY,
        "1m",
        "page",
        "Nobody takes from {{ $labels.queue }}.",
    ),
    Alert(
        "FilemillNoGateway",
        "absent(filemill_http_requests_under_way)",
        "1m",
        "page",
        "No gateway can be seen, so nobody can ask for anything.",
    ),
    Alert(
        "FilemillLeaseLossStorm",
        f"sum(increase({_LOST}[5m])) > 5",
        "0s",
        "page",
        "{{ $value }} tasks lost their worker in 5 minutes.",
    ),
    Alert(
        "FilemillPoisonTask",
        'sum by (pool) (increase(filemill_task_failures_total{code="worker_lost"}[15m])) > 0',
        "0s",
        "ticket",
        "A task of the pool {{ $labels.pool }} ended three workers and was given up.",
    ),
    Alert(
        "FilemillSweepRepairing",
        'sum by (what) (increase(filemill_sweep_repairs_total{what!="lease"}[15m])) > 0',
        "0s",
        "ticket",
        "A sweep found {{ $labels.what }} left behind: something ended in the middle of its work.",
    ),
    Alert(
        "FilemillDeliveriesFailing",
        'sum by (channel) (increase(filemill_delivery_tries_total{outcome!="delivered"}[10m]))'
        " / sum by (channel) (increase(filemill_delivery_tries_total[10m])) > 0.5"
        " and sum by (channel) (increase(filemill_delivery_tries_total[10m])) > 5",
        "0s",
        "ticket",
        "Most tries to deliver by {{ $labels.channel }} fail.",
    ),
    Alert(
        "FilemillStoreSlow",
        "filemill:store_command_seconds:p95 > 0.5",
        "2m",
        "page",
        "One of 20 commands to MongoDB takes over {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "FilemillBrokerMemoryAlarm",
        "max(rabbitmq_alarms_memory_used_watermark) > 0",
        "30s",
        "page",
        "RabbitMQ is short of memory and takes nothing more.",
    ),
    Alert(
        "FilemillBrokerDiskAlarm",
        "max(rabbitmq_alarms_free_disk_space_watermark) > 0",
        "30s",
        "page",
        "RabbitMQ is short of disk and takes nothing more.",
    ),
    Alert(
        "FilemillPoolBehind",
        "max by (pool) (filemill_pool_oldest_waiting_seconds) > 3600",
        "5m",
        "ticket",
        "A task of the pool {{ $labels.pool }} has waited for {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "FilemillSubmissionsRefused",
        "sum(increase(filemill_submissions_refused_total[5m])) > 0",
        "15m",
        "ticket",
        "Submissions have been refused for a quarter of an hour.",
    ),
)


def names() -> tuple[str, ...]:
    """Name all alerts, each once."""
    return (*(each.alert for each in OBJECTIVES), *(each.name for each in ALERTS))


def document(*, quick: bool = False) -> dict[str, Any]:
    """Write the rules as Prometheus reads them.

    Args:
        quick: For the drill: windows of half a minute, and a quarter of a minute to be sure. What is
            compared, and with what, stays.
    """
    groups: list[dict[str, Any]] = [
        {"name": "filemill-records", "rules": list(_records())},
        {"name": "filemill-objectives", "rules": list(_objectives())},
        {"name": "filemill-alerts", "rules": [_alert(each) for each in ALERTS]},
    ]
    if quick:
        for group in groups:
            group["rules"] = [_quick(rule) for rule in group["rules"]]
    return {"groups": groups}


def text(*, quick: bool = False) -> str:
    """Write the rules as YAML."""
    return _yaml(document(quick=quick))


def manifest() -> str:
    """Write the rules as an object of the Prometheus operator's."""
    return _yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "filemill"},
            "spec": document(),
        }
    )


def _yaml(written: dict[str, Any]) -> str:
    head = "# Made by `python -m deploy.observability write` from rules.py; a test compares them.\n"
    return head + yaml.safe_dump(written, sort_keys=False, width=120, allow_unicode=True)


def _records() -> Iterator[dict[str, Any]]:
    for record in RECORDS:
        yield {"record": record.name, "expr": record.expr}
    windows = [window for _, long, short, _ in _BURNS for window in (long, short)]
    for objective in OBJECTIVES:
        for window in windows:
            errors, total = (part.format(w=window) for part in (objective.errors, objective.total))
            yield {"record": f"{objective.record}{window}", "expr": f"({errors}) / ({total} > 0)"}


def _objectives() -> Iterator[dict[str, Any]]:
    for objective in OBJECTIVES:
        for burn, long, short, severity in _BURNS:
            limit = round(burn * (1 - objective.target), 6)
            enough = objective.total.format(w=long)
            expr = (
                f"{objective.record}{long} > {limit:g} and {objective.record}{short} > {limit:g}"
                f" and {enough} > {objective.least}"
            )
            yield _alert(Alert(objective.alert, expr, "2m", severity, objective.summary))


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook": RUNBOOK + alert.name.lower()},
    }


def _quick(rule: dict[str, Any]) -> dict[str, Any]:
    quick = {**rule, "expr": re.sub(r"\[\d+[mh]\]", "[30s]", rule["expr"])}
    if "for" in rule:
        quick["for"] = "0s" if rule["for"] == "0s" else "15s"
    return quick
