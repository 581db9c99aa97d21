"""Who may speak with whom: every way there is, and no other."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any, Final

from deploy.k8s.tests.rendered import Rendered
from deploy.k8s.tests.scraped import BROKER, selected
from filemill_notifier.core.addresses import INSIDE

PORTS: Final = (53, 80, 443, 4369, 5672, 6443, 8080, 15672, 15692, 25672, 27017)
METADATA: Final = ("169.254.169.254", "fd00:ec2::254")
INTERNAL: Final = ("10.96.0.1", "172.16.3.4", "192.168.0.10", "100.64.0.1", "127.0.0.1", "fd12::1", "fe80::1")
OPEN: Final = ("8.8.8.8", "2606:4700::1111")

Labels = dict[str, str]


class Network:
    """The policies of one build, and what they let through."""

    def __init__(self, rendered: Rendered) -> None:
        self._policies = [each["spec"] for each in rendered.all("NetworkPolicy")]
        self.pods: dict[str, Labels] = {pod.component: dict(pod.labels) for pod in rendered.pods()}
        if rendered.all("RabbitmqCluster"):  # which labels its pods so
            self.pods["rabbitmq"] = dict(BROKER)
        for mongodb in rendered.all("MongoDBCommunity"):
            template = mongodb["spec"]["statefulSet"]["spec"]["template"]
            self.pods["mongodb"] = template["metadata"]["labels"]
        self.others: dict[str, tuple[Labels, Labels]] = {
            "dns": ({"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"}),
            "kube-system": ({"kubernetes.io/metadata.name": "kube-system"}, {}),
            "monitoring": ({"kubernetes.io/metadata.name": "monitoring"}, {}),
            "rabbitmq-system": ({"kubernetes.io/metadata.name": "rabbitmq-system"}, {}),
            "clients": ({"filemill.io/clients": "true"}, {}),
            "strangers": ({"kubernetes.io/metadata.name": "default"}, {}),
        }

    def ways(self) -> Iterator[tuple[str, str, int]]:
        """Give every way between pods, and between pods and other namespaces."""
        for source, target, port in product(self.pods, self.pods, PORTS):
            leaves = self._lets("egress", source, ({}, self.pods[target]), port)
            enters = self._lets("ingress", target, ({}, self.pods[source]), port)
            assert leaves == enters, f"half a way: {source}, {target}, {port}"
            if leaves:
                yield source, target, port
        for pod, (other, peer), port in product(self.pods, self.others.items(), PORTS):
            if self._lets("egress", pod, peer, port):
                yield pod, other, port
            if self._lets("ingress", pod, peer, port):
                yield other, pod, port

    def reaches(self, source: str, address: str, port: int) -> bool:
        """Tell whether a pod may speak to an address."""
        for rule in self._rules("egress", source, port):
            for peer in rule["to"]:
                block = peer.get("ipBlock", {"cidr": "::/128"})
                if inside(address, block["cidr"]) and not any(
                    inside(address, each) for each in block.get("except", ())
                ):
                    return True
        return False

    def is_closed(self) -> bool:
        """Tell whether everything is forbidden that is not allowed."""
        closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        return closed in self._policies

    def _rules(self, way: str, pod: str, port: int) -> Iterator[dict[str, Any]]:
        for policy in self._policies:
            assert set(policy["policyTypes"]) >= {
                each.capitalize() for each in ("ingress", "egress") if each in policy
            }
            if selected(policy["podSelector"], self.pods[pod]):
                for rule in policy.get(way, ()):
                    assert rule[{"egress": "to", "ingress": "from"}[way]], (
                        "a rule without peers lets all through"
                    )
                    if (
                        any(
                            port in range(each["port"], each.get("endPort", each["port"]) + 1)
                            for each in rule.get("ports", ())
                        )
                        or "ports" not in rule
                    ):
                        yield rule

    def _lets(self, way: str, pod: str, peer: tuple[Labels, Labels], port: int) -> bool:
        namespace, labels = peer
        for rule in self._rules(way, pod, port):
            for each in rule[{"egress": "to", "ingress": "from"}[way]]:
                if "ipBlock" in each:
                    continue
                if "namespaceSelector" in each:
                    in_namespace = bool(namespace) and selected(each["namespaceSelector"], namespace)
                else:
                    in_namespace = not namespace
                if in_namespace and selected(each.get("podSelector", {}), labels):
                    return True
        return False


def inside(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)


def expected(rendered: Rendered) -> set[tuple[str, str, int]]:
    services = ("gateway", "scheduler", "worker", "notifier")
    ways = {(service, "rabbitmq", 5672) for service in services}
    ways |= {(service, "mongodb", 27017) for service in ("gateway", "scheduler", "notifier")}
    ways |= {(pod, "dns", 53) for pod in Network(rendered).pods}
    ways |= {("clients", "gateway", 8080)}
    if rendered.all("Job"):
        ways |= {("setup", "rabbitmq", 5672), ("setup", "rabbitmq", 15672), ("setup", "mongodb", 27017)}
    if rendered.all("RabbitmqCluster"):
        ways |= {("rabbitmq", "rabbitmq", port) for port in (4369, 25672)}
        ways |= {("rabbitmq-system", "rabbitmq", 15672)}
    if rendered.all("MongoDBCommunity"):
        ways |= {("mongodb", "mongodb", 27017)}
    if rendered.all("PodMonitor"):
        ways |= {("monitoring", service, 8080) for service in services} | {("monitoring", "rabbitmq", 15692)}
    return ways


class TestTheNetwork:
    def test_is_closed_but_for_what_is_needed(self, rendered: Rendered) -> None:
        network = Network(rendered)

        assert network.is_closed()
        assert set(network.ways()) == expected(rendered)

    def test_leads_no_worker_to_mongodb(self, rendered: Rendered) -> None:
        assert not [way for way in Network(rendered).ways() if way[:2] == ("worker", "mongodb")]

    def test_leads_nobody_to_the_metadata_address(self, rendered: Rendered) -> None:
        network = Network(rendered)
        for pod, address, port in product(network.pods, METADATA, PORTS):
            assert not network.reaches(pod, address, port), (pod, address, port)

    def test_leads_the_notifier_alone_outside_and_not_into_the_cluster(self, rendered: Rendered) -> None:
        network = Network(rendered)
        operated = {"rabbitmq", "mongodb"} if rendered.all("RabbitmqCluster") else set()
        for pod, port in product(network.pods, PORTS):
            to_api_server = pod in operated and port in (443, 6443)
            assert {network.reaches(pod, each, port) for each in OPEN} == {pod == "notifier" or to_api_server}
            assert {network.reaches(pod, each, port) for each in INTERNAL[:4]} == {to_api_server}
        for address in INTERNAL:
            assert not network.reaches("notifier", address, 443)

    def test_refuses_what_the_notifier_refuses_too(self, rendered: Rendered) -> None:
        [rule] = rendered.one("NetworkPolicy", "notifier-to-internet")["spec"]["egress"]
        refused = {network for peer in rule["to"] for network in peer["ipBlock"]["except"]}
        assert refused == {str(network) for network in INSIDE}
