"""Services as their pods in production run them: confined, with users that may do no more than they must."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import httpx
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from deploy.k8s.tests.rendered import Pod, render, size
from filemill_common.errors import FilemillError
from filemill_common.store import Session, Store
from filemill_common.store.roles import ROLES
from filemill_local.ports import choose
from filemill_local.servers import accepts, mongod_binary
from filemill_local.stack import Stack

SERVICES = ("gateway", "scheduler", "worker", "notifier")
PROD = render("overlays/prod")


@pytest.fixture
def mongo_port(tmp_path: Path) -> Iterator[int]:
    """A MongoDB that asks who one is, with the administrator ``root``."""
    port = choose(["mongod"])["mongod"]
    key, data = tmp_path / "key", tmp_path / "mongod"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o600)
    data.mkdir()
    command = [mongod_binary(), "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--replSet", "mongodb", "--keyFile", str(key), "--nounixsocket", "--quiet"]
    with running(command, {}, tmp_path / "mongod.log"):
        wait(lambda: accepts(port))
        with MongoClient[dict[str, object]]("127.0.0.1", port, directConnection=True) as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "mongodb", "members": members})
            wait(lambda: client.admin.command("hello")["isWritablePrimary"])
            client.admin.command("createUser", "root", pwd="root", roles=["root"])
        yield port


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A folder as the secrets are mounted."""
    folder = tmp_path / "users"
    for server, services in (("rabbitmq", SERVICES), ("mongodb", tuple(ROLES))):
        for service in services:
            place = folder / server / service
            place.mkdir(parents=True)
            (place / "username").write_text(f"filemill-{service}")
            (place / "password").write_text(secrets.token_hex(8))
    return folder


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=40)


def wait(is_so: object, within: float = 120) -> None:
    assert callable(is_so)
    until = monotonic() + within
    while not is_so():
        assert monotonic() < until
        sleep(0.1)


def answers(port: int, path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def confined(pod: Pod, folder: Path) -> list[str]:
    """Run what follows as a pod's container would: its user, its memory, and only its volumes to write to."""
    user = str(pod.spec["securityContext"]["runAsUser"])
    command = ["bwrap", "--unshare-user", "--uid", user, "--gid", user, "--cap-drop", "ALL"]
    command += ["--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev"]
    for mount in pod.container["volumeMounts"]:
        place = folder / mount["mountPath"].strip("/")
        place.mkdir(exist_ok=True)
        command += ["--bind", str(place), str(place)]
    return [*command, "prlimit", f"--data={size(pod.container['resources']['limits']['memory'])}"]


async def abandoned(url: str) -> int:
    """Leave a transaction of the scheduler's open, as a killed one does, and have another end it."""
    first, second = (Store(url, app_name="filemill-scheduler") for _ in range(2))
    ended = 0

    async def look(session: Session) -> None:
        nonlocal ended
        await first.collection("tasks").insert_one({"_id": "t"}, session=session)
        ended = await second.end_abandoned(idle=timedelta(0))

    with pytest.raises(FilemillError):
        await first.in_transaction(look)
    first.close()
    second.close()
    return ended


def test_a_workflow_runs_to_its_end(
    rabbit: Stack, vhost_url: str, mongo_port: int, users: Path, clip: Path, tmp_path: Path
) -> None:
    broker, ports = urlsplit(vhost_url), choose(SERVICES)
    mongo = f"127.0.0.1:{mongo_port}/filemill?authSource=admin&replicaSet=mongodb"

    def login(server: str, service: str) -> str:
        return ":".join((users / server / service / name).read_text() for name in ("username", "password"))

    setup = {
        "FILEMILL_TOPOLOGY": "given",
        "FILEMILL_RABBIT_URL": vhost_url,
        "FILEMILL_RABBIT_MANAGEMENT_URL": f"http://127.0.0.1:{rabbit.plan.ports['management']}",
        "FILEMILL_MONGO_URL": f"mongodb://root:root@{mongo}",
        "FILEMILL_USERS": str(users),
    }
    for _ in range(2):  # the second time everything is there
        subprocess.run(
            [sys.executable, "-m", "filemill_common.setup"],
            env={**os.environ, **setup},
            check=True,
            timeout=60,
        )

    pods = {
        pod.component: pod
        for pod in PROD.services()
        if pod.name in (*SERVICES[:2], "worker-video", "notifier")
    }
    with ExitStack() as stack:
        for service in SERVICES:
            environment = PROD.environment(pods[service]) | {
                "FILEMILL_RABBIT_URL": broker._replace(
                    netloc=f"{login('rabbitmq', service)}@{broker.hostname}:{broker.port}"
                ).geturl(),
                "FILEMILL_STORAGE_ROOT": str(tmp_path / "data"),
                "FILEMILL_SCRATCH": str(tmp_path / "scratch"),
                "TMPDIR": str(tmp_path / "tmp"),
                "FILEMILL_HTTP_HOST": "127.0.0.1",
                "FILEMILL_HTTP_PORT": str(ports[service]),
                "FILEMILL_ALLOWED_TARGETS": "127.0.0.0/8",
            }
            if service in ROLES:
                environment["FILEMILL_MONGO_URL"] = f"mongodb://{login('mongodb', service)}@{mongo}"
            command = [*confined(pods[service], tmp_path), sys.executable, "-m", f"filemill_{service}"]
            stack.enter_context(running(command, environment, tmp_path / f"{service}.log"))
        for service in SERVICES:
            wait(lambda port=ports[service]: answers(port, "/healthz/ready"))

        with httpx.Client(base_url=f"http://127.0.0.1:{ports['gateway']}", trust_env=False) as client:
            client.put("/v1/files/in/clip.mp4", content=clip.read_bytes()).raise_for_status()
            hook = f"http://127.0.0.1:{ports['gateway']}/healthz/live"  # refuses a POST, which is an answer
            task = {"type": "video_thumbnail", "input_file": "in/clip.mp4", "notify_webhook": hook}
            created = client.post("/v1/tasks", json=task).raise_for_status().json()["id"]
            wait(lambda: client.get(f"/v1/tasks/{created}").json()["status"] == "completed")
            wait(lambda: client.get("/v1/deliveries").json()["items"])
            assert client.get("/v1/parked").raise_for_status().json()["items"] == []
            assert client.get("/v1/workflows").raise_for_status().json()["items"] == []

    with MongoClient[dict[str, object]](f"mongodb://{login('mongodb', 'gateway')}@{mongo}") as stranger:
        with pytest.raises(OperationFailure, match="not authorized"):
            stranger.filemill.tasks.delete_many({})
        with pytest.raises(OperationFailure, match="not authorized"):
            stranger.filemill.outbox.find_one({})
    assert asyncio.run(abandoned(f"mongodb://{login('mongodb', 'scheduler')}@{mongo}")) == 1
    for service in SERVICES:
        said = (tmp_path / f"{service}.log").read_text()
        assert "Read-only file system" not in said
        assert "ACCESS_REFUSED" not in said
        assert "not authorized" not in said
