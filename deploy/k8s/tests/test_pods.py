"""What runs in a pod finds what it needs, and may do nothing else."""

import importlib
import inspect
import json
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute
from pydantic_settings import BaseSettings

from deploy.k8s.tests.rendered import Pod, Rendered, size
from filemill_common.health import Health, router
from filemill_common.messaging.topology import POOLS
from filemill_common.runtime import STOP_WITHIN
from filemill_common.settings import read
from filemill_common.setup import SetupSettings
from filemill_gateway.settings import GatewaySettings
from filemill_notifier.settings import NotifierSettings
from filemill_scheduler.settings import SchedulerSettings
from filemill_worker.core.limits import Limits
from filemill_worker.settings import WorkerSettings

SETTINGS: Final[dict[str, type[BaseSettings]]] = {
    "gateway": GatewaySettings,
    "scheduler": SchedulerSettings,
    "worker": WorkerSettings,
    "notifier": NotifierSettings,
    "setup": SetupSettings,
}


def ours(rendered: Rendered) -> list[Pod]:
    """Pods of our own images."""
    return [pod for pod in rendered.pods() if pod.component in SETTINGS]


def variables(kind: type[BaseSettings]) -> set[str]:
    return {
        str(field.validation_alias or f"FILEMILL_{name.upper()}") for name, field in kind.model_fields.items()
    }


def settings(rendered: Rendered, pod: Pod, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read the settings as the process in a pod would."""
    for kind in SETTINGS.values():
        for name in variables(kind):
            monkeypatch.delenv(name, raising=False)
    for name, value in rendered.environment(pod).items():
        monkeypatch.setenv(name, value)
    return read(SETTINGS[pod.component])


class TestSettings:
    def test_are_there_for_every_pod(self, rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
        for pod in ours(rendered):
            found = settings(rendered, pod, monkeypatch)
            rabbit = found.rabbit_url.get_secret_value()
            assert (rabbit.hosts()[0]["host"] if hasattr(rabbit, "hosts") else rabbit.host) == "rabbitmq"
            assert rabbit.path == "/filemill"

    def test_are_all_of_use_to_somebody(self, rendered: Rendered) -> None:
        known = set().union(*map(variables, SETTINGS.values()))
        for pod in ours(rendered):
            given = {name for name in rendered.environment(pod) if name.startswith("FILEMILL_")}
            own = {each["name"] for each in pod.container["env"] if each["name"].startswith("FILEMILL_")}
            assert given <= known
            assert own <= variables(SETTINGS[pod.component])

    def test_hold_an_own_password_for_each_service_and_none_of_mongodb_for_a_worker(
        self, rendered: Rendered
    ) -> None:
        for pod in rendered.services():
            values = rendered.environment(pod)
            assert f"rabbitmq-{pod.component}.password" in values["FILEMILL_RABBIT_URL"]
            if pod.component == "worker":
                assert not [each for each in values.values() if "mongodb" in each]
            else:
                assert f"mongodb-{pod.component}.password" in values["FILEMILL_MONGO_URL"]

    def test_name_each_pool_once(self, rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
        workers = [pod for pod in rendered.services() if pod.component == "worker"]
        pools = [settings(rendered, pod, monkeypatch).worker_pools for pod in workers]
        assert sorted(pools) == sorted((pool,) for pool in POOLS)


class TestProbes:
    def test_ask_for_what_a_service_answers(self, rendered: Rendered) -> None:
        answered = {route.path for route in router(Health()).routes if isinstance(route, APIRoute)}
        for pod in rendered.services():
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = pod.container[probe]["httpGet"]
                path, _, query = asked["path"].partition("?")
                assert path in answered
                assert path == ("/healthz/ready" if probe == "readinessProbe" else "/healthz/live")
                assert asked["port"] == "http"
                for parameter in filter(None, query.split("&")):
                    name, _, check = parameter.partition("=")
                    main = importlib.import_module(f"filemill_{pod.component}.__main__").main
                    assert name == "exclude"
                    assert f'"{check}"' in inspect.getsource(main)

    def test_of_the_gateway_alone_let_it_be_without_its_store(self, rendered: Rendered) -> None:
        lenient = {
            pod.name
            for pod in rendered.services()
            if "?" in pod.container["readinessProbe"]["httpGet"]["path"]
        }
        assert lenient == {"gateway"}


class TestPorts:
    def test_are_where_a_service_listens(self, rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
        for pod in rendered.services():
            found = settings(rendered, pod, monkeypatch)
            assert pod.container["ports"] == [{"name": "http", "containerPort": found.http_port}]
            assert found.http_host == "0.0.0.0"


class TestStopping:
    def test_has_more_time_than_it_takes(self, rendered: Rendered) -> None:
        for pod in rendered.services():
            before = (
                pod.container.get("lifecycle", {})
                .get("preStop", {})
                .get("exec", {})
                .get("command", ["", "0"])
            )
            assert pod.spec["terminationGracePeriodSeconds"] >= int(before[1]) + STOP_WITHIN + 15


class TestWhatItMayUse:
    def test_is_said_for_every_container(self, rendered: Rendered) -> None:
        for pod in rendered.pods():
            resources = pod.container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in resources["limits"]

    def test_is_enough_for_the_programs_that_a_worker_starts(
        self, rendered: Rendered, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for pod in rendered.services():
            if pod.component == "worker" and pod.name != "worker-default":
                slots = sum(settings(rendered, pod, monkeypatch).slots().values())
                limits = pod.container["resources"]["limits"]
                assert size(limits["memory"]) >= slots * Limits().memory + 2**29
                assert scratch(pod) >= slots * Limits().file_size

    def test_of_the_disk_covers_its_folders(self, rendered: Rendered) -> None:
        for pod in ours(rendered):
            limit = size(pod.container["resources"]["limits"]["ephemeral-storage"])
            folders = [each["emptyDir"] for each in pod.spec["volumes"] if "emptyDir" in each]
            assert limit >= sum(size(each["sizeLimit"]) for each in folders)


def scratch(pod: Pod) -> int:
    [volume] = [each for each in pod.spec["volumes"] if each["name"] == "scratch"]
    return size(volume["emptyDir"]["sizeLimit"])


class TestFolders:
    def test_are_there_for_what_is_written(self, rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
        for pod in rendered.services():
            mounted = {each["mountPath"]: each["name"] for each in pod.container["volumeMounts"]}
            assert set(mounted.values()) == {each["name"] for each in pod.spec["volumes"]}
            wanted = {"/tmp"}
            found = settings(rendered, pod, monkeypatch)
            if pod.component in ("gateway", "worker"):
                wanted.add(str(found.storage_root))
            if pod.component == "worker":
                wanted.add(str(found.scratch_root))
            assert set(mounted) == wanted


class TestRestrictions:
    def test_hold_for_all_that_is_ours(self, rendered: Rendered) -> None:
        for pod in ours(rendered):
            context = pod.spec["securityContext"]
            assert context["runAsNonRoot"]
            assert context["runAsUser"] == context["fsGroup"] == 10001
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            own = pod.container["securityContext"]
            assert own["readOnlyRootFilesystem"]

    def test_of_the_restricted_profile_hold_for_all(self, rendered: Rendered) -> None:
        for pod in rendered.pods():
            assert pod.spec["securityContext"]["runAsNonRoot"]
            own = pod.container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()

    def test_are_given_up_for_workers_alone_where_bubblewrap_is_wanted(self, rendered: Rendered) -> None:
        open_ = {
            pod.component for pod in rendered.pods() if "seccompProfile" in pod.container["securityContext"]
        }
        bwrap = rendered.name.endswith("no-operators")
        assert open_ == ({"worker"} if bwrap else set())
        for pod in rendered.services():
            if pod.component == "worker":
                assert rendered.environment(pod)["FILEMILL_SANDBOX"] == ("bwrap" if bwrap else "pod")
        [namespace] = rendered.all("Namespace")
        profile = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        assert profile == ("privileged" if bwrap else "restricted")

    def test_leave_no_pod_a_token(self, rendered: Rendered) -> None:
        for pod in rendered.pods():
            assert pod.spec["automountServiceAccountToken"] is False
            assert pod.spec["enableServiceLinks"] is False
        for account in rendered.all("ServiceAccount"):
            assert account["automountServiceAccountToken"] is False


def test_slots_are_what_one_more_worker_is_started_for(prod: Rendered) -> None:
    slots = json.loads(prod.settings()["FILEMILL_WORKER_SLOTS"])

    assert slots.keys() == POOLS.keys()
    assert slots == {
        each["metadata"]["labels"]["filemill.io/pool"]: int(
            each["spec"]["triggers"][0]["metadata"]["threshold"]
        )
        for each in prod.all("ScaledObject")
    }
