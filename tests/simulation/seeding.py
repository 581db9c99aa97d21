"""Putting a mistake into real code from outside, and searching the seed that finds it."""

import inspect
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest.mock import patch

from tests.simulation.simulation import Played, play
from tests.simulation.story import THEMES

Seeding = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake.

    Attributes:
        says: What is wrong with it.
        seeded: Puts it into the code for as long as it is entered.
        theme: What the seeds are unlucky with that are searched; None for all.
    """

    name: str
    says: str
    seeded: Seeding
    theme: str | None = None

    @property
    def seeds(self) -> Iterator[int]:
        """Give the seeds that are searched, without end."""
        if self.theme is None:
            return itertools.count()
        return itertools.count(THEMES.index(self.theme), len(THEMES))


_BUGS: dict[str, Bug] = {}


def known_bugs() -> Mapping[str, Bug]:
    """Give all mistakes that must be found; the modules that have them tell when they are imported."""
    for module in ("bugs", "bugs_language"):
        import_module(f"tests.simulation.{module}")
    return _BUGS


def bug(name: str, says: str, *changes: Seeding, theme: str | None = None) -> None:
    """Let a mistake be one of those that must be found."""

    @contextmanager
    def seeded() -> Iterator[None]:
        with ExitStack() as all_of_it:
            for change in changes:
                all_of_it.enter_context(change())
            yield

    _BUGS[name] = Bug(name, says, seeded, theme)


def search(bug: Bug, *, within: int) -> Played | None:
    """Play so many seeds with a bug until a rule breaks; None if none does. The edges must be virtual."""
    with bug.seeded():
        for seed in itertools.islice(bug.seeds, within):
            played = play(seed)
            if played.violations:
                return played
    return None


@contextmanager
def changed(owner: Any, name: str, old: str, new: str) -> Iterator[None]:
    """Change a text in a function, wherever it is known by its name.

    Raises:
        AttributeError: There is no such function any more.
        LookupError: The text does not stand in it exactly once.
    """
    function = inspect.unwrap(getattr(owner, name))
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise LookupError(f"{old!r} does not stand exactly once in {function.__qualname__}")
    made: dict[str, Any] = {}
    namespace = function.__globals__
    exec(compile(source.replace(old, new), f"<changed {name}>", "exec"), namespace, made)
    with ExitStack() as places:
        for place in [owner] if inspect.isclass(owner) else list(_who_know(function, name)):
            places.enter_context(patch.object(place, name, made[name]))
        yield


def _who_know(function: object, name: str) -> Iterator[object]:
    """Give the modules in which a function goes by its name."""
    for key, module in list(sys.modules.items()):
        if key.startswith("filemill_") and vars(module).get(name) is function:
            yield module


def text(owner: Any, name: str, old: str, new: str) -> Seeding:
    return lambda: changed(owner, name, old, new)


def instead(owner: Any, name: str, other: Any) -> Seeding:
    return lambda: patch.object(owner, name, other)


def given(owner: Any, name: str, value: Any) -> Seeding:
    """Let a changed function find what it needs beside it."""
    return lambda: patch.object(owner, name, value, create=True)
