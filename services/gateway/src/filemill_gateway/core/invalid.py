"""What is wrong with a request, said all at once."""

from collections.abc import Iterable

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from filemill_common.errors import FilemillError
from filemill_common.language import Problem
from filemill_common.language.checks import readable
from filemill_common.language.problems import Speller, pointer

_CODES = {"missing": "missing_field", "extra_forbidden": "unknown_field", "too_long": "too_large"}


class InvalidRequestError(FilemillError):
    """A request cannot be taken as it is.

    Attributes:
        code: What all problems have in common, or ``invalid_request``.
        problems: All of them.
    """

    def __init__(self, problems: Iterable[Problem], *, code: str | None = None) -> None:
        """Say the first problem in the message."""
        self.problems = tuple(problems)
        codes = {problem.code for problem in self.problems}
        self.code = code or (codes.pop() if len(codes) == 1 else "invalid_request")
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{first.pointer or 'the request'}: {first.message}{more}")


def problem(code: str, message: str, *at: str | int, suggestion: str | None = None) -> Problem:
    """Say one thing that is wrong, and where."""
    return Problem(pointer=pointer(*at), code=code, message=message, suggestion=suggestion)


def field_problem(detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    """Say in the words of JSON what pydantic found wrong with a field of ``model``."""
    kind, place = detail["type"], detail["loc"]
    if kind == "extra_forbidden":
        name = str(place[-1])
        hint = Speller().suggestion(name, tuple(model.model_fields)) if len(place) == 1 else None
        return problem("unknown_field", f"no field {name[:80]!r} here", *place, suggestion=hint)
    code = _CODES.get(kind, "wrong_type" if kind.endswith("_type") else "invalid_value")
    return problem(code, readable(detail), *place)
