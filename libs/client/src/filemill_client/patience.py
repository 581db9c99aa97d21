"""How long a call is tried again: a gateway that restarts is back within seconds."""

import email.utils
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import httpx
import tenacity

from filemill_client.errors import UnreachableError, refusal

Result = TypeVar("Result")

PATIENCE: Final = 60.0
"""Seconds that a call is tried again before it is given up."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 3.0
_AWAY: Final = frozenset({429, 502, 503, 504})
"""Statuses of a gateway that cannot now or has too much to do, or of a proxy whose gateway is not there."""

Notice = Callable[[str], None]
"""Is told, in a sentence, why a call is about to be tried again."""


class AwayError(Exception):
    """The gateway, or a proxy before it, says that it cannot now.

    Attributes:
        retry_after: Seconds after which it wants to be asked again; None if it does not say.
    """

    def __init__(self, response: httpx.Response) -> None:
        """Read what it says."""
        super().__init__(str(refusal(response)))
        self.retry_after = _seconds(response.headers.get("Retry-After", ""))


class NotYetError(Exception):
    """What was asked for may still come."""


BROKEN: Final = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
"""Errors of a connection that could not be made, or did not last."""

_PASSING: Final = (*BROKEN, AwayError, NotYetError)


def check(response: httpx.Response) -> httpx.Response:
    """Give an answer that is a yes.

    Raises:
        AwayError: It may be one later.
        RefusedError: It is a no.
    """
    if response.is_success:
        return response
    response.read()
    raise AwayError(response) if response.status_code in _AWAY else refusal(response)


def patiently(call: Callable[[], Result], *, url: str, seconds: float, notice: Notice) -> Result:
    """Call until it works, or fails for good, or ``seconds`` are over.

    Between tries there is a pause that grows from 0.1 to 3 s, in part random; a ``Retry-After`` that is
    longer is honoured, and up to half as long again is added. ``call`` is repeated whole, so what it sends
    carries an ``Idempotency-Key``.
    ``notice`` is told once, before the first pause; ``url``, the gateway's address, is for the sentences.

    Raises:
        UnreachableError: The time is over.
    """

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, AwayError) else None
        usual = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(state.attempt_number, 10))
        spread = random.uniform(0.5, 1)  # noqa: S311 - spreads clients, hides nothing
        return max(usual * spread, (asked or 0.0) * (0.5 + spread))

    def tell(state: tenacity.RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome is not None:
            notice(f"{_sentence(state.outcome.exception(), url)}; trying for {seconds:g} s")

    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_PASSING),
        stop=tenacity.stop_before_delay(seconds),
        wait=pause,
        before_sleep=tell,
        sleep=time.sleep,
        reraise=True,
    )
    try:
        return tries(call)
    except _PASSING as error:
        raise UnreachableError(_sentence(error, url)) from error
    except httpx.HTTPError as error:
        raise UnreachableError(f"cannot speak to {url}: {_reason(error)}") from error


def _sentence(error: BaseException | None, url: str) -> str:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return f"no gateway answers at {url} ({_reason(error)})"
        case httpx.TimeoutException():
            return f"{url} is silent"
        case AwayError() | NotYetError():
            return str(error)
        case _:
            return f"the connection to {url} broke ({_reason(error)})"


def _reason(error: BaseException | None) -> str:
    return str(error) or type(error).__name__


def _seconds(text: str) -> float | None:
    """Read a ``Retry-After``: seconds, or a date (RFC 9110, 10.2.3); None if it is neither."""
    if text.isdecimal() and len(text) < 10:
        return float(text)
    with suppress(ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None
