"""Objects that kustomize rendered, and short words for what tests ask of them."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parents[1]
BUILDS: Final = (
    "overlays/dev",
    "overlays/staging",
    "overlays/prod",
    "tests/combinations/no-operators",
    "tests/combinations/watched",
)
KUBECTL: Final = Path(sys.executable).with_name("kubectl")

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """What a Deployment, StatefulSet or Job makes pods of."""

    owner: Manifest

    @property
    def name(self) -> str:
        name: str = self.owner["metadata"]["name"]
        return name

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.owner["spec"]["template"]["metadata"]["labels"]
        return labels

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def spec(self) -> Manifest:
        spec: Manifest = self.owner["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Manifest:
        """The only container."""
        [container] = self.spec["containers"]
        return dict(container)


@dataclass(frozen=True, slots=True)
class Rendered:
    """All objects of one build."""

    name: str
    objects: tuple[Manifest, ...]

    def all(self, *kinds: str) -> tuple[Manifest, ...]:
        return tuple(each for each in self.objects if each["kind"] in kinds)

    def names(self, kind: str) -> set[str]:
        return {each["metadata"]["name"] for each in self.all(kind)}

    def one(self, kind: str, name: str) -> Manifest:
        [found] = [each for each in self.all(kind) if each["metadata"]["name"] == name]
        return found

    def settings(self) -> dict[str, str]:
        """Give what all services are told."""
        [found] = [each["data"] for each in self.all("ConfigMap") if "FILEMILL_TOPOLOGY" in each["data"]]
        return dict(found)

    def pods(self) -> tuple[Pod, ...]:
        return tuple(Pod(each) for each in self.all("Deployment", "StatefulSet", "Job"))

    def services(self) -> tuple[Pod, ...]:
        """Pods of Filemill's own services."""
        return tuple(Pod(each) for each in self.all("Deployment"))

    def environment(self, pod: Pod) -> dict[str, str]:
        """Give the environment that kubelet makes; what comes from a Secret is its name and key.

        ``$(NAME)`` stands for what stands above it among the same container's ``env``, and for nothing else.
        """
        found: dict[str, str] = {}
        for source in pod.container.get("envFrom", ()):
            found |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        above: dict[str, str] = {}
        for each in pod.container.get("env", ()):
            if not each.get("valueFrom", {}).get("secretKeyRef", {}).get("optional"):
                above[each["name"]] = self._value(pod, each, above)
        return found | above

    def _value(self, pod: Pod, variable: Manifest, above: Mapping[str, str]) -> str:
        if "value" in variable:
            return re.sub(r"\$\((\w+)\)", lambda match: above[match[1]], variable["value"])
        source = variable["valueFrom"]
        if "fieldRef" in source:
            [label] = re.findall(r"metadata\.labels\['(.+)'\]", source["fieldRef"]["fieldPath"])
            return pod.labels[label]
        secret = source["secretKeyRef"]
        return f"{secret['name']}.{secret['key']}"

    def secrets(self) -> Iterator[tuple[str, str]]:
        """Give the Secrets that must be given, with their keys."""
        for pod in self.pods():
            for variable in pod.container.get("env", ()):
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    reference = variable["valueFrom"]["secretKeyRef"]
                    yield reference["name"], reference["key"]
            for volume in pod.spec.get("volumes", ()):
                for source in volume.get("projected", {}).get("sources", ()):
                    yield from ((source["secret"]["name"], item["key"]) for item in source["secret"]["items"])
        for user in self.all("User"):
            name = user["spec"]["importCredentialsSecret"]["name"]
            yield from ((name, "username"), (name, "password"))
        for mongodb in self.all("MongoDBCommunity"):
            yield from ((user["passwordSecretRef"]["name"], "password") for user in mongodb["spec"]["users"])


@cache
def render(build: str) -> Rendered:
    """Render one build by the kubectl of this environment."""
    command = [str(KUBECTL), "kustomize", str(HERE / build)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Rendered(build, tuple(each for each in yaml.safe_load_all(text) if each))


def size(quantity: str) -> int:
    """Tell how many bytes a quantity is."""
    units = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    return int(quantity[:-2]) * units[quantity[-2:]]
