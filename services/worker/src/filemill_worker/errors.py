"""What can go wrong while a task is processed."""

from filemill_common.errors import FilemillError


class ProcessingError(FilemillError):
    """This attempt failed; the scheduler decides whether there is another one.

    Unlike other errors it has its code and its hope per instance, since one program fails in many ways.

    Args:
        code: Short and stable.
        message: A sentence for people, without paths of this machine.
        retryable: Whether the same input and options may succeed in another attempt.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class SandboxUnavailableError(FilemillError):
    """Programs that read foreign files cannot be locked in on this machine, so the worker must not start."""

    code = "sandbox_unavailable"
