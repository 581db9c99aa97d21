"""``python -m tests.chaos``: break all there is under load, and judge what is left."""

# ruff: noqa: T201 - a command speaks on standard output

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from tests.chaos.bugs_run import run_bugs
from tests.chaos.crashing_points import run_points
from tests.chaos.plan import SIZES
from tests.chaos.release import ReleaseError, installed
from tests.chaos.run import judge_again, run
from tests.chaos.run_record import record

_REPLAYS = {
    "short": "CHAOS_SEED={seed} pytest tests/chaos/test_short.py",
    "normal": "make chaos SEED={seed}",
    "long": "make chaos-long SEED={seed}",
}


def main() -> int:
    """Do what the command line says; gives the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="break all there is under load, and judge what is left")
    one.add_argument("--seed", type=int, default=None, help="draws the run; at random if left out")
    one.add_argument("--size", choices=SIZES, default="normal")
    one.add_argument("--record", action="store_true", help="keep the verdict in tests/chaos/README.md")
    one.add_argument(
        "--beside",
        metavar="VERSION",
        help="version of the first replica of each service: a tag, a commit, or 'last' for the last tag",
    )
    again = commands.add_parser("check", help="judge once more what a run left")
    again.add_argument("folder", type=Path)
    bugs = commands.add_parser("bugs", help="see whether the checker finds the seeded bugs")
    bugs.add_argument("names", nargs="*", metavar="NAME")
    points = commands.add_parser("points", help="let the services die once at each crash point")
    points.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    match asked.command:
        case "check":
            verdict = judge_again(asked.folder)
            print(verdict)
            return 1 if verdict.violations else 0
        case "bugs":
            return min(run_bugs(asked.names), 1)
        case "points":
            return min(run_points(seed=asked.seed), 1)
        case _:
            seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
            return _run(seed, asked.size, beside=asked.beside, keep=asked.record)


def _run(seed: int, size: str, *, beside: str | None, keep: bool) -> int:
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)  # the broker is away on purpose
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}, {size}; journal, dump and logs go to {folder}", flush=True)
    try:
        with installed(beside) if beside else nullcontext() as other:
            say = partial(print, flush=True)
            report = asyncio.run(run(seed, size, folder, beside=other, say=say))
    except ReleaseError as error:
        shutil.rmtree(folder)
        print(error)
        return 2
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        print("stopped; nothing of it is left")
        return 130
    print(report)
    if keep:
        record(report)
    if not report.is_good:
        print(f"\nto judge it again: python -m tests.chaos check {folder}")
        print(f"to run it again:   {_REPLAYS[size].format(seed=seed)}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
