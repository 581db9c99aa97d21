"""Settings that several services have; read once from the environment, and passed down as values."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AmqpDsn, BeforeValidator, Field, MongoDsn, Secret, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from filemill_common.messaging.topology import POOLS, Topology

Kind = TypeVar("Kind", bound=BaseSettings)


def _pools(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


Pools = Annotated[Mapping[str, Sequence[str]], NoDecode, BeforeValidator(_pools)]


class BusSettings(BaseSettings):
    """What all that speak to RabbitMQ must agree on."""

    model_config = SettingsConfigDict(env_prefix="FILEMILL_", frozen=True, extra="ignore")

    rabbit_url: Secret[AmqpDsn] = Field(description="Where RabbitMQ is, with its credentials.")
    partitions: int = Field(
        1, ge=1, le=1024, description="Queues of the scheduler; the same everywhere, changed only when empty."
    )
    pools: Pools = Field(
        default_factory=lambda: POOLS,
        description='JSON: pool to patterns of task types, such as {"video": ["video_*"]}.',
    )
    topology_is: Literal["declared", "given"] = Field(
        "declared",
        validation_alias="FILEMILL_TOPOLOGY",
        description="Whether exchanges and queues are declared here, or only looked for.",
    )

    @property
    def topology(self) -> Topology:
        """What differs between installations of the bus."""
        return Topology(self.partitions, self.pools, given=self.topology_is == "given")


class Settings(BusSettings):
    """Read once, in ``__main__``; everything below receives the values it needs.

    Set them through the environment: ``FILEMILL_RABBIT_URL``, ``FILEMILL_HTTP_PORT=8081``.
    """

    http_host: str = Field("127.0.0.1", description="Where HTTP (health, metrics, the API) listens.")
    http_port: int = Field(ge=1, le=65_535, description="The port of it.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    otlp_endpoint: str | None = Field(
        None, description="Collector that traces go to, such as http://collector:4318; none if unset."
    )
    otlp_protocol: Literal["http", "grpc"] = Field("http", description="How the collector is spoken to.")
    trace_ratio: float = Field(
        1.0, ge=0, le=1, description="Share of the traces that are recorded, where no client decided it."
    )


class StoreSettings(Settings):
    """Settings of a service that reads or writes state."""

    mongo_url: Secret[MongoDsn] = Field(description="Where MongoDB is: a replica set, and its database.")


class StorageSettings(Settings):
    """Settings of a service that handles files."""

    storage_root: Path = Field(description="Folder of the files, shared by gateway and workers.")


def read(kind: type[Kind]) -> Kind:
    """Read settings from the environment; ends the process with a sentence a setting, if they are wrong."""
    try:
        return kind()
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            name = "FILEMILL_" + "_".join(str(part) for part in fault["loc"][:1]).upper().removeprefix(
                "FILEMILL_"
            )
            missing = fault["type"] == "missing"
            sys.stderr.write(f"Set {name}: it has no default.\n" if missing else f"{name}: {fault['msg']}.\n")
        sys.exit(2)
