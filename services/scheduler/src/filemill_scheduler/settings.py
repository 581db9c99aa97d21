"""What differs between one scheduler and another."""

from datetime import timedelta

from pydantic import Field

from filemill_common.settings import StoreSettings


class SchedulerSettings(StoreSettings):
    """Read once, in ``__main__``; everything below receives the values it needs."""

    metadata_ttl: timedelta = Field(
        timedelta(days=7),
        gt=timedelta(0),
        description="How long the metadata of a file, by its digest, is kept.",
    )
