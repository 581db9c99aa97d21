"""Writes what operators shall make: queues, users and permissions on RabbitMQ, roles and users in MongoDB.

``python deploy/k8s/operators.py`` writes it below ``components/``, from the tables that the services use.
Run it when these change; a test compares.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from filemill_common.messaging.grants import grants
from filemill_common.messaging.topology import EXCHANGES, Queue, Topology
from filemill_common.store.roles import ROLES, privileges, role

COMPONENTS: Final = Path(__file__).parent / "components"
VHOST: Final = "filemill"

Manifest = dict[str, Any]


def files(topology: Topology) -> dict[Path, str]:
    """Give the files and what they hold."""
    return {
        COMPONENTS / "rabbitmq-operator" / "topology.yaml": _text(rabbitmq(topology)),
        COMPONENTS / "mongodb-operator" / "users.yaml": _text([mongodb()]),
    }


def rabbitmq(topology: Topology) -> Iterator[Manifest]:
    """Give the objects of the messaging topology operator."""
    yield _object("Vhost", VHOST, name=VHOST)
    for exchange in EXCHANGES:
        yield _object(
            "Exchange", exchange.name, vhost=VHOST, name=exchange.name, type=exchange.kind, durable=True
        )
    for queue in topology.queues():
        yield from _queue(queue)
    for service, grant in grants(topology).items():
        name = f"rabbitmq-{service}"
        yield _object("User", name, importCredentialsSecret={"name": name})
        may = {"configure": grant.configure, "write": grant.write, "read": grant.read}
        yield _object("Permission", name, vhost=VHOST, userReference={"name": name}, permissions=may)


def _queue(queue: Queue) -> Iterator[Manifest]:
    arguments = {name: value for name, value in queue.arguments.items() if name != "x-queue-type"}
    yield _object(
        "Queue", queue.name, vhost=VHOST, name=queue.name, type="quorum", durable=True, arguments=arguments
    )
    for number, (exchange, key) in enumerate(queue.bindings):
        yield _object(
            "Binding",
            f"{queue.name}.{number}",
            vhost=VHOST,
            source=exchange,
            destination=queue.name,
            destinationType="queue",
            routingKey=key,
        )


def mongodb() -> Manifest:
    """Give the roles and users, as a patch of the set that the operator keeps."""
    users = [
        {
            "name": f"filemill-{service}",
            "db": "admin",
            "passwordSecretRef": {"name": f"mongodb-{service}"},
            "roles": [{"name": role(service), "db": "admin"}],
            "scramCredentialsSecretName": f"mongodb-{service}",
        }
        for service in ROLES
    ]
    roles = [
        {
            "role": role(service),
            "db": "admin",
            "privileges": privileges(service, database="filemill"),
            "roles": [],
        }
        for service in ROLES
    ]
    return {
        "apiVersion": "mongodbcommunity.mongodb.com/v1",
        "kind": "MongoDBCommunity",
        "metadata": {"name": "mongodb"},
        "spec": {"security": {"roles": roles}, "users": users},
    }


def _object(kind: str, name: str, /, **spec: Any) -> Manifest:
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"rabbitmqClusterReference": {"name": "rabbitmq"}, **spec},
    }


def _text(manifests: Any) -> str:
    head = "# Written by deploy/k8s/operators.py; change the tables that it reads instead.\n"
    return head + yaml.safe_dump_all(list(manifests), sort_keys=False, width=120)


if __name__ == "__main__":
    for path, text in files(Topology()).items():
        path.write_text(text)
