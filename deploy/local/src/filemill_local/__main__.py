"""``python -m filemill_local up|down|status|run|wait|sample``, which the Makefile calls."""

# ruff: noqa: T201 - a command speaks on standard output

import os
import sys
from pathlib import Path

from filemill_local import sample
from filemill_local.plan import SERVICES, StackError
from filemill_local.stack import Stack


def main(command: str) -> int:
    """Do one command; gives the process's exit status."""
    home = Path(os.environ.get("FILEMILL_HOME") or ".filemill").absolute()
    commands = {"up": _up, "down": _down, "status": _status, "run": _run, "wait": _wait, "sample": _sample}
    if command not in commands:
        print(f"Say one of: {', '.join(commands)}.", file=sys.stderr)
        return 2
    try:
        return commands[command](home)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


def _up(home: Path) -> int:
    stack = Stack.asked_for(home, os.environ)
    print("Filemill is up." if stack.up() else "Filemill is up already.")
    for name, address in stack.plan.doors().items():
        print(f"  {name:<10}{address}")
    return 0


def _run(home: Path) -> int:
    status = _up(home) or sample.run(_stack(home))
    if status == 0:
        print("\nIt stays up: `make status` shows it, `make down` stops it.")
        for name, address in _stack(home).plan.doors().items():
            print(f"  {name:<12}{address}")
    return status


def _wait(home: Path) -> int:
    """Wait for a stack that somebody else runs, on the ports that the environment asks for."""
    stack = Stack.asked_for(home, os.environ)
    stack.wait_ready("mail", *SERVICES)
    print("Filemill is up.")
    for name in ("API", "Mail"):
        print(f"  {name:<10}{stack.plan.doors()[name]}")
    return 0


def _sample(home: Path) -> int:
    home.mkdir(parents=True, exist_ok=True)
    return sample.run(Stack.asked_for(home, os.environ))


def _down(home: Path) -> int:
    stack = Stack.in_home(home, os.environ)
    ended = stack.down() if stack else 0
    print(f"Filemill is down; {ended} processes ended." if ended else "Nothing was running.")
    return 0


def _status(home: Path) -> int:
    stack = Stack.in_home(home, os.environ)
    if stack is None:
        print(f"Nothing was ever started in {home}.")
        return 1
    rows = stack.status()
    print(f"{'':<12}{'PID':<9}{'STATE':<12}ADDRESS")
    for row in rows:
        print(f"{row.name:<12}{row.pid or '-':<9}{row.state:<12}{row.address}")
    return 0 if all(row.state == "ready" for row in rows) else 1


def _stack(home: Path) -> Stack:
    stack = Stack.in_home(home, os.environ)
    assert stack is not None  # noqa: S101 - it was started a moment ago
    return stack


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
