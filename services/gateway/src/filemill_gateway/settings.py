"""What differs between one gateway and another."""

from datetime import timedelta

from pydantic import ByteSize, Field, HttpUrl

from filemill_common.settings import StorageSettings, StoreSettings


class GatewaySettings(StoreSettings, StorageSettings):
    """Read once, in ``__main__``; everything below receives the values it needs."""

    max_upload: ByteSize = Field(
        ByteSize(10_000_000_000), gt=0, description="The largest file that is taken, such as 500MB or 2GiB."
    )
    submissions_at_once: int = Field(
        64, ge=1, le=10_000, description="Submissions and commands under way at once; more are refused."
    )
    max_backlog: int = Field(
        10_000, ge=0, description="Messages that may wait for the scheduler; beyond them nothing is taken."
    )
    metrics_url: HttpUrl | None = Field(
        None, description="Where people look at metrics, Grafana or Prometheus; the page links to it."
    )
    metadata_cache_entries: int = Field(
        1_000, ge=0, le=1_000_000, description="Files whose metadata the process remembers."
    )
    metadata_cache_ttl: timedelta = Field(
        timedelta(minutes=10), gt=timedelta(0), description="How long it remembers each of them."
    )
