"""Webhooks and callbacks by HTTP: signed, to the outside only, and never following anybody anywhere."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

import httpx
from httpx_secure import SSRFProtectionError, httpx_ssrf_protection
from standardwebhooks import Webhook

from filemill_common.clock import utc_now
from filemill_common.telemetry import current_traceparent
from filemill_notifier.core.addresses import may_reach
from filemill_notifier.core.deliveries import Delivery, Outcome

TIMEOUT: Final = 10.0
_READ: Final = 1024

Network = IPv4Network | IPv6Network


class Web:
    """Posts JSON.

    Args:
        secrets: Keys to sign with (``whsec_…``), the newest first; all of them sign, so that keys can be
            changed without a gap. Without any, nothing is signed.
        allowed: Networks on the inside that may be reached all the same.
    """

    def __init__(self, secrets: Sequence[str], allowed: Sequence[str]) -> None:
        self._keys = tuple(Webhook(secret) for secret in secrets)
        networks: list[Network] = [ip_network(network) for network in allowed]
        self._client = httpx_ssrf_protection(
            httpx.AsyncClient(
                follow_redirects=False,
                timeout=TIMEOUT,
                trust_env=False,
                headers={"user-agent": "Filemill/1 (+webhooks)"},
            ),
            check_globally_reachable=False,  # ours below knows more addresses that lead inside
            custom_validator=lambda _, address, __: may_reach(address, networks),
            dns_cache_ttl=0,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, delivery: Delivery) -> Outcome:
        """Post once; a status of 300 or more is a failure, and 410 (gone) the last one."""
        body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":"))
        try:
            request = self._client.build_request(
                "POST",
                _web_url(delivery.target),
                content=body.encode(),
                headers=self._headers(delivery, body),
            )
            async with asyncio.timeout(TIMEOUT):  # in all: httpx's own counts for each read anew
                return await self._post(request)
        except (httpx.InvalidURL, SSRFProtectionError) as error:
            return Outcome(ok=False, code="target_refused", response=str(error), final=True)
        except (httpx.TimeoutException, TimeoutError):
            return Outcome(ok=False, code="timeout", response=f"no answer within {TIMEOUT:g} s")
        except httpx.HTTPError as error:
            return Outcome(ok=False, code="unreachable", response=f"{type(error).__name__}: {error}")

    async def _post(self, request: httpx.Request) -> Outcome:
        response = await self._client.send(request, stream=True)
        try:
            said = b""
            async for chunk in response.aiter_raw(_READ):
                said += chunk
                if len(said) >= _READ:
                    break
        finally:
            await response.aclose()
        return Outcome(
            ok=response.status_code < 300,
            code=str(response.status_code),
            response=said[:_READ].decode("utf-8", "replace"),
            final=response.status_code == 410,
            retry_after=_retry_after(response.headers.get("retry-after")),
        )

    def _headers(self, delivery: Delivery, body: str) -> dict[str, str]:
        now = utc_now()
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._keys:
            signed = (key.sign(delivery.id, now, body) for key in self._keys)
            headers["webhook-signature"] = " ".join(signed)
        if traceparent := current_traceparent() or delivery.traceparent:
            headers["traceparent"] = traceparent
        return headers


def _web_url(target: str) -> httpx.URL:
    """Read an address.

    Raises:
        httpx.InvalidURL: It is none, or none of the web.
    """
    url = httpx.URL(target)
    if url.scheme not in {"http", "https"} or not url.host:
        raise httpx.InvalidURL(f"{target[:200]!r} is no address of the web")
    return url


def _retry_after(value: str | None) -> timedelta | None:
    """Read ``Retry-After``: seconds or a date; nonsense is no wish."""
    if not value:
        return None
    try:
        if value.isdigit():
            return timedelta(seconds=min(int(value), 10**7))
        return max(timedelta(0), parsedate_to_datetime(value) - utc_now())
    except (ValueError, TypeError):
        return None
