"""Fixtures that give tests real servers of their own; each starts when a test first asks."""

import uuid
from collections.abc import Iterator

import pytest

from filemill_local.servers import drop_database, virtual_host
from filemill_local.stack import Stack


@pytest.fixture(scope="session")
def rabbit() -> Iterator[Stack]:
    """Give the session's RabbitMQ; ``rabbit.kill("rabbitmq")`` and the like are for tests of that."""
    with Stack.temporary(("epmd", "rabbitmq")) as stack:
        yield stack


@pytest.fixture(scope="session")
def rabbit_url(rabbit: Stack) -> str:
    """Give the address of the session's RabbitMQ, as administrator, on the virtual host ``/``."""
    return rabbit.plan.rabbit_url


@pytest.fixture
def vhost_url(rabbit: Stack) -> Iterator[str]:
    """Give an empty virtual host of the session's RabbitMQ, removed after the test."""
    with virtual_host(rabbit.plan.ports["management"], rabbit.plan.rabbit_url) as url:
        yield url


@pytest.fixture(scope="session")
def mongod() -> Iterator[Stack]:
    """Give the session's MongoDB, a replica set of one."""
    with Stack.temporary(("mongod",)) as stack:
        yield stack


@pytest.fixture(scope="session")
def mongo_url(mongod: Stack) -> str:
    """Give the address of the session's MongoDB, without a database."""
    return mongod.plan.mongo_url


@pytest.fixture
def database(mongod: Stack) -> Iterator[str]:
    """Give the name of an empty database, dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    drop_database(mongod.plan.ports["mongod"], name)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Give a whole stack: servers, mail catcher and services."""
    with Stack.temporary() as stack:
        yield stack
