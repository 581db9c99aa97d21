"""What an embedded stack consists of: its folders, ports, programs and configuration, as values.

Nothing here touches the machine, so what would run can be read and tested without running it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

from filemill_common.errors import FilemillError
from filemill_local import watching

SERVICES: Final = ("gateway", "scheduler", "worker", "notifier")
PROGRAMS: Final = ("epmd", "rabbitmq", "mongod", "mail", *SERVICES)
MONITORING: Final = "prometheus"
PORTS: Final = (
    *("epmd", "dist", "management", "rabbitmq-metrics", "rabbitmq", "mongod", "smtp", "mail"),
    *(MONITORING, *SERVICES),
)
CHOSEN: Final = ("epmd", "dist", "management", "rabbitmq-metrics", MONITORING)
"""What has a port of no setting of its own; each home keeps others."""
REPLICA_SET: Final = "filemill"

# A Unix socket's path has room for 107; this leaves some for its name and a suffix.
_LONGEST_HOME: Final = 70

RULES: Final = Path(__file__).parents[3] / "observability" / "rules.yaml"
_RABBIT: Final = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_PACKAGES: Final = {"epmd": ("/usr/bin/epmd", "erlang-base"), "rabbitmq": (_RABBIT, "rabbitmq-server")}
_FIXED: Final = {
    "gateway": ("FILEMILL_GATEWAY_PORT", 8080),
    "smtp": ("FILEMILL_SMTP_PORT", 1025),
    "mail": ("FILEMILL_MAIL_PORT", 8025),
    "rabbitmq": ("FILEMILL_RABBIT_PORT", 5679),
    "mongod": ("FILEMILL_MONGO_PORT", 27079),
}


class StackError(FilemillError):
    """The embedded stack cannot do what it was asked; the sentence says why."""

    code = "stack"


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised program.

    Attributes:
        command: The program and its arguments, one item each.
        environment: What it has beside, or instead of, the caller's own environment.
        without: Names that are taken out of the caller's environment.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """One embedded stack.

    Attributes:
        home: Absolute path of the folder that holds all it keeps.
        programs: Names of what runs, out of ``PROGRAMS``; a further replica of a service has a number behind
            its name, as in ``worker-2``.
        ports: A port on loopback for each name in ``PORTS``, and for each further replica.
        rabbit_url: Where the services find RabbitMQ.
        mongo_url: Where they find MongoDB.
        mongod: Path of the mongod binary.
        commands: What is run for a service in place of its own program, by its name.
        rules: Path of the rules that Prometheus goes by.
        scraped_every: How often it looks, as it writes it.
        elsewhere: Names of what somebody else runs on these ports; it is looked at all the same.
    """

    home: Path
    programs: tuple[str, ...]
    ports: Mapping[str, int]
    rabbit_url: str
    mongo_url: str
    mongod: str
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rules: str = str(RULES)
    scraped_every: str = "5s"
    elsewhere: tuple[str, ...] = ()

    @classmethod
    def own_servers(
        cls,
        home: Path,
        *,
        ports: Mapping[str, int],
        mongod: str,
        programs: Sequence[str] = PROGRAMS,
        commands: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Plan a stack that brings its own RabbitMQ and MongoDB."""
        return cls(
            home,
            tuple(programs),
            ports,
            f"amqp://guest:guest@127.0.0.1:{ports['rabbitmq']}/",
            f"mongodb://127.0.0.1:{ports['mongod']}/?replicaSet={REPLICA_SET}",
            mongod,
            commands or {},
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        fields = json.loads(text)
        names = {name: tuple(fields[name]) for name in ("programs", "elsewhere")}
        return cls(**{**fields, **names, "home": Path(fields["home"])})

    def to_json(self) -> str:
        """Write it down for the processes that come later."""
        return json.dumps({**asdict(self), "home": str(self.home)}, indent=2)

    @property
    def state_file(self) -> Path:
        """Where the plan itself is kept."""
        return self.home / "run" / "stack.json"

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.home / "run" / "supervisor.sock"

    def log_file(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.home / "log" / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        """Where the id of the process that does the work stands, rewritten at each start."""
        return self.home / "run" / f"{name}.pid"

    def address(self, name: str) -> str:
        """What to type to reach a program."""
        port = self.ports[name]
        match name:
            case "rabbitmq":
                return self.rabbit_url
            case "mongod":
                return self.mongo_url
            case "epmd":
                return f"127.0.0.1:{port}"
            case _:
                return f"http://127.0.0.1:{port}"

    def doors(self) -> dict[str, str]:
        """Give what people want to open, by name."""
        gateway = self.address("gateway")
        doors = {
            "Page": gateway,
            "API": f"{gateway}/docs",
            "Mail": self.address("mail"),
            "Files": str(self.home / "files"),
        }
        return doors | ({"Metrics": self.address(MONITORING)} if MONITORING in self.programs else {})

    def listens_on(self, name: str) -> tuple[int, ...]:
        """Name the ports that a program needs free before it starts."""
        names = {
            "rabbitmq": ("rabbitmq", "dist", "management", "rabbitmq-metrics"),
            "mail": ("mail", "smtp"),
        }
        return tuple(self.ports[port] for port in names.get(name, (name,)))

    def program(self, name: str) -> Program:
        """Say how a program is started."""
        match name:
            case "epmd":
                port = str(self.ports["epmd"])
                return Program(("/usr/bin/epmd", "-address", "127.0.0.1", "-port", port), {})
            case "rabbitmq":
                return Program((_RABBIT,), self._rabbit_environment())
            case "mongod":
                return Program(self._mongod_command(), {})
            case "mail":
                ports = (str(self.ports["smtp"]), str(self.ports["mail"]))
                return Program((sys.executable, "-m", "filemill_local.catcher", *ports), {})
            case "prometheus":
                return Program(watching.command(self.home, self.ports[MONITORING]), {})
            case _:
                # The worker holds no database credentials, not even those of the caller.
                return Program(
                    tuple(self.commands.get(name, (sys.executable, "-m", f"filemill_{service_of(name)}"))),
                    self._service_environment(name),
                    without=frozenset({"FILEMILL_MONGO_URL"} if service_of(name) == "worker" else ()),
                )

    def _service_environment(self, name: str) -> dict[str, str]:
        environment = {
            "FILEMILL_RABBIT_URL": self.rabbit_url,
            "FILEMILL_STORAGE_ROOT": str(self.home / "files"),
            "FILEMILL_HTTP_HOST": "127.0.0.1",
            "FILEMILL_HTTP_PORT": str(self.ports[name]),
        }
        if service_of(name) != "worker":
            environment["FILEMILL_MONGO_URL"] = self.mongo_url
        if service_of(name) == "gateway" and MONITORING in self.programs:
            environment["FILEMILL_METRICS_URL"] = self.address(MONITORING)
        if service_of(name) == "notifier":
            environment |= {
                "FILEMILL_SMTP_HOST": "127.0.0.1",
                "FILEMILL_SMTP_PORT": str(self.ports["smtp"]),
                "FILEMILL_SMTP_FROM": "filemill@localhost",
                "FILEMILL_ALLOWED_TARGETS": "127.0.0.0/8,::1/128",
            }
        return environment

    def _mongod_command(self) -> tuple[str, ...]:
        return (
            self.mongod, "--dbpath", str(self.home / "mongod"),
            "--bind_ip", "127.0.0.1", "--port", str(self.ports["mongod"]), "--nounixsocket",
            "--replSet", REPLICA_SET, "--wiredTigerCacheSizeGB", "0.5",
            "--setParameter", "diagnosticDataCollectionEnabled=false",
        )  # fmt: skip

    def _prometheus_conf(self) -> str:
        watched = (*self.programs, *self.elsewhere)
        services = {
            service: [self.ports[name] for name in watched if service_of(name) == service]
            for service in SERVICES
        }
        broker = self.ports["rabbitmq-metrics"] if "rabbitmq" in watched else None
        return watching.configuration(services, broker=broker, rules=self.rules, every=self.scraped_every)

    def _rabbit_environment(self) -> dict[str, str]:
        folder = self.home / "rabbitmq"
        return {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": "filemill@localhost",
            "RABBITMQ_DIST_PORT": str(self.ports["dist"]),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            # The system's own broker may be configured there; this one is not it.
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Without a short busy wait Erlang's threads wake each other through the kernel for
            # each file they read: a start of 24 s instead of 7 s on a small virtual machine.
            "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "short",
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # Its start script then becomes the broker instead of waiting beside it, so that
            # the id written before is the broker's and SIGTERM reaches it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def files(self) -> dict[Path, str]:
        """Give the configuration files to write before the start, by path."""
        rabbit = self.home / "rabbitmq"
        return {
            self.state_file: self.to_json(),
            self.home / "run" / "supervisor.conf": self._supervisor_conf(),
            self.home / "prometheus" / "prometheus.yml": self._prometheus_conf(),
            rabbit / "enabled_plugins": "[rabbitmq_management,rabbitmq_prometheus].\n",
            rabbit / "rabbitmq.conf": (
                f"listeners.tcp.1 = 127.0.0.1:{self.ports['rabbitmq']}\n"
                f"management.tcp.ip = 127.0.0.1\n"
                f"management.tcp.port = {self.ports['management']}\n"
                f"management_agent.disable_metrics_collector = true\n"
                f"prometheus.tcp.ip = 127.0.0.1\n"
                f"prometheus.tcp.port = {self.ports['rabbitmq-metrics']}\n"
                f"log.console = true\n"
                f"log.file = false\n"
            ),
        }

    def _supervisor_conf(self) -> str:
        """Write the supervisor's configuration.

        Groups stop one after the other, the last one first: services, servers, epmd.
        ``startsecs=0`` with ``autorestart`` is the one setting under which the supervisor
        starts again for ever; its own back-off grows and ends in giving up.
        """
        groups = {
            "epmd": ("epmd",),
            "servers": ("rabbitmq", "mongod"),
            "services": (
                *("mail", MONITORING),
                *(name for name in self.programs if service_of(name) in SERVICES),
            ),
        }
        run = _escaped(self.home / "run")
        parts = [
            f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
            f"pidfile={run}/supervisor.pid\n",
            f"[unix_http_server]\nfile={run}/supervisor.sock\nchmod=0700\n",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
        ]
        for priority, (group, members) in enumerate(groups.items()):
            names = [name for name in members if name in self.programs]
            if names:
                parts.append(f"[group:{group}]\nprograms={','.join(names)}\npriority={priority}\n")
            parts.extend(self._supervisor_section(name) for name in names)
        return "\n".join(parts)

    def _supervisor_section(self, name: str) -> str:
        python, home = _quoted(sys.executable), _quoted(self.home)
        return (
            f"[program:{name}]\n"
            f"command={python} -m filemill_local.launch {home} {name}\n"
            f"directory={_escaped(self.home)}\n"
            f"startsecs=0\nautorestart=true\nstopwaitsecs=30\n"
            f"stopasgroup=false\nkillasgroup=true\nredirect_stderr=true\n"
            f"stdout_logfile={_escaped(self.log_file(name))}\n"
            f"stdout_logfile_maxbytes=20MB\nstdout_logfile_backups=1\n"
        )


def service_of(program: str) -> str:
    """Tell which service a replica is one of."""
    return program.partition("-")[0]


def plan(
    home: Path,
    environment: Mapping[str, str],
    *,
    chosen: Mapping[str, int],
    mongod: str,
    monitored: bool = False,
) -> Plan:
    """Plan the stack that an environment asks for.

    Args:
        home: Absolute folder of the stack.
        environment: The caller's; see ``FILEMILL_*_PORT`` and ``FILEMILL_*_URL``.
        chosen: Free ports for what has none of its own, by the names in ``CHOSEN``.
        mongod: Path of the mongod binary.
        monitored: Whether Prometheus is installed, and so is part of it.

    Raises:
        StackError: A port is no number from 1 to 65535, two programs would share one, or the
            path of the home is too long.
    """
    if len(str(home)) > _LONGEST_HOME:
        raise StackError(
            f"FILEMILL_HOME has {len(str(home))} characters; for its Unix socket it may have {_LONGEST_HOME}."
        )
    ports = dict(chosen)
    for name, (variable, default) in _FIXED.items():
        ports[name] = _port(variable, environment.get(variable) or str(default))
    for offset, name in enumerate(SERVICES):
        ports[name] = ports["gateway"] + offset
    names: dict[int, str] = {}
    for name, port in ports.items():
        if port in names:
            raise StackError(f"{names[port]} and {name} would both listen on port {port}.")
        names[port] = name

    programs = (*PROGRAMS, MONITORING) if monitored else PROGRAMS
    own = Plan.own_servers(home, ports=ports, mongod=mongod, programs=programs)
    rabbit_url, mongo_url = (environment.get(f"FILEMILL_{x}_URL") for x in ("RABBIT", "MONGO"))
    left_out = {*(("epmd", "rabbitmq") if rabbit_url else ()), *(("mongod",) if mongo_url else ())}
    return Plan(
        home,
        tuple(name for name in own.programs if name not in left_out),
        ports,
        rabbit_url or own.rabbit_url,
        mongo_url or own.mongo_url,
        mongod,
    )


def missing_packages(programs: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
    """Name the distribution packages that programs need; ``present`` are files that are there."""
    needed = (_PACKAGES[name] for name in programs if name in _PACKAGES)
    return tuple(package for path, package in needed if path not in present)


def _port(variable: str, text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 65_535:
        return int(text)
    raise StackError(f"{variable} must be a port from 1 to 65535, not {text!r}.")


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _quoted(path: Path | str) -> str:
    """Quote for the supervisor, which splits a command as a shell would."""
    return "'" + str(path).replace("%", "%%").replace("'", "'\"'\"'") + "'"
