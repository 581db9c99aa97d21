"""Checks what kustomize makes of deploy/k8s against schemas and by checkov; no API server is asked.

Run by the Python of .venv-k8s (``make lint-k8s``), with the path of a kubectl of 1.27 or newer: older ones
have no kustomize 5.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus
from pydantic import BaseModel, ValidationError

HERE: Final = Path(__file__).parent
VERSIONS: Final = ("1.33", "1.35", "1.37")
OLDEST_KUBECTL: Final = 27

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "keda.sh/v1alpha1/ScaledObject": keda.ScaledObject,
    "monitoring.coreos.com/v1/PodMonitor": prometheus.PodMonitor,
    "monitoring.coreos.com/v1/PrometheusRule": prometheus.PrometheusRule,
}
"""Kinds for which a package has their schema."""

SHAPES: Final[Mapping[str, Any]] = yaml.safe_load((HERE / "shapes.yaml").read_text())
"""Kinds for which none has; the part that we use, written by hand."""

EXCEPTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "CKV_K8S_11": (
        "",
        "without a limit of processor time a program uses what nobody needs; requests share it out",
    ),
    "CKV_K8S_15": ("", "a tag is written once, and never moved to another image"),
    "CKV_K8S_22": ("StatefulSet.", "servers for trying out write where their images say"),
    "CKV_K8S_35": (
        "",
        "settings are read from the environment; no other process runs in a service's container",
    ),
    "CKV_K8S_40": ("StatefulSet.", "servers for trying out have their images' users"),
    "CKV_K8S_43": ("", "a digest is the registry's own; an overlay of yours may name it"),
}
"""What checkov asks for in vain: the beginning of the names it is about, and why."""

Manifest = dict[str, Any]


def main(kubectl: str) -> int:
    """Print what is wrong, and tell how many faults there are."""
    problem = unfit(kubectl)
    if problem:
        sys.stdout.write(f"{problem}\n")
        return 1
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted([*HERE.glob("overlays/*"), *HERE.glob("tests/combinations/*")]):
            text = subprocess.run(  # noqa: S603 - what make names
                [kubectl, "kustomize", str(source)], check=True, capture_output=True, text=True
            ).stdout
            (Path(folder) / f"{source.name}.yaml").write_text(text)
            manifests = [each for each in yaml.safe_load_all(text) if each]
            found = [fault for manifest in manifests for fault in schema_faults(manifest)]
            faults += (f"{source.name}: {fault}" for fault in found)
            sys.stdout.write(f"{source.name}: {len(manifests)} objects, {len(found)} against their schemas\n")
        faults += checkov_faults(folder)
    for fault in faults:
        sys.stdout.write(f"  {fault}\n")
    return min(len(faults), 1)


def unfit(kubectl: str) -> str:
    """Say why a kubectl cannot be used; nothing if it can."""
    needed = f"kubectl of 1.{OLDEST_KUBECTL} or newer is needed, for its kustomize"
    try:
        asked = subprocess.run(  # noqa: S603 - what make names
            [kubectl, "version", "--client", "--output", "json"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{needed}: {error}"
    version = json.loads(asked.stdout)["clientVersion"]
    minor = int(version["minor"].rstrip("+"))
    return "" if minor >= OLDEST_KUBECTL else f"{needed}; {kubectl} is {version['gitVersion']}"


def schema_faults(manifest: Manifest) -> Iterator[str]:
    """Say what is wrong with an object; a kind that nobody knows is wrong too."""
    kind = f"{manifest['apiVersion']}/{manifest['kind']}"
    where = f"{manifest['kind']} {manifest['metadata']['name']}"
    if kind in MODELS:
        try:
            MODELS[kind].model_validate(manifest, extra="forbid")
        except ValidationError as error:
            yield f"{where}: {error}"
    elif kind in SHAPES:
        for fault in jsonschema.Draft202012Validator(SHAPES[kind]).iter_errors(manifest["spec"]):
            yield f"{where}: {fault.json_path}: {fault.message}"
        for template in pod_templates(manifest["spec"]):
            yield from core_faults(where, template)
    else:
        yield from core_faults(where, manifest)


def pod_templates(spec: Manifest) -> Iterator[Manifest]:
    """Give what an operator shall put into pods, as objects whose schema is known."""
    for owner in (spec, spec.get("override", {})):
        if "statefulSet" in owner:
            template = owner["statefulSet"]["spec"]["template"]
            yield {
                "apiVersion": "v1",
                "kind": "PodTemplate",
                "metadata": {"name": "any"},
                "template": template,
            }


def core_faults(where: str, manifest: Manifest) -> Iterator[str]:
    """Say what is wrong with an object of Kubernetes itself."""
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{where}: Kubernetes {version} knows no {manifest['apiVersion']} {manifest['kind']}"
        except kubernetes_validate.ValidationError as error:
            yield f"{where}: Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"


def checkov_faults(folder: str) -> Iterator[str]:
    """Say what checkov asks for, but for the exceptions; and which of these are of no use any more."""
    command = [str(Path(sys.executable).with_name("checkov")), "--directory", folder]
    command += ["--framework", "kubernetes", "--output", "json", "--quiet", "--skip-download"]
    ran = subprocess.run(  # noqa: S603 - our own words
        command, check=False, capture_output=True, text=True, env={**os.environ, "LOG_LEVEL": "ERROR"}
    )
    report = json.loads(ran.stdout)
    sys.stdout.write(f"checkov: {report['summary']['passed']} checks passed\n")
    used = set()
    for check in failed(report):
        name, resource = check["check_id"], str(check["resource"])
        if name in EXCEPTIONS and resource.startswith(EXCEPTIONS[name][0]):
            used.add(name)
        else:
            yield f"{check['file_path']}: {resource}: {name} {check['check_name']}"
    yield from (f"no exception is needed any more for {name}" for name in sorted(set(EXCEPTIONS) - used))


def failed(report: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Give the checks that failed."""
    checks: list[Mapping[str, Any]] = report["results"]["failed_checks"]
    return checks


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
