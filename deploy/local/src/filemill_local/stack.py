"""An embedded stack: one home, a supervisor, real servers and the services."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from filemill_local import ports, servers, supervisor
from filemill_local.plan import (
    CHOSEN,
    MONITORING,
    PORTS,
    PROGRAMS,
    RULES,
    Plan,
    StackError,
    missing_packages,
    plan,
)
from filemill_local.watching import PROMETHEUS
from filemill_local.words import last_words

SERVERS: Final = ("epmd", "rabbitmq", "mongod")

_DEADLINE: Final = 120.0
_STARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Row:
    """How one program is.

    Attributes:
        name: Its name.
        pid: Its process id, 0 while it is down.
        state: ``ready``, ``not ready`` or ``down``.
        address: Where it listens.
    """

    name: str
    pid: int
    state: str
    address: str


class Stack:
    """One stack on this machine; all it keeps lies in the home of its plan.

    Attributes:
        plan: What it consists of.
    """

    def __init__(self, plan: Plan, environment: Mapping[str, str], *, tied: bool = False) -> None:
        """Describe a stack; nothing starts yet.

        Args:
            plan: What it consists of.
            environment: What all its programs inherit.
            tied: Whether it ends with the calling thread, however that ends.
        """
        self.plan = plan
        self._environment = environment
        self._tied = tied
        self._supervisor: subprocess.Popen[bytes] | None = None

    @classmethod
    def asked_for(cls, home: Path, environment: Mapping[str, str]) -> Self:
        """Describe the stack that an environment asks for.

        Raises:
            StackError: The environment asks for what cannot be.
        """
        chosen = ports.choose(CHOSEN)
        mongod, monitored = servers.mongod_binary(), Path(PROMETHEUS).exists()
        own = plan(home, environment, chosen=chosen, mongod=mongod, monitored=monitored)
        return cls(own, environment)

    @classmethod
    def in_home(cls, home: Path, environment: Mapping[str, str]) -> Self | None:
        """Find the stack that was started last in a home, if there ever was one."""
        try:
            text = (home / "run" / "stack.json").read_text()
        except FileNotFoundError:
            return None
        return cls(Plan.from_json(text), environment)

    @classmethod
    @contextmanager
    def temporary(
        cls,
        programs: Sequence[str] = PROGRAMS,
        *,
        commands: Mapping[str, Sequence[str]] | None = None,
        settled: Mapping[str, int] | None = None,
        rules: str = str(RULES),
        scraped_every: str = "5s",
        **environment: str,
    ) -> Iterator["Stack"]:
        """Run a stack in a folder and on ports of its own, and leave nothing of it.

        Any number may run at the same time, beside a stack of ``make up``. It ends with the
        block, and also if the calling process is killed.

        With ``FILEMILL_TEST_CONTAINERS`` its programs run in containers (see ``ContainedStack``).

        Args:
            programs: What to run of it; ``SERVERS`` for RabbitMQ and MongoDB alone; see ``Plan``.
            commands: What to run for a service in place of its own program, by its name.
            settled: Ports that are chosen already, by name, for who must know them before the start.
            rules: Path of what Prometheus goes by, if it is among the programs.
            scraped_every: How often it looks.
            **environment: Variables for its programs beside those of this process.
        """
        home = Path(tempfile.mkdtemp(prefix="filemill-"))
        own = Plan.own_servers(
            home,
            ports={**ports.choose(dict.fromkeys((*PORTS, *programs))), **(settled or {})},
            mongod=servers.mongod_binary(),
            programs=programs,
            commands=commands,
        )
        own = replace(own, rules=rules, scraped_every=scraped_every)
        kind: type[Stack] = cls
        if os.environ.get("FILEMILL_TEST_CONTAINERS"):
            from filemill_local.containers import ContainedStack  # noqa: PLC0415 - it is one of these

            kind = ContainedStack
        stack = kind(own, {**os.environ, **environment}, tied=True)
        try:
            stack.up()
            yield stack
        finally:
            stack.end(patience=0)
            shutil.rmtree(home)

    def up(self) -> bool:
        """Start all and wait until it is ready.

        Returns:
            False if it was up already.

        Raises:
            StackError: A package is missing, a port is taken, a program ends again and again,
                or not all was ready within two minutes. Nothing is left running then.
        """
        with self._alone():
            if supervisor.running(self.plan):
                self.plan = Plan.from_json(self.plan.state_file.read_text())
                self.wait_ready(*self.plan.programs)
                return False
            self.end()  # what a killed supervisor left
            self._check()
            self._write_files()
            self._supervisor = supervisor.start(self.plan, self._environment, tied=self._tied)
            try:
                self.wait_ready(*self.plan.programs)
            except BaseException:
                self.end(patience=5)
                raise
            return True

    def down(self) -> int:
        """End all processes; what they stored stays.

        Returns:
            How many there were.
        """
        with self._alone():
            return self.end()

    def is_ready(self, name: str) -> bool:
        """Tell whether a program does its work."""
        port = self.plan.ports[name]
        match name:
            case "epmd":
                return servers.accepts(port)
            case "rabbitmq":
                return servers.rabbit_is_ready(port)
            case "mongod":
                return servers.accepts(port) and servers.mongod_is_ready(port)
            case "mail":
                return servers.answers_200(f"http://127.0.0.1:{port}/messages")
            case "prometheus":
                return servers.answers_200(f"http://127.0.0.1:{port}/-/ready")
            case _:
                return servers.answers_200(f"http://127.0.0.1:{port}/healthz/ready")

    def wait_ready(self, *names: str) -> None:
        """Wait until programs do their work.

        Raises:
            StackError: One ended three times meanwhile, or two minutes were not enough.
        """
        deadline = time.monotonic() + _DEADLINE
        pids: dict[str, set[int]] = {name: set() for name in names}
        while waiting := [name for name in names if not self.is_ready(name)]:
            for name in waiting:
                pids[name] |= {self.pid(name)} - {0}
                if len(pids[name]) >= _STARTS:
                    raise StackError(f"{name} ends as soon as it starts. {self._last_words(name)}")
            if self._supervisor is not None and self._supervisor.poll() is not None:
                raise StackError(f"The supervisor ended. {self._last_words('supervisor')}")
            if time.monotonic() > deadline:
                late = ", ".join(waiting)
                raise StackError(f"Not ready in two minutes: {late}. {self._last_words(waiting[0])}")
            time.sleep(0.1)

    def status(self) -> tuple[Row, ...]:
        """Look at each program."""
        running = supervisor.running(self.plan)
        return tuple(self._row(name, running.get(name)) for name in self.plan.programs)

    def pid(self, name: str) -> int:
        """Give the id of the process that does a program's work, 0 if it never started."""
        try:
            return int(self.plan.pid_file(name).read_text() or 0)
        except FileNotFoundError:
            return 0

    def kill(self, name: str) -> int:
        """Kill a program with SIGKILL; the supervisor starts it again. Returns the id it had."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def freeze(self, name: str) -> None:
        """Have a program do nothing until ``thaw``: its connections stay, and nobody answers."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen program go on."""
        os.kill(self.pid(name), signal.SIGCONT)

    def stop(self, name: str) -> int:
        """Stop a program, gracefully within 30 s, until ``start``; returns its exit status in the end."""
        supervised = self._supervised(name)
        supervisor.call(self.plan, "stopProcess", supervised)
        ended = supervisor.call(self.plan, "getProcessInfo", supervised)
        assert isinstance(ended, dict)  # noqa: S101 - its documented type
        return int(ended["exitstatus"])

    def start(self, name: str) -> None:
        """Start a program that was stopped; see ``wait_ready``."""
        supervisor.call(self.plan, "startProcess", self._supervised(name))

    def _row(self, name: str, running: supervisor.Running | None) -> Row:
        address = self.plan.address(name)
        if running is None or not running.pid:
            return Row(name, 0, "down", address)
        return Row(name, running.pid, "ready" if self.is_ready(name) else "not ready", address)

    def end(self, *, patience: float = supervisor.PATIENCE) -> int:
        """End all processes, after ``patience`` seconds by SIGKILL; returns how many there were."""
        ended = supervisor.end(self.plan.home, patience=patience)
        if self._supervisor is not None:
            self._supervisor.wait()
        return ended

    def _supervised(self, name: str) -> str:
        found = supervisor.running(self.plan).get(name)
        if found is None:
            raise StackError(f"{name} is not a part of the stack in {self.plan.home}, or it is down.")
        return f"{found.group}:{name}"

    def _check(self) -> None:
        needed = ("/usr/bin/epmd", "/usr/lib/rabbitmq/bin/rabbitmq-server")
        present = [path for path in needed if Path(path).exists()]
        if missing := missing_packages(self.plan.programs, present):
            raise StackError(f"Packages are missing: apt-get install {' '.join(missing)}.")
        for name in self.plan.programs:
            for port in self.plan.listens_on(name):
                if reason := ports.obstacle(port):
                    raise StackError(f"Port {port} is not to be had for {name}: {reason}.")

    def _write_files(self) -> None:
        for folder in ("files", "log", "run", "rabbitmq", "mongod", MONITORING):
            (self.plan.home / folder).mkdir(parents=True, exist_ok=True)
        for stale in (self.plan.home / "run").glob("*.pid"):
            stale.unlink()
        for path, text in self.plan.files().items():
            path.touch(mode=0o600)  # an address of existing servers may hold a password
            path.write_text(text)

    def log(self, name: str) -> str:
        """Give what a program has printed; nothing if it never ran."""
        file = self.plan.log_file(name)
        return file.read_text(errors="replace") if file.exists() else ""

    def _last_words(self, name: str) -> str:
        words = last_words(self.log(name)[-100_000:])
        return "\n".join((f"Its log {self.plan.log_file(name)} ends with:", *words))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other callers away from this home, so that two do not start one stack."""
        self.plan.home.mkdir(parents=True, exist_ok=True)
        with (self.plan.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
