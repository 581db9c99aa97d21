"""Makes what services are given where they may make nothing durable themselves: run it before each release.

It declares the topology, makes the indexes of tasks and workflows, and gives each service a user of its own
on RabbitMQ and MongoDB with what it needs. All of it may be done again at any time.
"""

import asyncio
import base64
import json
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, HttpUrl, MongoDsn, Secret

from filemill_common.errors import FilemillError
from filemill_common.health import Health
from filemill_common.messaging import Bus
from filemill_common.messaging.grants import Grant, grants
from filemill_common.settings import BusSettings, read
from filemill_common.store import Store, indexes
from filemill_common.store.roles import ROLES, ensure_user

_TIMEOUT: Final = 10.0
"""Seconds."""

Users = Mapping[str, tuple[str, str]]
"""Service to the name and password of its user."""


class ManagementError(FilemillError):
    """RabbitMQ's management API cannot be reached, or refuses."""

    code = "management"
    retryable = True


class SetupSettings(BusSettings):
    """Read once; the addresses are an administrator's."""

    rabbit_management_url: HttpUrl = Field(description="RabbitMQ's management API; asked as the same user.")
    mongo_url: Secret[MongoDsn] = Field(description="MongoDB, with the database that the services use.")
    users: Path = Field(
        description="Folder with rabbitmq/<service>/ and mongodb/<service>/, each with username and password."
    )


async def set_up(settings: SetupSettings) -> None:
    """Make everything as it shall be; waits for servers that are away.

    Raises:
        ManagementError: RabbitMQ's management API did not do it.
        StoreRefusedError: MongoDB does not let this user do it.
    """
    url = settings.rabbit_url.get_secret_value().unicode_string()
    topology = replace(settings.topology, given=False)  # by this
    async with Bus(url, service="setup", topology=topology, health=Health()):
        may = grants(topology)
        users = _users(settings.users / "rabbitmq", may)
        await asyncio.to_thread(_let, str(settings.rabbit_management_url), url, users, may)
    store = Store(settings.mongo_url.get_secret_value().unicode_string(), app_name="filemill-setup")
    try:
        await store.ready()
        await indexes.ensure(store, indexes.INDEXES)
        for service, (username, password) in _users(settings.users / "mongodb", ROLES).items():
            await ensure_user(store, service, username=username, password=password)
    finally:
        store.close()


def _users(folder: Path, services: Mapping[str, object]) -> Users:
    def text(service: str, name: str) -> str:
        return (folder / service / name).read_text().strip()

    return {service: (text(service, "username"), text(service, "password")) for service in services}


def _let(management: str, rabbit_url: str, users: Users, may: Mapping[str, Grant]) -> None:
    """Make users, without tags, and let them do what they may in the virtual host of the address."""
    admin = urlsplit(rabbit_url)
    vhost = quote(unquote(admin.path[1:]) or "/", safe="")
    login = f"{unquote(admin.username or '')}:{unquote(admin.password or '')}"
    for service, (username, password) in users.items():
        name = quote(username, safe="")
        _put(f"{management}api/users/{name}", login, {"password": password, "tags": ""})
        grant = {each: getattr(may[service], each) for each in ("configure", "write", "read")}
        _put(f"{management}api/permissions/{vhost}/{name}", login, grant)


def _put(url: str, login: str, body: Mapping[str, str]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="PUT")  # noqa: S310 - HttpUrl
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310 - HttpUrl
            pass
    except (URLError, OSError) as error:
        raise ManagementError(f"{url}: {error}") from error


def main() -> None:
    """Set everything up, and end with 0, or with 1 and a sentence."""
    settings = read(SetupSettings)
    try:
        asyncio.run(set_up(settings))
    except (FilemillError, OSError) as error:
        sys.stderr.write(f"Not set up: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
