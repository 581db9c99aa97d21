"""Who may import whom: each contract is broken once, to see that somebody notices."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
MODULES = (
    *(f"filemill_{name}.core" for name in ("gateway", "scheduler", "worker", "notifier")),
    *(f"filemill_{name}.handlers" for name in ("gateway", "scheduler", "worker", "notifier")),
    *(
        f"filemill_common.{name}"
        for name in ("events", "task_types", "language", "messaging.bus", "store.client", "settings")
    ),
    "filemill_gateway.queries",
    "filemill_scheduler.repository.tasks",
    "filemill_notifier.repository",
    "filemill_client.http",
    "filemill_local.servers",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Packages of the same names with nothing in them, under the contracts of the real ones."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module in MODULES:
        folder = tmp_path / module.replace(".", "/")
        folder.mkdir(parents=True)
        for package in (folder, *folder.parents[: module.count(".")]):
            (package / "__init__.py").touch()
    return tmp_path


def broken(workspace: Path) -> list[str]:
    """Name the contracts that are broken."""
    program = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": str(workspace)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert any(line.startswith("Contracts: ") for line in lines), done.stdout + done.stderr
    return [line.removesuffix(" BROKEN") for line in lines if line.endswith(" BROKEN")]


def test_nothing_is_broken_where_nothing_is_imported(workspace: Path) -> None:
    assert broken(workspace) == []


def test_what_is_allowed_breaks_nothing(workspace: Path) -> None:
    write(workspace, "filemill_common.messaging.bus", "aio_pika")
    write(workspace, "filemill_common.store.client", "motor")
    write(workspace, "filemill_scheduler.repository.tasks", "pymongo")
    write(workspace, "filemill_worker.handlers", "filemill_common.messaging.bus")
    write(workspace, "filemill_worker.core", "filemill_common.events")

    assert broken(workspace) == []


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("filemill_worker.handlers", "filemill_gateway.handlers", "Services know events, never each other"),
        (
            "filemill_common.settings",
            "filemill_worker.handlers",
            "What is common knows no service, and the client knows only HTTP",
        ),
        ("filemill_client.http", "filemill_common.events", "The client speaks HTTP alone"),
        (
            "filemill_scheduler.core",
            "time",
            "A core decides; it has no I/O, no clock, no randomness",
        ),
        (
            "filemill_common.events",
            "asyncio",
            "A core decides; it has no I/O, no clock, no randomness",
        ),
        (
            "filemill_worker.handlers",
            "filemill_common.store.client",
            "A worker keeps no state: it knows no database",
        ),
        ("filemill_worker.handlers", "aio_pika", "The bus is the only way to RabbitMQ"),
        ("filemill_common.settings", "aiormq", "The bus is the only way to RabbitMQ"),
        (
            "filemill_gateway.handlers",
            "motor",
            "The store and the repositories are the only way to MongoDB",
        ),
        (
            "filemill_common.settings",
            "pymongo",
            "The store and the repositories are the only way to MongoDB",
        ),
    ],
)
def test_what_is_not_allowed_is_noticed(workspace: Path, module: str, imported: str, contract: str) -> None:
    write(workspace, module, imported)

    assert broken(workspace) == [contract]


def write(workspace: Path, module: str, imported: str) -> None:
    (workspace / module.replace(".", "/") / "__init__.py").write_text(f"import {imported}\n")
