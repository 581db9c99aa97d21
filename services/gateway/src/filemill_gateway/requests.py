"""What routes ask of a request: its body within bounds, its key, its trace."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from fastapi import Request

from filemill_common.language import InvalidDefinitionError, parse_yaml
from filemill_common.telemetry import current_traceparent
from filemill_gateway.core.bodies import check_values, parse_json
from filemill_gateway.core.definitions import located
from filemill_gateway.core.invalid import InvalidRequestError, problem
from filemill_gateway.problems import ProblemError

JSON: Final = frozenset({"application/json"})
YAML: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})

_SMALL: Final = 1 << 16
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


async def body_of(
    request: Request,
    *,
    limit: int,
    within: timedelta,
    types: Collection[str] = JSON,
    may_be_empty: bool = False,
) -> Any:
    """Read a body of JSON (or YAML, where ``types`` has it) of at most ``limit`` bytes.

    Where it may be empty, and is, it counts as ``{}``.

    Raises:
        ProblemError: It is too large, of another type, or still not there ``within`` that time.
        InvalidRequestError: It cannot be read, or holds what cannot be stored.
    """
    body = await raw_body_of(request, limit=limit, within=within, types=types)
    return {} if may_be_empty and not body.strip() else await parsed(request, body)


async def raw_body_of(request: Request, *, limit: int, within: timedelta, types: Collection[str]) -> bytes:
    """Take in a body as it is.

    Raises:
        ProblemError: It is too large, of another type, or still not there ``within`` that time.
    """
    media_type = media_type_of(request)
    if media_type and media_type not in types and not media_type.endswith("+json"):
        known = " or ".join(sorted(types))
        raise ProblemError("unsupported_media_type", f"send {known}, not {media_type[:80]!r}")
    refuse_declared(request, limit)
    body = bytearray()
    try:
        async with asyncio.timeout(within.total_seconds()):
            async for chunk in bounded(request.stream(), limit):
                body += chunk
    except TimeoutError as error:
        message = f"the body did not arrive within {within.total_seconds():g} s"
        raise ProblemError("too_slow", message, headers={"Connection": "close"}) from error
    return bytes(body)


async def parsed(request: Request, body: bytes) -> Any:
    """Read what `raw_body_of` took in.

    Raises:
        InvalidRequestError: It cannot be read, or holds what cannot be stored.
    """
    parse = _parse_yaml if media_type_of(request) in YAML else parse_json
    # A large one takes a second, in which others want to be answered too.
    return parse(body) if len(body) < _SMALL else await asyncio.to_thread(parse, body)


@asynccontextmanager
async def with_lines(body: bytes) -> AsyncIterator[None]:
    """Let all that is found wrong with a body say at which line and column of it that stands."""
    try:
        yield
    except InvalidRequestError as error:
        found = await asyncio.to_thread(located, body.decode(errors="replace"), error.problems)
        raise InvalidRequestError(found, code=error.code) from error


def _parse_yaml(body: bytes) -> Any:
    try:
        value = parse_yaml(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidRequestError([problem("invalid_yaml", "the body is no UTF-8")]) from error
    except InvalidDefinitionError as error:
        raise InvalidRequestError(error.problems) from error
    check_values(value)
    return value


def media_type_of(request: Request) -> str:
    """Give the media type of the body without its parameters; empty if it has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse_declared(request: Request, limit: int) -> None:
    """Refuse a body by the length that its sender declares, before any of it is read.

    Raises:
        ProblemError: It is too large.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(limit)


async def bounded(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Pass chunks on until there are more than ``limit`` bytes.

    Raises:
        ProblemError: There are.
    """
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def idempotency_key(request: Request) -> str | None:
    """Give the ``Idempotency-Key`` of a request.

    Raises:
        InvalidRequestError: It is empty, over 255 characters, or has others than visible ASCII ones.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        message = "Idempotency-Key is 1 to 255 visible ASCII characters"
        raise InvalidRequestError([problem("invalid_idempotency_key", message)])
    return key


def traceparent_of(request: Request) -> str | None:
    """Give the trace that a request belongs to, for the events it leads to."""
    # Where this process records no traces, the client's goes on as it came.
    found = current_traceparent() or request.headers.get("traceparent", "")
    return found if _TRACEPARENT.fullmatch(found) else None


def _too_large(limit: int) -> ProblemError:
    # What is left of the body is not read, so the connection cannot be used again.
    return ProblemError("too_large", f"the body has more than {limit} bytes", headers={"Connection": "close"})
