"""A scripted gateway, and the command talking to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from filemill_client import Client
from filemill_client.cli.app import app
from filemill_client.testing import Gateway


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()
    with gateway.serve():
        yield gateway


@pytest.fixture
def notices() -> list[str]:
    """What the client said on the side."""
    return []


@pytest.fixture
def client(gateway: Gateway, notices: list[str]) -> Iterator[Client]:
    with Client(gateway.url, patience=3, notice=notices.append) as client:
        yield client


@pytest.fixture
def filemill(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # somebody may run the tests in a narrow window

    def run(*arguments: str, stdin: str | None = None) -> Result:
        env = {"FILEMILL_URL": gateway.url, "FILEMILL_PATIENCE": "3", "NO_COLOR": "1"}
        return CliRunner().invoke(app, arguments, env=env, input=stdin, catch_exceptions=False)

    return run
