"""What the Dockerfiles and compose.yaml say, held against the plan and the services' own settings."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from filemill_common.settings import Settings
from filemill_gateway.settings import GatewaySettings
from filemill_local.plan import SERVICES, plan
from filemill_notifier.settings import NotifierSettings
from filemill_scheduler.settings import SchedulerSettings
from filemill_worker.settings import WorkerSettings

ROOT: Final = Path(__file__).parents[3]
COMPOSE: Final = ROOT / "deploy" / "local" / "compose.yaml"
DOCKERFILES: Final = {name: ROOT / "services" / name / "Dockerfile" for name in SERVICES}
SETTINGS: Final[dict[str, type[Settings]]] = {
    "gateway": GatewaySettings,
    "scheduler": SchedulerSettings,
    "worker": WorkerSettings,
    "notifier": NotifierSettings,
}
PLAN: Final = plan(Path("/home/me"), {}, chosen={"epmd": 1, "dist": 2, "management": 3}, mongod="")


def said(dockerfile: Path, word: str) -> list[str]:
    """Give what follows an instruction, each time it is there; continued lines are one."""
    lines = re.sub(r"\\\n\s*", "", dockerfile.read_text()).splitlines()
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def environment(service: str) -> dict[str, str]:
    """Give the variables that an image sets by itself."""
    pairs = " ".join(said(DOCKERFILES[service], "ENV")).split()
    return dict(pair.split("=", 1) for pair in pairs)


def composed() -> dict[str, Any]:
    """Read compose.yaml as it is for somebody who sets no variable."""
    plain = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text())
    services: dict[str, Any] = yaml.safe_load(plain)["services"]
    return services


class TestAnImage:
    @pytest.mark.parametrize("service", SERVICES)
    def test_runs_its_service_as_nobody_and_tells_how_it_is(self, service: str) -> None:
        file = DOCKERFILES[service]

        assert said(file, "ENTRYPOINT") == [f'["python", "-m", "filemill_{service}"]']
        assert said(file, "USER") == ["10001:10001"]
        assert said(file, "EXPOSE") == [environment(service)["FILEMILL_HTTP_PORT"]]
        assert said(file, "EXPOSE") == [str(PLAN.ports[service])]
        assert said(file, "HEALTHCHECK")[0].endswith('CMD ["live"]')

    @pytest.mark.parametrize("service", SERVICES)
    def test_has_no_address_of_anything_and_a_base_that_can_be_chosen(self, service: str) -> None:
        file = DOCKERFILES[service]

        assert "://" not in file.read_text()
        assert said(file, "FROM") == ["${BASE} AS build", "${BASE}"]
        assert f"requirements/{service}.txt requirements/" in said(file, "COPY")

    def test_of_one_service_is_made_as_all_are(self) -> None:
        def made(service: str) -> list[str]:
            runs = [run.replace(service, "<name>") for run in said(DOCKERFILES[service], "RUN")]
            return [*runs[:3], runs[3].partition("/settle ")[2].partition("/settle")[1]]

        assert [made(service) for service in SERVICES] == [made("gateway")] * 4

    def test_of_a_worker_has_the_packages_of_its_flavour(self) -> None:
        flavours = {path.name: path.read_text() for path in (ROOT / "services/worker/flavours").iterdir()}
        packages = {name: re.sub(r"#.*", "", text).split() for name, text in flavours.items()}

        assert packages["media"] == ["ffmpeg", "bubblewrap"]
        assert all(re.fullmatch(r"[a-z0-9.+-]+", each) for names in packages.values() for each in names)
        assert environment("worker")["FILEMILL_SANDBOX"] == "pod"

    @pytest.mark.parametrize("name", ["rabbitmq", "mongod", "mail"])
    def test_for_trying_out_runs_as_somebody_too(self, name: str) -> None:
        file = ROOT / "deploy" / "local" / f"{name}.Dockerfile"

        assert said(file, "USER") == ["rabbitmq" if name == "rabbitmq" else "10001:10001"]
        assert "://" not in file.read_text()


class TestCompose:
    @pytest.mark.parametrize("service", SERVICES)
    def test_sets_all_that_a_service_needs(self, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**environment(service), **composed()[service]["environment"]}.items():
            monkeypatch.setenv(name, value)

        settings = SETTINGS[service]()

        assert settings.rabbit_url.get_secret_value().host == "rabbitmq"
        assert settings.http_port == PLAN.ports[service]

    def test_publishes_the_ports_of_the_embedded_stack_on_loopback_alone(self) -> None:
        published = [port for service in composed().values() for port in service.get("ports", ())]

        assert {port.rpartition(":")[0] for port in published} == {
            f"127.0.0.1:{port}" for name, port in PLAN.ports.items() if port > 3
        }

    def test_confines_what_is_ours(self) -> None:
        ours = {name: each for name, each in composed().items() if name not in {"rabbitmq", "mongod"}}

        for each in ours.values():
            assert each["read_only"] is True
            assert each["cap_drop"] == ["ALL"]
            assert each["security_opt"] == ["no-new-privileges:true"]

    def test_shows_the_worker_no_way_to_the_database(self) -> None:
        assert "mongo" not in json.dumps(composed()["worker"])
        assert composed()["worker"]["networks"] == ["work"]
        assert "networks" not in composed()["mongod"]

    def test_names_images_that_others_can_replace(self) -> None:
        images = [service["image"] for service in yaml.safe_load(COMPOSE.read_text())["services"].values()]

        assert all("${FILEMILL_" in image for image in images)


class TestTheContext:
    def test_of_a_build_has_no_tests_and_no_addresses(self) -> None:
        ignored = (ROOT / ".dockerignore").read_text().splitlines()

        assert "*" in ignored
        assert "**/tests" in ignored
