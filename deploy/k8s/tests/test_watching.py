"""Rules and dashboards are shipped whole, and find what they ask for."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from deploy.k8s.tests.rendered import Rendered, render
from deploy.k8s.tests.scraped import targets
from deploy.observability import dashboards, listing, rules
from filemill_common.messaging.topology import POOLS, Topology
from filemill_local.watching import configuration

WATCHED: Final = ("overlays/staging", "overlays/prod", "tests/combinations/watched")
SERVICES: Final = {"gateway", "scheduler", "worker", "notifier"}

APPLIED: Final = 256 * 1024
"""Bytes of annotations that an object may have; ``kubectl apply`` keeps the whole object in one."""

FOREIGN: Final = {
    r"rabbitmq_(detailed_)?queue_\w+": {"queue", "vhost"},
    r"rabbitmq_\w+|process_\w+": set[str](),
    r"ALERTS": {"alertname", "alertstate", "severity"},
    r"kube_deployment_spec_replicas": {"namespace", "deployment"},
}
"""Labels of what others measure."""

_SELECTOR: Final = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
_MATCHER: Final = re.compile(r'(\w+)(?:=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')
_GROUPED: Final = re.compile(r"\b(?:by|on) \(([^)]*)\)")
_MADE: Final = re.compile(r', "(\w+)", "[^"]*", "\w+", "[^"]*"\)')


@pytest.fixture(scope="module", params=WATCHED)
def watched(request: pytest.FixtureRequest) -> Rendered:
    """Each build that says that it is watched."""
    return render(request.param)


def shown(rendered: Rendered) -> dict[str, dict[str, Any]]:
    """Give the dashboards that are shipped, by their UIDs."""
    found = [
        json.loads(text)
        for each in rendered.all("ConfigMap")
        if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for text in each["data"].values()
    ]
    by_uid = {each["uid"]: each for each in found}
    assert len(by_uid) == len(found)
    return by_uid


def exprs(rendered: Rendered) -> list[str]:
    """Give all that rules and dashboards ask."""
    [shipped] = rendered.all("PrometheusRule")
    asked = [rule["expr"] for group in shipped["spec"]["groups"] for rule in group["rules"]]
    for dashboard in shown(rendered).values():
        asked += [each["expr"] for each in dashboard["annotations"]["list"]]
        asked += [each["expr"] for panel in dashboard["panels"] for each in panel.get("targets", ())]
    return asked


def own(metric: str) -> set[str]:
    """Give the labels that a metric has wherever it is seen."""
    for group in rules.document()["groups"]:
        for rule in group["rules"]:
            if rule.get("record") == metric:
                return {label for found in _GROUPED.findall(rule["expr"]) for label in words(found)} - {"le"}
    for _, name, each in listing.metrics():
        if metric in (name, *(f"{name}_{end}" for end in ("bucket", "sum", "count"))):
            return {*each._labelnames, *(["le"] if metric.endswith("_bucket") else [])}
    [labels] = [labels for pattern, labels in FOREIGN.items() if re.fullmatch(pattern, metric)][:1]
    return labels


def words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def metrics(expr: str) -> set[str]:
    """Name what an expression asks for."""
    bare = _GROUPED.sub("", re.sub(r'"(?:[^"\\]|\\.)*"', '""', re.sub(r"\{[^}]*\}", "", expr)))
    names = re.findall(r"(?<![\w:$.])((?:filemill|task|rabbitmq|process|kube)[_:][\w:]+|ALERTS)", bare)
    return set(names)


class TestWhatIsShipped:
    def test_is_every_rule(self, watched: Rendered) -> None:
        [shipped] = watched.all("PrometheusRule")

        assert shipped["spec"] == yaml.safe_load(rules.FILE.read_text()) == rules.document()

    def test_is_every_dashboard(self, watched: Rendered) -> None:
        kept = [json.loads(path.read_text()) for path in dashboards.FOLDER.glob("*.json")]

        assert shown(watched) == {each["uid"]: each for each in kept}
        assert len(kept) == 6

    def test_is_small_enough_to_be_applied(self, watched: Rendered) -> None:
        for each in watched.all("ConfigMap", "PrometheusRule"):
            assert len(json.dumps(each)) < APPLIED, each["metadata"]["name"]

    def test_has_names_that_stay(self, watched: Rendered) -> None:
        names = {name for name in watched.names("ConfigMap") if "dashboard" in name}

        assert names == {f"filemill-dashboard-{path.stem}" for path in dashboards.FOLDER.glob("*.json")}

    def test_is_nothing_where_nobody_watches(self, rendered: Rendered) -> None:
        if rendered.name not in WATCHED:
            assert not rendered.all("PodMonitor", "PrometheusRule")
            assert not shown(rendered)


class TestMonitors:
    def test_look_at_what_is_looked_at_beside_the_embedded_stack(self, watched: Rendered) -> None:
        services = dict.fromkeys(SERVICES, (1,))
        written = json.loads(configuration(services, broker=2, rules="", every="1s"))
        looked_at = {
            job["job_name"]: (
                (job.get("metrics_path", "/metrics"), job.get("params", {})),
                tuple(
                    (label, each["regex"])
                    for each in job.get("metric_relabel_configs", ())
                    for label in each["source_labels"]
                ),
            )
            for job in written["scrape_configs"]
        }

        found = {each.labels["job"]: (each.asked, each.dropped) for each in targets(watched)}
        assert found == looked_at

    def test_look_at_every_pod_and_at_the_broker_twice(self, watched: Rendered) -> None:
        pods = [pod.component for pod in watched.services()]

        assert sorted(each.pod for each in targets(watched)) == sorted([*pods, "rabbitmq", "rabbitmq"])

    def test_never_write_the_same_series_twice(self, watched: Rendered) -> None:
        brokers = [each.labels for each in targets(watched) if each.pod == "rabbitmq"]

        assert len({(each["job"], each["instance"]) for each in brokers}) == len(brokers)


class TestLabels:
    def test_are_those_of_metrics_or_of_targets(self, watched: Rendered) -> None:
        of_targets = set.intersection(*(set(each.labels) for each in targets(watched)))
        for expr in exprs(watched):
            names = metrics(expr)
            assert names, expr
            for name, selector in _SELECTOR.findall(expr):
                used = {label for label, _ in _MATCHER.findall(selector)}
                assert used <= own(name) | of_targets, expr
            of_metrics = {label for name in names for label in own(name)} | set(_MADE.findall(expr))
            grouped = {label for found in _GROUPED.findall(expr) for label in words(found)}
            assert grouped <= of_metrics | of_targets, expr

    def test_of_metrics_are_hidden_by_none_of_a_target(self, watched: Rendered) -> None:
        of_metrics = {label for _, _, each in listing.metrics() for label in each._labelnames}
        for target in targets(watched):
            assert not target.labels.keys() & (of_metrics | {"queue", "vhost"})

    def test_of_jobs_are_those_of_the_services(self, watched: Rendered) -> None:
        jobs = {each.labels["job"] for each in targets(watched) if each.pod in SERVICES}
        asked = [set(value.split("|")) for value in values(exprs(watched), "job")]

        assert jobs == SERVICES
        assert asked
        assert all(each == jobs for each in asked)

    def test_of_namespaces_are_what_workers_are_scaled_by(self, watched: Rendered) -> None:
        [namespace] = {each.labels["namespace"] for each in targets(watched)}
        queries = [each["spec"]["triggers"][0]["metadata"]["query"] for each in watched.all("ScaledObject")]

        assert set(values(queries, "namespace")) <= {namespace}

    def test_of_deployments_and_queues_are_those_of_the_pools(self, watched: Rendered) -> None:
        [pattern] = set(values(exprs(watched), "deployment"))
        workers = {pod.name for pod in watched.services() if re.fullmatch(pattern, pod.name)}
        queues = {each.name for each in Topology().queues()}

        assert workers == {f"worker-{pool}" for pool in POOLS}
        assert queues >= {f"worker.{pool}" for pool in POOLS}

    def test_of_all_processes_are_asked_for_with_a_job(self, watched: Rendered) -> None:
        for expr in exprs(watched):
            if any(name.startswith("process_") for name in metrics(expr)):
                assert 'job=~"' in expr


def values(asked: list[str], label: str) -> Iterator[str]:
    """Give what a label is compared with."""
    for expr in asked:
        for _, selector in _SELECTOR.findall(expr):
            yield from (value for name, value in _MATCHER.findall(selector) if name == label)


class TestDashboards:
    def test_take_whatever_prometheus_grafana_knows(self, watched: Rendered) -> None:
        source = {"type": "prometheus", "uid": "${source}"}
        for dashboard in shown(watched).values():
            first, *others = dashboard["templating"]["list"]
            assert (first["name"], first["type"], first["query"]) == ("source", "datasource", "prometheus")
            assert {json.dumps(each["datasource"]) for each in others} == {json.dumps(source)}
            for asking in (*dashboard["annotations"]["list"], *dashboard["panels"]):
                if asking.get("type") != "row":
                    assert asking["datasource"] == source
                    assert all(each["datasource"] == source for each in asking.get("targets", ()))

    def test_choose_by_labels_that_are_there(self, watched: Rendered) -> None:
        for dashboard in shown(watched).values():
            for variable in dashboard["templating"]["list"][1:]:
                [(metric, label)] = re.findall(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
                assert label in own(metric)
