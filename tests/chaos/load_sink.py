"""The receiver of notifications, which is not always in the mood."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Final

from tests.chaos.journal import Journal

_PATIENCE: Final = 11.0
"""Seconds after which whoever notifies has given up: it waits ten."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


@contextmanager
def sink(journal: Journal, *, seed: int) -> Iterator[str]:
    """Receive notifications, note them, and give the address.

    The first time that one comes, it is refused or left without an answer now and then; later it is
    taken, since the third try would come only after minutes.
    """
    known: set[str] = set()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            identity = self.headers["webhook-id"]
            answer = 204 if identity in known else _mood(Random(f"{seed} {identity}"))
            known.add(identity)
            _note(journal, identity, body.get("data", body), answer)
            if not answer:
                time.sleep(_PATIENCE)
                self.close_connection = True
                return
            self.send_response(answer)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing; the journal does."""

    server = _Server(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _mood(luck: Random) -> int:
    """Say what is answered: taken, an error, or nothing at all."""
    return luck.choices((204, 500, 0), (85, 12, 3))[0]


def _note(journal: Journal, identity: str, about: dict[str, Any], answer: int) -> None:
    kind = "task" if "task_id" in about else "workflow"
    journal.write(
        "notified",
        webhook_id=identity,
        kind=kind,
        id=about[f"{kind}_id"],
        type=f"{kind}.{about['status']}",
        answered=answer,
    )
