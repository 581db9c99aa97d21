"""Free ports, and why others are not to be had."""

import os
import random
import socket
from collections.abc import Iterable

# Below what the kernel hands to outgoing connections, so that none of those takes one
# between here and the program that will listen.
_RANGE = range(15_000, 32_000)


def obstacle(port: int) -> str:
    """Tell why one cannot listen on a port of loopback; empty if one can.

    A port that was closed a moment ago is free.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return os.strerror(error.errno or 0)
        return ""


def choose(names: Iterable[str]) -> dict[str, int]:
    """Choose a different free port for each name, at random: others choose at the same time."""
    candidates = random.sample(_RANGE, len(_RANGE))
    free = (port for port in candidates if not obstacle(port))
    return dict(zip(names, free, strict=False))
