"""What all errors of Filemill have in common: a stable code, and whether trying again may help."""


class FilemillError(Exception):
    """An error that says what to do next; a subclass sets both, or each instance does.

    Attributes:
        code: Short and stable; what logs, metrics and API bodies show.
        retryable: Whether the same thing may succeed later, unchanged.
    """

    code: str = "internal"
    retryable: bool = False
