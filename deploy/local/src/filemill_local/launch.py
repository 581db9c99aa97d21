"""Become one program of a stack: write the process id down, then turn into the program.

The supervisor starts this for each program and at each restart, so a pid file is always that
of the process that does the work, and what runs is typed values rather than quoted text.
"""

import os
import socket
import sys
import time
from pathlib import Path

from filemill_local.plan import Plan


def main(home: Path, name: str) -> None:
    """Turn into the program; does not return."""
    plan = Plan.from_json((home / "run" / "stack.json").read_text())
    program = plan.program(name)
    plan.pid_file(name).write_text(f"{os.getpid()}\n")
    if name == "rabbitmq":
        _await_epmd(plan.ports["epmd"])
    kept = {key: value for key, value in os.environ.items() if key not in program.without}
    os.execve(program.command[0], program.command, {**kept, **program.environment})  # noqa: S606


def _await_epmd(port: int) -> None:
    """Wait until the supervised epmd listens: a broker that finds none starts one that stays."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.025)
    sys.exit(f"epmd does not listen on port {port}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
