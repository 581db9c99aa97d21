"""What differs between one notifier and another."""

from typing import Annotated

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import NoDecode

from filemill_common.settings import StoreSettings


def _split(value: object) -> object:
    return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value


class NotifierSettings(StoreSettings):
    """Read once, in ``__main__``; everything below receives the values it needs."""

    smtp_host: str | None = Field(None, description="Mail server; without one no email is sent.")
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str = Field("filemill@localhost", description="Sender of email.")
    webhook_secret: SecretStr | None = Field(
        None, description="Keys to sign webhooks with, whsec_…, the newest first, with spaces between."
    )
    allowed_targets: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="Networks on the inside that webhooks may reach all the same: CIDRs with commas."
    )
