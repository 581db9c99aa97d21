"""Free ports, and who has those that are not."""

import random
import socket
from collections.abc import Iterable

# Below what the kernel hands to outgoing connections, so that none of those takes one
# between here and the program that will listen.
_RANGE = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of loopback; a port just closed counts as free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose(names: Iterable[str]) -> dict[str, int]:
    """Choose a different free port for each name, at random: others choose at the same time."""
    candidates = random.sample(_RANGE, len(_RANGE))
    free = (port for port in candidates if is_free(port))
    return dict(zip(names, free, strict=False))
