"""What is wrong with a definition or an input: where, and how a person might mend it."""

import difflib
from collections.abc import Collection, Iterable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from filemill_common.errors import FilemillError

_MOST_PROBLEMS = 1_000
_MOST_COMPARISONS = 200_000


def _writable(text: str) -> str:
    """Escape what UTF-8 cannot write: a problem quotes bad documents, and must itself be sent."""
    return text.encode(errors="backslashreplace").decode()


_Text = Annotated[str, BeforeValidator(_writable)]


class Problem(BaseModel):
    """One thing that is wrong.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the place; "" means the whole document.
        code: Short and stable.
        message: A sentence with the values in it.
        suggestion: What was probably meant, or None.
        line: Where it stands in a text, from 1 on; None for what was no text.
        column: From 1 on, in characters.
    """

    model_config = ConfigDict(frozen=True)

    pointer: _Text
    code: str
    message: _Text
    suggestion: _Text | None = None
    line: int | None = None
    column: int | None = None


class InvalidDefinitionError(FilemillError):
    """A definition has problems.

    Attributes:
        problems: All of them, sorted by place; of more than 1,000 the first 1,000, and one
            more that says how many are not shown.
    """

    code = "invalid_definition"

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort the problems; the message quotes the first."""
        found = sorted(problems, key=_place)
        first = found[0]
        super().__init__(
            f"the definition has {len(found)} problem{'s' * (len(found) > 1)}, "
            f"the first at {first.pointer or 'the top'}: {first.message}"
        )
        more = len(found) - _MOST_PROBLEMS
        if more > 0:
            message = f"{more} more problems are not shown"
            last = Problem(pointer="", code="too_many_problems", message=message)
            found[_MOST_PROBLEMS:] = [last]
        self.problems = tuple(found)


def _place(problem: Problem) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() and len(part) < 9 else (-1, part)
        for part in problem.pointer.split("/")
    ]


def pointer(*parts: str | int) -> str:
    """Join parts to a JSON pointer, escaped as RFC 6901 asks."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parts_of(place: str) -> list[str]:
    """Split a JSON pointer into its parts, unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]]


class Speller:
    """Finds what was probably meant, and stops helping before a hostile document makes that slow."""

    def __init__(self) -> None:
        """Start with a budget that no honest document uses up."""
        self._left = _MOST_COMPARISONS

    def suggestion(self, word: str, known: Collection[str]) -> str | None:
        """Say "did you mean 'x'?" for the nearest of ``known``, or None if none is near."""
        self._left -= len(known)
        if self._left < 0 or len(word) > 200:
            return None
        near = difflib.get_close_matches(word, known, n=1)
        return f"did you mean {near[0]!r}?" if near else None
