"""Read what a stranger's client wrote wrong: one such message would end the connection, again and again.

The AMQP client gives up a connection with a frame that it cannot read: a name that is no UTF-8, a time in
microseconds that ends beyond the year 9999, tables a thousand levels deep. The broker passes all of them on,
and again on the next connection. Here they come out as something, so that who takes the message can park it.
"""

from datetime import datetime
from typing import Final

import structlog
from pamqp import decode
from pamqp.common import FieldTable

UNREADABLE: Final = "unreadable-headers"
"""The one header of a message whose headers could not be read: their bytes."""

_log = structlog.get_logger(__name__)


def install() -> None:
    """Let the AMQP client read all that the broker lets through."""
    decode.METHODS["table"] = _table
    decode.METHODS["shortstr"] = _short_text
    decode.METHODS["timestamp"] = _moment


def _table(value: bytes) -> tuple[int, FieldTable]:
    try:
        return decode.field_table(value)
    except (ValueError, OverflowError, RecursionError, ArithmeticError) as error:
        end = 4 + int.from_bytes(value[:4], "big")
        _log.warning("headers cannot be read", error=type(error).__name__)
        return end, {UNREADABLE: value[4:end]}


def _moment(value: bytes) -> tuple[int, datetime | None]:
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError):
        return 8, None


def _short_text(value: bytes) -> tuple[int, str]:
    end = 1 + value[0]
    return end, value[1:end].decode(errors="replace")
