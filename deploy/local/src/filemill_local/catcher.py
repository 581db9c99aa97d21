"""A mail server that delivers nothing: it shows what it got on a page and as JSON.

It keeps the last 500 messages in memory, for people and tests that want to see what was sent.
"""

import asyncio
import sys
from collections import deque
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from typing import Final
from uuid import uuid4

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

_KEPT: Final = 500
_LARGEST: Final = 5_000_000  # bytes


class Message(BaseModel):
    """One message as it arrived."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    id: str
    sender: str = Field(alias="from", description="The envelope's sender.")
    to: list[str] = Field(description="The envelope's recipients.")
    subject: str
    text: str
    html: str
    headers: dict[str, str]


def read(content: bytes, *, id: str, sender: str, to: list[str]) -> Message:  # noqa: A002
    """Read what came over SMTP; a part that is not there is an empty string."""
    mail = message_from_bytes(content, EmailMessage, policy=policy.default)
    return Message(
        id=id,
        sender=sender,
        to=to,
        subject=str(mail["subject"] or ""),
        text=_body(mail, "plain"),
        html=_body(mail, "html"),
        headers={name: str(value) for name, value in mail.items()},
    )


def page(messages: list[Message]) -> str:
    """Show messages, the newest first, with nothing of theirs able to run."""
    parts = [
        f"<article><h2>{escape(message.subject)}</h2>"
        f"<p>{escape(message.sender)} → {escape(', '.join(message.to))}</p>"
        f"<pre>{escape(message.text)}</pre>"
        + (f'<iframe sandbox srcdoc="{escape(message.html)}"></iframe>' if message.html else "")
        + "</article>"
        for message in reversed(messages)
    ]
    return (
        "<!doctype html><meta charset=utf-8><title>Mail</title><style>body{font:16px sans-serif;"
        "max-width:50em;margin:2em auto}article{border-top:1px solid #ccc}iframe{width:100%}"
        "</style><h1>Mail</h1>" + ("".join(parts) or "<p>No mail yet.</p>")
    )


class Catcher:
    """Takes mail over SMTP and shows it over HTTP.

    Attributes:
        http: The application that shows it.
    """

    def __init__(self) -> None:
        """Begin without any message."""
        self._messages: deque[Message] = deque(maxlen=_KEPT)
        self.http = FastAPI(title="Mail catcher", docs_url=None, redoc_url=None)
        self.http.get("/", response_class=HTMLResponse)(self._page)
        self.http.get("/messages")(self._list)
        self.http.delete("/messages", status_code=204)(self._clear)

    def smtp(self) -> SMTP:
        """Make the protocol of one SMTP connection."""
        return SMTP(self, data_size_limit=_LARGEST, enable_SMTPUTF8=True, hostname="localhost")

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks for this name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep one message; the oldest goes when there are too many."""
        content = envelope.original_content or b""
        sender, to = envelope.mail_from or "", [str(address) for address in envelope.rcpt_tos]
        self._messages.append(read(content, id=str(uuid4()), sender=sender, to=to))
        return "250 Kept, not delivered"

    async def _page(self) -> str:
        return page(list(self._messages))

    async def _list(self) -> list[Message]:
        return list(self._messages)

    async def _clear(self) -> Response:
        self._messages.clear()
        return Response(status_code=204)


async def serve(smtp_port: int, http_port: int, host: str = "127.0.0.1") -> None:
    """Listen on both ports until SIGTERM or SIGINT."""
    catcher = Catcher()
    web = uvicorn.Server(uvicorn.Config(catcher.http, host=host, port=http_port, access_log=False))
    loop = asyncio.get_running_loop()
    async with await loop.create_server(catcher.smtp, host, smtp_port):
        await web.serve()


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
