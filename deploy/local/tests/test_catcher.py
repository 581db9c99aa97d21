"""The mail server that delivers nothing."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage

import httpx
import pytest

from filemill_local.catcher import Catcher


class Post:
    """A catcher that listens, and both its sides."""

    def __init__(self, http: httpx.AsyncClient, port: int) -> None:
        self.http = http
        self._port = port

    async def send(self, subject: str, text: str = "Text", html: str | None = None) -> None:
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = subject, "Filemill <f@localhost>", "you@example.com"
        mail.set_content(text)
        if html is not None:
            mail.add_alternative(html, subtype="html")
        await asyncio.to_thread(self._send, mail)

    def _send(self, mail: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self._port) as smtp:
            smtp.send_message(mail)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    catcher = Catcher()
    server = await asyncio.get_running_loop().create_server(catcher.smtp, "127.0.0.1", 0)
    transport = httpx.ASGITransport(catcher.http)
    async with server, httpx.AsyncClient(transport=transport, base_url="http://mail") as http:
        yield Post(http, server.sockets[0].getsockname()[1])


class TestMessages:
    async def test_one_is_shown_with_all_its_parts(self, post: Post) -> None:
        await post.send("任务完成通知 - probe", text="您的任务已完成\n", html="<b>您的任务已完成</b>\n")

        [message] = (await post.http.get("/messages")).json()

        assert message["headers"].pop("Content-Type").startswith("multipart/alternative")
        assert message == {
            "id": message["id"],
            "from": "f@localhost",
            "to": ["you@example.com"],
            "subject": "任务完成通知 - probe",
            "text": "您的任务已完成\n",
            "html": "<b>您的任务已完成</b>\n",
            "headers": {
                "Subject": "任务完成通知 - probe",
                "From": "Filemill <f@localhost>",
                "To": "you@example.com",
                "MIME-Version": "1.0",
            },
        }

    async def test_they_are_in_the_order_in_which_they_came_and_can_be_removed(self, post: Post) -> None:
        for subject in ("first", "second"):
            await post.send(subject)

        assert [m["subject"] for m in (await post.http.get("/messages")).json()] == ["first", "second"]
        assert (await post.http.delete("/messages")).status_code == 204
        assert (await post.http.get("/messages")).json() == []

    async def test_only_the_last_500_are_kept(self, post: Post) -> None:
        for number in range(501):
            await post.send(str(number))

        kept = [message["subject"] for message in (await post.http.get("/messages")).json()]
        assert kept == [str(number) for number in range(1, 501)]


class TestPage:
    async def test_nothing_of_a_message_can_run_on_it(self, post: Post) -> None:
        await post.send("<script>alert(1)</script>", html='"><script>alert(2)</script>')

        page = (await post.http.get("/")).text

        assert "<script>" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<iframe sandbox srcdoc=" in page

    async def test_without_mail_it_says_so(self, post: Post) -> None:
        assert "No mail yet." in (await post.http.get("/")).text
