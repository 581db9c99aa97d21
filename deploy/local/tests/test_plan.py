"""What a stack consists of, as values."""

import json
from configparser import RawConfigParser
from dataclasses import replace
from pathlib import Path

import pytest

from filemill_local.plan import PORTS, Plan, StackError, missing_packages, plan

HOME = Path("/home/me/.filemill")
CHOSEN = {
    "epmd": 20_001,
    "dist": 20_002,
    "management": 20_003,
    "rabbitmq-metrics": 20_004,
    "prometheus": 20_005,
}


def planned(*, monitored: bool = False, **environment: str) -> Plan:
    return plan(HOME, environment, chosen=CHOSEN, mongod="/lib/mongod", monitored=monitored)


class TestPorts:
    def test_without_settings_they_are_those_that_the_manual_names(self) -> None:
        assert planned().ports == {
            **CHOSEN,
            "gateway": 8080,
            "scheduler": 8081,
            "worker": 8082,
            "notifier": 8083,
            "smtp": 1025,
            "mail": 8025,
            "rabbitmq": 5679,
            "mongod": 27_079,
        }

    def test_the_other_services_follow_the_gateway(self) -> None:
        ports = planned(FILEMILL_GATEWAY_PORT="9000").ports

        assert [ports[name] for name in ("gateway", "scheduler", "worker", "notifier")] == [
            9000,
            9001,
            9002,
            9003,
        ]

    @pytest.mark.parametrize("port", ["", "0", "65536", "-1", "http", "80.5"])
    def test_only_an_empty_one_means_the_default_and_no_port_is_refused(self, port: str) -> None:
        if not port:
            assert planned(FILEMILL_SMTP_PORT=port).ports["smtp"] == 1025
            return

        with pytest.raises(StackError, match="FILEMILL_SMTP_PORT must be a port from 1 to 65535"):
            planned(FILEMILL_SMTP_PORT=port)

    def test_two_programs_on_one_port_are_refused(self) -> None:
        with pytest.raises(StackError, match="mail and scheduler would both listen on port 8025"):
            planned(FILEMILL_GATEWAY_PORT="8024")


class TestServersThatExist:
    def test_a_rabbitmq_that_exists_is_used_and_none_is_started(self) -> None:
        own = planned(FILEMILL_RABBIT_URL="amqps://me:secret@broker/")

        assert own.programs == ("mongod", "mail", "gateway", "scheduler", "worker", "notifier")
        assert own.program("worker").environment["FILEMILL_RABBIT_URL"] == "amqps://me:secret@broker/"

    def test_a_mongodb_that_exists_is_used_and_none_is_started(self) -> None:
        own = planned(FILEMILL_MONGO_URL="mongodb://db/")

        assert "mongod" not in own.programs
        assert own.program("gateway").environment["FILEMILL_MONGO_URL"] == "mongodb://db/"


class TestServices:
    def test_the_notifier_sends_to_the_catcher_and_may_reach_loopback(self) -> None:
        program = planned().program("notifier")

        assert program.command[1:] == ("-m", "filemill_notifier")
        assert program.environment == {
            "FILEMILL_RABBIT_URL": "amqp://guest:guest@127.0.0.1:5679/",
            "FILEMILL_MONGO_URL": "mongodb://127.0.0.1:27079/?replicaSet=filemill",
            "FILEMILL_STORAGE_ROOT": "/home/me/.filemill/files",
            "FILEMILL_HTTP_HOST": "127.0.0.1",
            "FILEMILL_HTTP_PORT": "8083",
            "FILEMILL_SMTP_HOST": "127.0.0.1",
            "FILEMILL_SMTP_PORT": "1025",
            "FILEMILL_SMTP_FROM": "filemill@localhost",
            "FILEMILL_ALLOWED_TARGETS": "127.0.0.0/8,::1/128",
        }

    def test_the_worker_has_no_database_address_not_even_the_callers(self) -> None:
        program = planned(FILEMILL_MONGO_URL="mongodb://me:secret@db/").program("worker")

        assert "FILEMILL_MONGO_URL" not in program.environment
        assert program.without == {"FILEMILL_MONGO_URL"}

    def test_another_command_may_run_in_a_services_place_and_environment(self) -> None:
        own = replace(planned(), commands={"worker": ("/bin/mine", "worker")})

        read_back = Plan.from_json(own.to_json())

        assert read_back.program("worker").command == ("/bin/mine", "worker")
        assert read_back.program("worker").environment == planned().program("worker").environment
        assert read_back.program("gateway") == planned().program("gateway")

    def test_a_second_replica_is_like_the_first_but_for_its_port(self) -> None:
        first = planned()
        own = replace(first, programs=(*first.programs, "worker-2"), ports={**first.ports, "worker-2": 9002})

        second = own.program("worker-2")

        assert second.environment == {**own.program("worker").environment, "FILEMILL_HTTP_PORT": "9002"}
        assert second.command == own.program("worker").command
        assert second.without == {"FILEMILL_MONGO_URL"}
        assert "notifier,worker-2" in own.files()[HOME / "run" / "supervisor.conf"]


class TestFiles:
    def test_the_plan_is_read_back_as_it_was(self) -> None:
        own = planned()

        assert Plan.from_json(own.files()[HOME / "run" / "stack.json"]) == own

    def test_rabbitmq_listens_on_loopback_alone(self) -> None:
        conf = planned().files()[HOME / "rabbitmq" / "rabbitmq.conf"]

        assert "listeners.tcp.1 = 127.0.0.1:5679\n" in conf
        assert "management.tcp.ip = 127.0.0.1\n" in conf
        assert "prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = 20004\n" in conf

    def test_each_program_is_started_for_ever_and_has_30_seconds_to_end(self) -> None:
        conf = RawConfigParser()
        conf.read_string(planned().files()[HOME / "run" / "supervisor.conf"])

        sections = {f"program:{name}": conf[f"program:{name}"] for name in planned().programs}
        assert set(sections) == {name for name in conf.sections() if name.startswith("program:")}
        assert {
            (section["startsecs"], section["autorestart"], section["stopwaitsecs"])
            for section in sections.values()
        } == {("0", "true", "30")}

    def test_a_home_with_odd_characters_is_quoted_for_the_supervisor(self) -> None:
        own = Plan.own_servers(
            Path("/a b/50%/it's"), ports=dict.fromkeys(PORTS, 1), mongod="", programs=("mongod",)
        )

        conf = own.files()[own.home / "run" / "supervisor.conf"]

        assert """filemill_local.launch '/a b/50%%/it'"'"'s' mongod\n""" in conf
        assert "directory=/a b/50%%/it's\n" in conf

    def test_a_home_too_long_for_a_socket_is_refused(self) -> None:
        with pytest.raises(StackError, match="FILEMILL_HOME has 101 characters"):
            plan(Path("/" + "x" * 100), {}, chosen=CHOSEN, mongod="")


class TestPrometheus:
    def test_is_part_of_it_where_it_is_installed_and_listens_on_loopback_alone(self) -> None:
        own = planned(monitored=True)

        command = own.program("prometheus").command
        assert "prometheus" not in planned().programs
        assert command[command.index("--web.listen-address") + 1] == "127.0.0.1:20005"
        assert own.doors()["Metrics"] == "http://127.0.0.1:20005"
        assert own.program("gateway").environment["FILEMILL_METRICS_URL"] == own.doors()["Metrics"]
        assert "[program:prometheus]" in own.files()[HOME / "run" / "supervisor.conf"]

    def test_looks_at_each_replica_and_at_each_queue_that_lasts(self) -> None:
        own = planned(monitored=True)
        own = replace(own, programs=(*own.programs, "worker-2"), ports={**own.ports, "worker-2": 9002})

        conf = json.loads(own.files()[HOME / "prometheus" / "prometheus.yml"])

        jobs = {job["job_name"]: job for job in conf["scrape_configs"]}
        assert jobs["worker"]["static_configs"] == [{"targets": ["127.0.0.1:8082", "127.0.0.1:9002"]}]
        assert jobs["rabbitmq-queues"]["params"]["family"] == ["queue_coarse_metrics", "queue_consumer_count"]
        assert jobs["rabbitmq-queues"]["metric_relabel_configs"][0]["regex"] == "amq\\.gen.*"
        assert Path(conf["rule_files"][0]).name == "rules.yaml"
        assert Path(conf["rule_files"][0]).is_file()

    def test_knows_nothing_of_a_broker_that_is_not_ours(self) -> None:
        own = planned(monitored=True, FILEMILL_RABBIT_URL="amqps://me:secret@broker/")

        conf = json.loads(own.files()[HOME / "prometheus" / "prometheus.yml"])

        assert [job["job_name"] for job in conf["scrape_configs"]] == [
            "gateway",
            "scheduler",
            "worker",
            "notifier",
        ]


class TestPackages:
    def test_what_is_missing_is_named_by_its_package(self) -> None:
        assert missing_packages(("epmd", "rabbitmq", "mongod"), ["/usr/bin/epmd"]) == ("rabbitmq-server",)
