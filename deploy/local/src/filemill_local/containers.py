"""A stack in containers, for tests: the same words, ports and addresses as the embedded one.

Servers have a network of their own and are published on loopback; services share this machine's network, so
that the addresses of the plan hold on both sides. They run confined: without capabilities or root, and on a
root that is read-only.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from docker.errors import DockerException
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from filemill_local.plan import MONITORING, REPLICA_SET, Plan, StackError, service_of
from filemill_local.stack import SERVERS, Stack

IMAGES: Final = {
    "rabbitmq": os.environ.get("FILEMILL_IMAGE_RABBITMQ", "rabbitmq:4.1-management"),
    "mongod": os.environ.get("FILEMILL_IMAGE_MONGOD", "mongo:7"),
    "mail": "filemill/mail",
    "gateway": "filemill/gateway",
    "scheduler": "filemill/scheduler",
    "worker": "filemill/worker-media",
    "notifier": "filemill/notifier",
}

CONFINED: Final[dict[str, Any]] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    # Root's tests take the image's own user; others share files with theirs.
    "user": "" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}",
}
"""What a container may not do, as arguments of docker-py."""


class ContainedStack(Stack):
    """A stack whose programs run in containers, but for Prometheus and what another command replaces.

    Unlike processes, containers stay behind if the calling process is killed.
    """

    def __init__(self, plan: Plan, environment: Any, *, tied: bool = False) -> None:
        """Describe a stack; nothing starts yet."""
        super().__init__(plan, environment, tied=tied)
        native = tuple(name for name in plan.programs if name in plan.commands or name == MONITORING)
        others = tuple(name for name in plan.programs if name not in native)
        self._native = Stack(replace(plan, programs=native, elsewhere=others), environment, tied=tied)
        self._made: dict[str, DockerContainer] = {}

    def up(self) -> bool:
        """Start all and wait until it is ready.

        Raises:
            StackError: No engine answers, an image is missing, or it was not ready in time.
        """
        files = self.plan.home / "files" / "objects"
        files.mkdir(parents=True, exist_ok=True)
        (self.plan.home / "log").mkdir(exist_ok=True)
        for folder in (files, files.parent):
            folder.chmod(0o777)  # the images' user is another than ours
        without = {"epmd", *self._native.plan.programs}
        names = [name for name in self.plan.programs if name not in without]
        try:
            for name in names:
                self._made[name] = _container(self.plan, name, self._service_environment(name)).start()
        except DockerException as error:
            raise StackError(f"Containers cannot be started: {error}. See make test-containers.") from error
        self.wait_ready(*(name for name in names if name in SERVERS))
        if self._native.plan.programs:
            self._native.up()
        self.wait_ready(*names)
        return True

    def pid(self, name: str) -> int:
        """Give the id, on the engine's machine, of the process that does the work; 0 while it is down."""
        if name not in self._made:
            return self._native.pid(name)
        container = self._container(name)
        container.reload()
        return int(container.attrs["State"]["Pid"])

    def kill(self, name: str) -> int:
        """Kill a program with SIGKILL, and start it again. Returns the id it had."""
        if name not in self._made:
            return self._native.kill(name)
        pid = self.pid(name)
        self._container(name).kill()
        self._container(name).start()
        return pid

    def stop(self, name: str) -> int:
        """Stop a program, gracefully within 30 s, until ``start``; returns its exit status in the end."""
        if name not in self._made:
            return self._native.stop(name)
        self._container(name).stop(timeout=30)
        return int(self._container(name).wait()["StatusCode"])

    def start(self, name: str) -> None:
        """Start a program that was stopped; see ``wait_ready``."""
        if name not in self._made:
            self._native.start(name)
        else:
            self._container(name).start()

    def freeze(self, name: str) -> None:
        """Have a program do nothing until ``thaw``: its connections stay, and nobody answers."""
        if name not in self._made:
            self._native.freeze(name)
        else:
            self._container(name).pause()

    def thaw(self, name: str) -> None:
        """Let a frozen program go on."""
        if name not in self._made:
            self._native.thaw(name)
        else:
            self._container(name).unpause()

    def end(self, *, patience: float = 0) -> int:
        """Remove the containers with all that they stored; returns how many there were, with processes."""
        for container in self._made.values():
            container.stop()
        return len(self._made) + self._native.end(patience=patience)

    def _container(self, name: str) -> Container:
        return self._made[name].get_wrapped_container()

    def log(self, name: str) -> str:
        """Give what a program has printed, which is kept in the stack's folder too."""
        if name in self._made:
            self.plan.log_file(name).write_bytes(self._container(name).logs())
        return super().log(name)

    def _service_environment(self, name: str) -> dict[str, str]:
        program = self.plan.program(name)
        ours = {key: value for key, value in self._environment.items() if key.startswith("FILEMILL_")}
        kept = {key: value for key, value in ours.items() if key not in program.without}
        return {**kept, **program.environment, "FILEMILL_STORAGE_ROOT": "/data"}


def confined(image: str, files: Path, **more: Any) -> DockerContainer:
    """Describe a confined container of a service's image, with a folder of this machine as its files."""
    container = DockerContainer(image).with_volume_mapping(str(files), "/data", "rw")
    container.tmpfs["/tmp"] = "mode=1777"  # noqa: S108 - in the container
    return container.with_kwargs(**CONFINED, **more)


def _container(plan: Plan, name: str, environment: dict[str, str]) -> DockerContainer:
    port = plan.ports[name]
    # Whoever dies by itself is started again, whoever was stopped is not: as the supervisor does it.
    again = {"restart_policy": {"Name": "always"}}
    image = IMAGES[service_of(name)]
    if name == "rabbitmq":
        others = {15672: plan.ports["management"], 15692: plan.ports["rabbitmq-metrics"]}
        return _published(image, {5672: port, **others}, again)
    if name == "mongod":
        # The same port inside, so that it finds itself under the address that its clients use.
        command = ["mongod", "--replSet", REPLICA_SET, "--bind_ip_all", "--port", str(port)]
        server = _published(image, {port: port}, again)
        return server.with_command([*command, "--wiredTigerCacheSizeGB", "0.5"])
    container = confined(image, plan.home / "files", network_mode="host", **again)
    if name == "mail":
        return container.with_command([str(plan.ports["smtp"]), str(port), "127.0.0.1"])
    return container.with_envs(**environment)


def _published(image: str, ports: dict[int, int], more: dict[str, Any]) -> DockerContainer:
    container = DockerContainer(image).with_kwargs(**more)
    for inside, outside in ports.items():
        # testcontainers takes a number, which is open to the network; docker-py takes an address as well.
        container.ports[f"{inside}/tcp"] = ("127.0.0.1", outside)  # type: ignore[assignment]
    return container
