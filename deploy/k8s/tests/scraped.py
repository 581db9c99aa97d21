"""What Prometheus sees of a build: the targets that its operator makes of the monitors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from deploy.k8s.tests.rendered import Rendered

COMPONENT: Final = "app.kubernetes.io/component"

BROKER: Final = {COMPONENT: "rabbitmq", "app.kubernetes.io/name": "rabbitmq"}
"""Labels that RabbitMQ's Cluster Operator gives the pods of a cluster of this name."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one pod.

    Attributes:
        pod: The component that it is of.
        labels: What its series have beside their own labels.
        asked: Path and parameters.
        dropped: Labels and patterns of the series that are not kept.
    """

    pod: str
    labels: dict[str, str]
    asked: tuple[str, dict[str, list[str]]]
    dropped: tuple[tuple[str, str], ...]


def targets(rendered: Rendered) -> Iterator[Target]:
    """Give the targets, with the labels that the operator's documentation says, in its order."""
    pods = [(dict(pod.labels), {each["name"] for each in ports(pod.container)}) for pod in rendered.pods()]
    if rendered.all("RabbitmqCluster"):
        pods.append((BROKER, {"amqp", "management", "prometheus"}))  # as the operator names them
    for monitor in rendered.all("PodMonitor"):
        for pod, named in pods:
            if selected(monitor["spec"]["selector"], pod):
                for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                    assert endpoint["port"] in named, (monitor["metadata"]["name"], pod)
                    yield _target(monitor, endpoint, pod)


def ports(container: dict[str, Any]) -> list[dict[str, Any]]:
    return list(container.get("ports", ()))


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tell whether a label selector, as Kubernetes has them, takes these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


def _target(monitor: dict[str, Any], endpoint: dict[str, Any], pod: dict[str, str]) -> Target:
    metadata, spec = monitor["metadata"], monitor["spec"]
    labels = {
        "namespace": metadata["namespace"],
        "pod": "any",
        "container": "any",
        "endpoint": endpoint["port"],
        "instance": f"{pod[COMPONENT]}:{endpoint['port']}",
        "job": pod.get(spec.get("jobLabel", ""), f"{metadata['namespace']}/{metadata['name']}"),
    }
    labels |= {re.sub(r"\W", "_", each): pod[each] for each in spec.get("podTargetLabels", ())}
    for each in endpoint.get("relabelings", ()):
        assert each.keys() == {"targetLabel", "replacement"}
        labels[each["targetLabel"]] = each["replacement"]
    kept = endpoint.get("metricRelabelings", ())
    assert all(each["action"] == "drop" for each in kept)
    return Target(
        pod=pod[COMPONENT],
        labels=labels,
        asked=(endpoint["path"], endpoint.get("params", {})),
        dropped=tuple((label, each["regex"]) for each in kept for label in each["sourceLabels"]),
    )
