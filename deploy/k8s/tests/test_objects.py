"""What names another object names one that is there, or that the README says is given."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from deploy.k8s import operators
from deploy.k8s.tests.rendered import BUILDS, HERE, Rendered, render
from filemill_common.messaging.topology import POOLS, Topology

CLUSTER_WIDE = {"Namespace", "PriorityClass"}


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


class TestNames:
    def test_are_in_one_namespace(self, rendered: Rendered) -> None:
        [namespace] = rendered.names("Namespace")
        for each in rendered.objects:
            if each["kind"] not in CLUSTER_WIDE:
                assert each["metadata"]["namespace"] == namespace, each["metadata"]["name"]

    def test_of_secrets_stand_in_the_readme_with_their_keys(self, rendered: Rendered) -> None:
        rows = [row for row in (HERE / "README.md").read_text().splitlines() if row.startswith("| `")]
        for name, key in set(rendered.secrets()):
            pattern = re.sub("gateway|scheduler|worker|notifier", "<service>", name) if "-" in name else name
            [row] = [row for row in rows if row.startswith((f"| `{name}`", f"| `{pattern}`"))]
            assert f"`{key}`" in row, (name, key)
        assert rendered.names("Secret") == set()

    def test_of_accounts_priorities_and_volumes_are_there(self, rendered: Rendered) -> None:
        for pod in rendered.pods():
            if pod.owner["kind"] == "StatefulSet":
                continue
            assert pod.spec["serviceAccountName"] in rendered.names("ServiceAccount")
            assert pod.spec["priorityClassName"] in rendered.names("PriorityClass")
            for volume in pod.spec.get("volumes", ()):
                if "persistentVolumeClaim" in volume:
                    claim = volume["persistentVolumeClaim"]["claimName"]
                    assert claim in rendered.names("PersistentVolumeClaim")

    def test_of_images_are_ours_with_one_tag(self, rendered: Rendered) -> None:
        images = {pod.container["image"] for pod in rendered.pods() if pod.owner["kind"] != "StatefulSet"}
        names, tags = {image.split(":")[0] for image in images}, {image.split(":")[1] for image in images}
        assert names == {f"filemill/{name}" for name in ("gateway", "scheduler", "worker-media", "notifier")}
        assert len(tags) == 1


class TestMakeSecrets:
    def test_makes_all_that_must_be_given_and_leaves_what_is_there(self, tmp_path: Path) -> None:
        asked, there = tmp_path / "asked", "secret rabbitmq-worker"
        kubectl = tmp_path / "kubectl"
        kubectl.write_text(
            f'#!/bin/sh\necho "$*" >> {asked}\ncase "$*" in *"get {there}") ;; *get*) exit 1 ;; esac\n'
        )
        kubectl.chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        subprocess.run([HERE / "make-secrets", "somewhere"], check=True, env={**os.environ, "PATH": path})

        made = re.findall(r"--namespace somewhere create secret generic (\S+) (.*)", asked.read_text())
        needed = {name for build in BUILDS for name, _ in render(build).secrets()} - {"notifier"}
        assert {name for name, _ in made} == needed - {"rabbitmq-worker"}
        for name, literals in made:
            assert re.fullmatch(
                r"--from-literal=username=[a-z-]+ --from-literal=password=[0-9a-f]{48}", literals
            ), name


class TestSelectors:
    def test_of_services_find_pods_with_their_ports(self, rendered: Rendered) -> None:
        for service in rendered.all("Service"):
            found = [pod for pod in rendered.pods() if matches(service["spec"]["selector"], dict(pod.labels))]
            assert len(found) == 1, service["metadata"]["name"]
            ports = {port["name"] for port in found[0].container["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports

    def test_of_owners_find_their_own_pods_alone(self, rendered: Rendered) -> None:
        for owner in rendered.services():
            selector = owner.owner["spec"]["selector"]["matchLabels"]
            assert [pod for pod in rendered.pods() if matches(selector, dict(pod.labels))] == [owner]
            for constraint in owner.spec["topologySpreadConstraints"]:
                assert matches(constraint["labelSelector"]["matchLabels"], dict(owner.labels))

    def test_of_disruption_budgets_cover_each_service_once(self, rendered: Rendered) -> None:
        budgets = [each["spec"]["selector"]["matchLabels"] for each in rendered.all("PodDisruptionBudget")]
        for pod in rendered.services():
            assert sum(matches(selector, dict(pod.labels)) for selector in budgets) == 1, pod.name

    def test_of_the_door_lead_to_the_gateway(self, rendered: Rendered) -> None:
        for ingress in rendered.all("Ingress"):
            [rule] = ingress["spec"]["rules"]
            [path] = rule["http"]["paths"]
            backend = path["backend"]["service"]
            service = rendered.one("Service", backend["name"])
            assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
            assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]

    def test_of_disruption_budgets_cover_what_operators_keep_several_of(self, rendered: Rendered) -> None:
        budgets = [each["spec"]["selector"]["matchLabels"] for each in rendered.all("PodDisruptionBudget")]
        for kind, component in (("RabbitmqCluster", "rabbitmq"), ("MongoDBCommunity", "mongodb")):
            kept = bool(rendered.all(kind))
            assert ({"app.kubernetes.io/component": component} in budgets) == kept


class TestScaling:
    def test_is_of_what_is_there_and_sets_nothing_back(self, rendered: Rendered) -> None:
        scalers = rendered.all("ScaledObject", "HorizontalPodAutoscaler")
        scaled = [each["spec"]["scaleTargetRef"]["name"] for each in scalers]
        assert len(scaled) == len(set(scaled))
        for pod in rendered.services():
            assert ("replicas" in pod.owner["spec"]) == (pod.name not in scaled), pod.name
        if scaled:
            assert set(scaled) == {"gateway", *(f"worker-{pool}" for pool in POOLS)}

    @pytest.mark.parametrize("overlay", ["staging", "prod"])
    def test_counts_what_runs_too_and_ends_at_none(self, overlay: str) -> None:
        rendered = render(f"overlays/{overlay}")
        [namespace] = rendered.names("Namespace")
        for scaler in rendered.all("ScaledObject"):
            pool, spec = scaler["metadata"]["labels"]["filemill.io/pool"], scaler["spec"]
            [trigger] = spec["triggers"]
            assert spec["scaleTargetRef"] == {"name": f"worker-{pool}"}
            assert spec["minReplicaCount"] == 0
            query = f'sum(filemill_pool_tasks{{namespace="{namespace}",pool="{pool}"}})'
            assert trigger["metadata"]["query"] == query
            assert trigger["metadata"]["ignoreNullValues"] == "false"


class TestOperators:
    def test_make_what_services_expect(self) -> None:
        for path, text in operators.files(Topology()).items():
            assert path.read_text() == text, f"run python {operators.__file__}"

    def test_are_told_of_the_pools_and_partitions_that_services_are_told_of(self, rendered: Rendered) -> None:
        shared = rendered.settings()
        assert shared["FILEMILL_PARTITIONS"] == str(Topology().partitions)
        assert json.loads(shared.get("FILEMILL_POOLS", json.dumps(dict(POOLS)))) == {
            pool: list(patterns) for pool, patterns in POOLS.items()
        }

    def test_or_the_setup_make_users_where_somebody_else_declares(self, rendered: Rendered) -> None:
        assert rendered.settings()["FILEMILL_TOPOLOGY"] == "given"
        assert bool(rendered.all("User")) != bool(rendered.all("Job"))
