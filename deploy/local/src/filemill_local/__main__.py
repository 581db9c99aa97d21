"""``python -m filemill_local up|down|status|run``, which the Makefile calls."""

# ruff: noqa: T201 - a command speaks on standard output

import os
import sys
from pathlib import Path

from filemill_local import sample
from filemill_local.plan import StackError
from filemill_local.stack import Stack


def main(command: str) -> int:
    """Do one command; gives the process's exit status."""
    home = Path(os.environ.get("FILEMILL_HOME") or ".filemill").absolute()
    try:
        match command:
            case "up":
                return _up(home)
            case "down":
                return _down(home)
            case "status":
                return _status(home)
            case "run":
                return _up(home) or sample.run(_stack(home))
            case _:
                print("Say one of: up, down, status, run.", file=sys.stderr)
                return 2
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


def _up(home: Path) -> int:
    stack = Stack.asked_for(home, os.environ)
    print("Filemill is up." if stack.up() else "Filemill is up already.")
    for name, address in stack.plan.doors().items():
        print(f"  {name:<10}{address}")
    return 0


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
