"""What all errors of Filemill have in common: a stable code, and whether trying again may help."""

from typing import ClassVar


class FilemillError(Exception):
    """An error that says what to do next.

    Attributes:
        code: Short and stable; what logs, metrics and API bodies show.
        retryable: Whether the same thing may succeed later, unchanged.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
