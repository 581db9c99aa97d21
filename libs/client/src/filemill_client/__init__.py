"""One thin HTTP client of Filemill, and the ``filemill`` command built on it."""

from filemill_client.client import DEFAULT_URL, Client
from filemill_client.errors import (
    ClientError,
    DamagedFileError,
    InvalidArgumentError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from filemill_client.sse import StreamEvent

__all__ = [
    "DEFAULT_URL",
    "Client",
    "ClientError",
    "DamagedFileError",
    "InvalidArgumentError",
    "NotFoundError",
    "RefusedError",
    "StreamEvent",
    "UnreachableError",
]
