"""What runs in the sandbox sees little, and never outlives the worker or the job."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from filemill_worker.core.limits import Limits
from filemill_worker.errors import ProcessingError, SandboxUnavailableError
from filemill_worker.programs import run
from filemill_worker.sandbox import Mode, Sandbox

MODES: list[Mode] = ["bwrap", "pod"]


def ignore(_: bytes) -> None:
    """Nobody reads it."""


def alive(marker: str) -> list[int]:
    """The processes that sleep for this long."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes() == f"sleep\0{marker}\0".encode():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def until(marker: str, *, is_alive: bool) -> list[int]:
    async with asyncio.timeout(10):
        while bool(found := alive(marker)) is not is_alive:
            await asyncio.sleep(0.02)
    return found


async def inside(script: str, tmp_path: Path) -> str:
    """Run a shell script in the sandbox; return what it prints."""
    source = tmp_path / "a name; with 'quotes' -and-dashes"
    source.write_text("the input")
    (tmp_path / "scratch").mkdir()
    printed = bytearray()
    sandbox = Sandbox()
    launch = sandbox.launch(source, tmp_path / "scratch")
    await sandbox.run(launch, ("sh", "-c", script), printed.extend)
    return printed.decode()


class TestView:
    async def test_the_input_has_a_neutral_name_and_is_only_read(self, tmp_path: Path) -> None:
        script = "cat /input/file; echo; ls /input; (echo x > /input/file) 2>/dev/null || echo read-only"

        assert await inside(script, tmp_path) == "the input\nfile\nread-only\n"

    async def test_nothing_else_of_the_machine_is_there(self, tmp_path: Path) -> None:
        script = "ls -A / /etc /tmp; test -e /proc || echo no /proc; test -e /home || echo no /home"

        assert await inside(script, tmp_path) == (
            "/:\nbin\ndev\netc\ninput\nlib\nlib64\nscratch\ntmp\nusr\n\n"
            "/etc:\nalternatives\nld.so.cache\n\n/tmp:\nno /proc\nno /home\n"
        )

    async def test_the_environment_is_empty_and_there_is_no_network(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FILEMILL_RABBIT_URL", "amqp://user:secret@host")
        python = "import socket; print(socket.if_nameindex())"
        script = f"env | cut -d= -f1 | sort | tr '\\n' ' '; /usr/bin/python3 -c '{python}' 2>&1 || true"

        lines = await inside(script, tmp_path)

        assert lines.startswith("LANG MALLOC_ARENA_MAX PATH PWD ")
        assert "eth" not in lines

    async def test_what_is_written_stays_in_the_scratch_folder(self, tmp_path: Path) -> None:
        await inside("echo made > result; echo lost > /tmp/other", tmp_path)

        assert (tmp_path / "scratch" / "result").read_text() == "made\n"
        assert [each.name for each in (tmp_path / "scratch").iterdir()] == ["result"]


class TestEnd:
    @pytest.mark.parametrize("mode", MODES)
    async def test_cancelling_kills_all_of_it_before_it_returns(self, tmp_path: Path, mode: Mode) -> None:
        marker = f"600.{os.getpid()}1"
        sandbox = Sandbox(mode)
        launch = sandbox.launch(Path("/dev/null"), tmp_path)
        task = asyncio.create_task(
            sandbox.run(launch, ("sh", "-c", 'sleep "$1" & sleep "$1"', "sh", marker), ignore)
        )
        await until(marker, is_alive=True)

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert alive(marker) == []

    @pytest.mark.parametrize("mode", MODES)
    async def test_it_dies_with_a_worker_that_is_killed(self, tmp_path: Path, mode: Mode) -> None:
        marker = f"600.{os.getpid()}2"
        script = (
            "import asyncio, pathlib\n"
            "from filemill_worker.sandbox import Sandbox\n"
            f"sandbox = Sandbox({mode!r})\n"
            f"launch = sandbox.launch(pathlib.Path('/dev/null'), pathlib.Path({str(tmp_path)!r}))\n"
            f"asyncio.run(sandbox.run(launch, ('sleep', {marker!r}), print))\n"
        )
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        await until(marker, is_alive=True)

        worker.send_signal(signal.SIGKILL)

        await worker.wait()
        assert await until(marker, is_alive=False) == []

    async def test_what_is_killed_from_outside_may_be_tried_again(self, tmp_path: Path) -> None:
        sandbox = Sandbox()
        launch = sandbox.launch(Path("/dev/null"), tmp_path)

        with pytest.raises(ProcessingError) as caught:
            await sandbox.run(launch, ("sh", "-c", "kill -9 $$"), ignore)

        assert (caught.value.code, caught.value.retryable) == ("killed", True)

    async def test_endless_complaints_fill_no_memory(self) -> None:
        command = ("sh", "-c", "yes complaint | head -c 20000000 >&2; echo last >&2; exit 3")

        end = await run(command, wall_time=timedelta(seconds=30), on_output=ignore)

        assert (end.status, len(end.printed), end.printed[-15:]) == (3, 8_192, "complaint\nlast\n")


class TestCheck:
    @pytest.mark.parametrize("mode", MODES)
    async def test_it_passes_where_ffmpeg_runs(self, mode: Mode) -> None:
        await Sandbox(mode).check()

    async def test_it_names_what_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(SandboxUnavailableError, match=r"No such file or directory: 'bwrap'.*=pod"):
            await Sandbox().check()

    async def test_a_limit_that_nothing_can_run_under_is_noticed(self) -> None:
        with pytest.raises(SandboxUnavailableError):
            await Sandbox(limits=Limits(memory=2**20)).check()
