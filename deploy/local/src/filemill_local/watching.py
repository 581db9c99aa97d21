"""How Prometheus is started beside the stack, and what it looks at, as values."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

PROMETHEUS: Final = "/usr/bin/prometheus"

_FAMILIES: Final = ("queue_coarse_metrics", "queue_consumer_count")
"""What the rules ask of each queue."""


def command(home: Path, port: int) -> tuple[str, ...]:
    """Build the command that starts it, listening on loopback alone and keeping its data for 15 days."""
    folder = home / "prometheus"
    return (
        PROMETHEUS, "--config.file", str(folder / "prometheus.yml"),
        "--storage.tsdb.path", str(folder / "data"), "--storage.tsdb.retention.time", "15d",
        "--web.listen-address", f"127.0.0.1:{port}",
        "--enable-feature", "exemplar-storage", "--log.level", "warn",
    )  # fmt: skip


def configuration(
    services: Mapping[str, Sequence[int]], *, broker: int | None, rules: str, every: str
) -> str:
    """Write what it looks at; JSON is YAML.

    Args:
        services: Ports of each service's replicas.
        broker: Port of RabbitMQ's metrics, if it is ours.
        rules: Path of the rules.
        every: How often it looks, as it writes it.
    """
    jobs = [_job(service, *ports) for service, ports in services.items()]
    if broker is not None:
        # Queues of one connection have a new name each time.
        passing = {"source_labels": ["queue"], "regex": "amq\\.gen.*", "action": "drop"}
        detailed = {"metrics_path": "/metrics/detailed", "params": {"family": list(_FAMILIES)}}
        jobs.append(_job("rabbitmq", broker))
        jobs.append(_job("rabbitmq-queues", broker, metric_relabel_configs=[passing], **detailed))
    looks = {"scrape_interval": every, "evaluation_interval": every}
    return json.dumps({"global": looks, "rule_files": [rules], "scrape_configs": jobs}, indent=2)


def _job(name: str, *ports: int, **more: object) -> dict[str, object]:
    targets = [f"127.0.0.1:{port}" for port in ports]
    return {"job_name": name, "static_configs": [{"targets": targets}], **more}
