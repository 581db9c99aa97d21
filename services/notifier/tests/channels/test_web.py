"""Webhooks on a real HTTP server: signed, once each try, to the outside only, following nobody."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from filemill_common.clock import utc_now
from filemill_notifier.channels import web as web_module
from filemill_notifier.channels.web import Web
from filemill_notifier.core.deliveries import Delivery

SECRETS = ("whsec_bmV3ZXN0IGtleSBvZiBhbGw=", "whsec_b2xkZXIga2V5IG9mIGFsbA==")
LOOPBACK = ("127.0.0.0/8", "::1/128")

Answer = Callable[[BaseHTTPRequestHandler], object]


class Recipient:
    """A server that notes what it gets and answers as it is told to."""

    def __init__(self) -> None:
        self.answer: Answer = lambda handler: reply(handler, 200, b"thanks")
        self.requests: list[tuple[dict[str, str], bytes]] = []
        recipient = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                recipient.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                recipient.answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def recipient() -> Iterator[Recipient]:
    recipient = Recipient()
    thread = threading.Thread(target=recipient.server.serve_forever)
    thread.start()
    yield recipient
    recipient.server.shutdown()
    recipient.server.server_close()
    thread.join()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    web = Web(SECRETS, LOOPBACK)
    yield web
    await web.close()


def delivery(url: str) -> Delivery:
    now = utc_now()
    return Delivery(
        id="delivery-1",
        event_id="e",
        event_type="io.filemill.task.completed.v1",
        channel="webhook",
        target=url,
        payload={"type": "task.completed", "data": {"名": "é"}},
        created_at=now,
        updated_at=now,
    )


class TestAWebhook:
    async def test_is_signed_with_every_key(self, web: Web, recipient: Recipient) -> None:
        outcome = await web.send(delivery(recipient.url))

        assert (outcome.ok, outcome.code, outcome.response) == (True, "200", "thanks")
        [(headers, body)] = recipient.requests
        assert headers["webhook-id"] == "delivery-1"
        for secret in SECRETS:
            assert Webhook(secret).verify(body, headers) == {
                "type": "task.completed",
                "data": {"名": "é"},
            }

    async def test_without_a_key_is_not_signed(self, recipient: Recipient) -> None:
        web = Web((), LOOPBACK)

        await web.send(delivery(recipient.url))
        await web.close()

        assert "webhook-signature" not in recipient.requests[0][0]

    @pytest.mark.parametrize(("status", "final"), [(300, False), (404, False), (500, False), (410, True)])
    async def test_that_is_refused_has_failed(
        self, web: Web, recipient: Recipient, status: int, final: bool
    ) -> None:
        recipient.answer = lambda handler: reply(handler, status, b"no")

        outcome = await web.send(delivery(recipient.url))

        assert (outcome.ok, outcome.code, outcome.final) == (False, str(status), final)

    async def test_follows_nobody(self, web: Web, recipient: Recipient) -> None:
        recipient.answer = lambda handler: reply(handler, 302, location=recipient.url + "/elsewhere")

        outcome = await web.send(delivery(recipient.url))

        assert (outcome.code, len(recipient.requests)) == ("302", 1)

    async def test_heeds_retry_after(self, web: Web, recipient: Recipient) -> None:
        recipient.answer = lambda handler: reply(handler, 503, retry_after="120")

        outcome = await web.send(delivery(recipient.url))

        assert outcome.retry_after == timedelta(seconds=120)

    async def test_reads_no_more_of_an_answer_than_it_keeps(self, web: Web, recipient: Recipient) -> None:
        recipient.answer = lambda handler: reply(handler, 200, b"x" * 10_000_000)

        outcome = await web.send(delivery(recipient.url))

        assert (outcome.ok, len(outcome.response)) == (True, 1024)

    async def test_waits_no_longer_than_its_time_out(
        self, recipient: Recipient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(web_module, "TIMEOUT", 0.3)
        web, released = Web((), LOOPBACK), threading.Event()
        recipient.answer = lambda _: released.wait(10)

        async with asyncio.timeout(5):
            outcome = await web.send(delivery(recipient.url))
        released.set()
        await web.close()

        assert (outcome.ok, outcome.code, outcome.final) == (False, "timeout", False)


class TestATarget:
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "[::1]",
            "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fec0::1]", "0.0.0.0",
            "169.254.169.254",
        ],
    )  # fmt: skip
    async def test_on_the_inside_is_refused_however_it_is_written(
        self, recipient: Recipient, host: str
    ) -> None:
        port = recipient.server.server_address[1]
        web = Web((), ())

        outcome = await web.send(delivery(f"http://{host}:{port}/"))
        await web.close()

        assert (outcome.ok, outcome.code, outcome.final) == (False, "target_refused", True)
        assert recipient.requests == []

    @pytest.mark.parametrize(
        "url", ["ftp://example.com/", "file:///etc/passwd", "http://", "nonsense", "http://[::"]
    )
    async def test_that_is_no_web_address_is_refused(self, web: Web, url: str) -> None:
        outcome = await web.send(delivery(url))

        assert (outcome.ok, outcome.code, outcome.final) == (False, "target_refused", True)

    async def test_that_nobody_serves_is_tried_again(self, web: Web, recipient: Recipient) -> None:
        outcome = await web.send(delivery("http://127.0.0.1:1/"))

        assert (outcome.ok, outcome.code, outcome.final) == (False, "unreachable", False)
