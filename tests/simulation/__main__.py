"""``python -m tests.simulation``: many seeds, one seed, or the seeded bugs.

python -m tests.simulation                  seeds for SECONDS (1200), from SEED (0) on
python -m tests.simulation 4711             one seed again, with all that was seen of it
python -m tests.simulation bugs             in which seed each seeded bug is found, and by which rule
"""

import os
import sys
import time

from tests.simulation.seeding import known_bugs, search
from tests.simulation.services import virtual_edges
from tests.simulation.simulation import Played, play

_SECONDS = 1_200.0
_SEARCHED = 1_000
"""Seeds in which a bug is searched at the most."""


def main() -> int:
    """Do what is asked; 0 if all rules held."""
    match sys.argv[1:]:
        case []:
            return _many(int(os.environ.get("SEED", "0")), float(os.environ.get("SECONDS", _SECONDS)))
        case ["bugs"]:
            return _bugs()
        case [seed] if seed.isdigit():
            return _one(int(seed))
        case _:
            sys.stderr.write(__doc__ or "")
            return 2


def _many(first: int, seconds: float) -> int:
    """Play seeds for so long; a failure ends it."""
    began = time.monotonic()
    seed, virtual = first, 0.0
    with virtual_edges():
        while time.monotonic() - began < seconds:
            played = play(seed)
            virtual += played.seconds
            seed += 1
            if played.violations:
                _show(played)
                return 1
            if (seed - first) % 1_000 == 0:
                _say(f"{seed - first} seeds, {virtual / 3600:.1f} virtual hours")
    _say(f"{seed - first} seeds from {first} on, {virtual / 3600:.1f} virtual hours, every rule held")
    return 0


def _one(seed: int) -> int:
    with virtual_edges():
        played = play(seed)
    _show(played)
    return int(bool(played.violations))


def _bugs() -> int:
    """Print for each seeded bug which seed found it, and which rule said so."""
    bugs, missed = known_bugs(), 0
    with virtual_edges():
        for bug in bugs.values():
            played = search(bug, within=_SEARCHED)
            missed += played is None
            found = f"{played.seed:>5}  {played.violations[0].rule}" if played else "    -  by no rule"
            _say(f"{bug.name:<40} {found}")
    _say(f"{len(bugs) - missed} of {len(bugs)} bugs found")
    return int(missed > 0 or not bugs)


def _show(played: Played) -> None:
    for note in played.notes:
        _say(str(note))
    for violation in played.violations:
        _say(f"seed {played.seed}: {violation}")
    _say(f"again: python -m tests.simulation {played.seed}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
