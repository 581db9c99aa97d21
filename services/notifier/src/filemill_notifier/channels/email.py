"""Email by SMTP."""

import asyncio
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib
from jinja2 import Environment
from pydantic import SecretStr

from filemill_notifier.core.deliveries import Delivery, Outcome

_TIMEOUT = 30.0

_TEXT = """{{ heading }}

{% for name, value in lines %}{{ name }}: {{ value }}
{% endfor %}"""

_HTML = """<!doctype html>
<html><body style="font-family: sans-serif">
<h2>{{ heading }}</h2>
<table>
{% for name, value in lines %}<tr><th align="left">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</table>
</body></html>"""

_text = Environment(autoescape=False).from_string(_TEXT)  # noqa: S701 - plain text is not HTML
_html = Environment(autoescape=True).from_string(_HTML)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over.

    Attributes:
        sender: Address in ``From``.
    """

    host: str
    port: int
    sender: str
    username: str | None = None
    password: SecretStr | None = None


class Email:
    """Sends email; STARTTLS where the server offers it.

    Args:
        server: Where mail is handed over; None if nobody said.
    """

    def __init__(self, server: Server | None) -> None:
        self._server = server

    async def send(self, delivery: Delivery) -> Outcome:
        """Hand the message over to the server; a refusal for good (5xx) ends the delivery."""
        server = self._server
        if server is None:
            said = "no mail server is set: set FILEMILL_SMTP_HOST"
            return Outcome(ok=False, code="email_not_configured", response=said, final=True)
        try:
            message = compose(delivery, sender=server.sender)
        except ValueError as error:
            return Outcome(ok=False, code="invalid_address", response=str(error), final=True)
        try:
            async with asyncio.timeout(_TIMEOUT):  # in all: aiosmtplib's own counts for each command anew
                _, response = await aiosmtplib.send(
                    message,
                    hostname=server.host,
                    port=server.port,
                    username=server.username,
                    password=server.password.get_secret_value() if server.password else None,
                    timeout=_TIMEOUT,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            return Outcome(
                ok=False, code=str(codes[0]), response=str(error), final=all(c >= 500 for c in codes)
            )
        except aiosmtplib.SMTPResponseException as error:
            return Outcome(ok=False, code=str(error.code), response=error.message, final=error.code >= 500)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outcome(ok=False, code="smtp_unavailable", response=str(error))
        return Outcome(ok=True, code="250", response=response)


def compose(delivery: Delivery, *, sender: str) -> EmailMessage:
    """Write the message; its ``Message-ID`` is the same in each try, so that a repetition shows as one.

    Raises:
        ValueError: The recipient is no address; a line break in it cannot become a header.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = Address(addr_spec=delivery.target)
    message["Subject"] = " ".join(str(delivery.payload["subject"]).split())
    message["Date"] = format_datetime(delivery.created_at)
    message["Message-ID"] = f"<{delivery.id}@{sender.rpartition('@')[2]}>"
    message["X-Filemill-Event"] = delivery.event_type
    message.set_content(_text.render(delivery.payload))
    message.add_alternative(_html.render(delivery.payload), subtype="html")
    return message
