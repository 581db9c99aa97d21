"""Each worker image converts a real file with no more than a strict cluster gives it; each image is bare."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import docker
import pytest

from filemill_local.containers import CONFINED, IMAGES, confined
from filemill_local.plan import SERVICES

ROOT: Final = Path(__file__).parents[2]
FLAVOURS: Final = {"media": ("video_convert", "clip.mp4", "webm")}
"""For each flavour of the worker: a task type, a file for it, and what it shall become."""

CONVERT: Final = """
import asyncio, json, os, sys
from pathlib import Path
from filemill_common.task_types import TASK_TYPES, resolve_options
from filemill_worker.processors import Job, Processors
from filemill_worker.sandbox import Sandbox
from filemill_worker.scratch import own_folder
from filemill_worker.settings import WorkerSettings

kind, name, format = sys.argv[1:]
settings = WorkerSettings()
sandbox = Sandbox(settings.sandbox)
options = resolve_options(TASK_TYPES[kind], {"format": format}, None)
with own_folder(settings.scratch_root, "w") as scratch:
    job = Job("t", 1, kind, options, settings.storage_root / name, scratch)
    asyncio.run(sandbox.check())
    product = asyncio.run(Processors(sandbox).run(job, lambda percent, message: None))
    data = product.file.read_bytes()
    (settings.storage_root / f"made.{format}").write_bytes(data)
print(json.dumps({"uid": os.getuid(), "size": len(data), "sandbox": settings.sandbox}))
"""


def run(image: str, files: Path, *command: str, **more: Any) -> str:
    """Run a program in a confined container to its end; give what it printed."""
    address = {"FILEMILL_RABBIT_URL": "amqp://nobody@127.0.0.1/"}
    container = confined(image, files, entrypoint=command[0], network_mode="none", **more)
    with container.with_envs(**address).with_command(list(command[1:])) as running:
        ended = running.get_wrapped_container().wait(timeout=120)
        printed, complaints = running.get_logs()
    assert ended["StatusCode"] == 0, complaints.decode()
    return printed.decode()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder that whoever runs in a container may write to."""
    tmp_path.chmod(0o777)
    return tmp_path


@pytest.fixture
def clip(files: Path) -> Path:
    """A video of a second."""
    made = files / "clip.mp4"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=160x90:d=1:r=10",
        "-pix_fmt",
        "yuv420p",
    ]
    subprocess.run([*command, str(made)], check=True)
    return made


def test_every_flavour_has_something_to_convert() -> None:
    assert set(FLAVOURS) == {path.name for path in (ROOT / "services" / "worker" / "flavours").iterdir()}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_worker_converts_a_file_on_a_read_only_root_without_network_or_rights(
    files: Path, clip: Path, flavour: str
) -> None:
    kind, name, format_ = FLAVOURS[flavour]

    made = json.loads(run(f"filemill/worker-{flavour}", files, "python", "-c", CONVERT, kind, name, format_))

    assert made["sandbox"] == "pod"
    assert made["uid"] == (int(CONFINED["user"].partition(":")[0]) if CONFINED["user"] else 10001)
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=format_name", "-of", "default=nw=1:nk=1"]
    done = subprocess.run(
        [*probe, str(files / f"made.{format_}")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "matroska,webm"
    assert made["size"] == (files / f"made.{format_}").stat().st_size


BARE: Final = """
import os, pathlib, shutil
names = ("pip", "pip3", "uv", "gcc", "cc", "make", "git", "curl", "wget")
tools = [name for name in names if shutil.which(name)]
raised = [
    os.path.join(folder, name)
    for folder, _, names in os.walk("/")
    if not folder.startswith(("/proc", "/sys"))
    for name in names
    if os.path.isfile(path := os.path.join(folder, name)) and os.stat(path).st_mode & 0o6000
]
try:
    pathlib.Path("/opt/filemill/mine").touch()
    writable = True
except OSError:
    writable = False
status = pathlib.Path("/proc/self/status").read_text()
wanted = ("CapEff", "CapBnd", "NoNewPrivs")
rights = [line.split()[1] for line in status.splitlines() if line.startswith(wanted)]
print(tools, raised, writable, rights)
"""


@pytest.mark.parametrize("service", [*SERVICES, "mail"])
def test_an_image_has_no_tools_and_no_way_to_become_root(files: Path, service: str) -> None:
    found = run(IMAGES[service], files, "python", "-c", BARE)

    nothing = "0000000000000000"
    assert found.strip() == f"[] [] False ['{nothing}', '{nothing}', '1']"


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_says_what_it_is(service: str) -> None:
    config = docker.from_env().images.get(IMAGES[service]).attrs["Config"]

    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert config["Labels"]["org.opencontainers.image.title"].startswith(f"Filemill {service}")
    assert config["User"] == "10001:10001"
