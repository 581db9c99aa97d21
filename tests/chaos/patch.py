"""Changing a program from outside: what is changed must be there, or nothing starts."""

import functools
from collections.abc import Callable
from typing import Any

Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def patch(owner: Any, name: str, wrapper: Wrapper) -> None:
    """Put what ``wrapper`` makes of a function in its place.

    Args:
        owner: The class or module that has the function.
        name: Its name there.
        wrapper: Is handed the function as it was.

    Raises:
        AttributeError: There is no such function any more.
    """
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(wrapper(original)))
