"""The supervisor of one stack: starting it, asking it, and ending all that it left."""

import os
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from filemill_local.plan import Plan, StackError

# In the environment of all processes of a stack and of nothing else, so that they are found
# even after their supervisor was killed.
_MARK: Final = "FILEMILL_STACK"

# The supervisor stops three groups one after the other and gives each 30 s.
PATIENCE: Final = 95.0  # s


@dataclass(frozen=True, slots=True)
class Running:
    """What the supervisor says of one program.

    Attributes:
        group: The group it is in.
        name: Its own name.
        pid: Its process id; 0 while it does not run.
        state: The supervisor's word for its state, as ``RUNNING``.
    """

    group: str
    name: str
    pid: int
    state: str


class _Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def start(plan: Plan, environment: Mapping[str, str], *, tied: bool) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own, holding nothing of the caller's.

    Args:
        plan: The stack; its files are written already.
        environment: What all programs inherit.
        tied: Whether it ends with the calling thread, however that ends.
    """
    tie = ("setpriv", "--pdeathsig", "TERM") if tied else ()
    config = str(plan.home / "run" / "supervisor.conf")
    with plan.log_file("supervisor").open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            (*tie, sys.executable, "-m", "supervisor.supervisord", "-n", "-c", config),
            env={**environment, _MARK: str(plan.home)},
            cwd=plan.home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def call(plan: Plan, method: str, *arguments: str) -> object:
    """Call one method of the supervisor.

    Raises:
        StackError: It does not answer, or refuses.
    """
    body = xmlrpc.client.dumps(arguments, f"supervisor.{method}")
    try:
        with closing(_Connection(plan.socket)) as connection:
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
            return xmlrpc.client.loads(connection.getresponse().read().decode())[0][0]
    except (OSError, HTTPException) as error:
        raise StackError(f"The supervisor of {plan.home} does not answer ({error}).") from error
    except xmlrpc.client.Fault as error:
        raise StackError(f"The supervisor refuses {method}: {error.faultString}.") from error


def running(plan: Plan) -> dict[str, Running]:
    """Ask what runs, by name; nothing when there is no supervisor."""
    try:
        answer = call(plan, "getAllProcessInfo")
    except StackError:
        return {}
    assert isinstance(answer, list)  # noqa: S101 - its documented type
    return {
        info["name"]: Running(info["group"], info["name"], info["pid"], info["statename"]) for info in answer
    }


def end(home: Path, *, patience: float = PATIENCE) -> int:
    """End the supervisor, and whatever it could not end or left behind.

    Args:
        home: The home of the stack.
        patience: Seconds until what is still there is killed; 0 kills at once.

    Returns:
        How many processes there were.
    """
    found = processes(home)
    if patience:
        asked = [pid for pid in found if _is_supervisor(pid)] or found
        _signal(asked, signal.SIGTERM)
        _await_end(asked, seconds=patience)
    # Supervisors first: what they see end, they start again.
    for left in ([pid for pid in processes(home) if _is_supervisor(pid)], processes(home)):
        _signal(left, signal.SIGKILL)
        _await_end(left, seconds=10)
    return len(found)


def processes(home: Path) -> list[int]:
    """List the ids of all processes of a stack, zombies not counted."""
    mark = f"{_MARK}={home}".encode()
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdecimal() and mark in _read(folder / "environ").split(b"\0")
    ]


def _is_supervisor(pid: int) -> bool:
    return b"supervisor.supervisord" in _read(Path(f"/proc/{pid}/cmdline")).split(b"\0")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it ended just now, or is somebody else's
        return b""


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _await_end(pids: list[int], *, seconds: float) -> None:
    """Wait until processes, mostly not our children, have ended, but not longer than this."""
    deadline = time.monotonic() + seconds
    while any(_read(Path(f"/proc/{pid}/environ")) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
