"""What a worker is told from outside."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, PositiveInt, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from filemill_common.messaging.topology import DEFAULT_POOL
from filemill_common.settings import StorageSettings

_LIGHT_SLOTS = 16
"""The default pool's tasks mostly wait, and a slot that waits costs a channel."""

_Named = TypeVar("_Named", tuple[str, ...], Mapping[str, int])


def _names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _object(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


class WorkerSettings(StorageSettings):
    """Read once, in ``__main__``."""

    worker_pools: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        (), description="Pools to take work from, with commas between; all if unset."
    )
    worker_slots: Annotated[Mapping[str, PositiveInt], NoDecode, BeforeValidator(_object)] = Field(
        {},
        description="JSON: pool to the number of tasks that may run side by side. A pool not named gets "
        "half as many as there are processors, at least 2; the default pool gets 16.",
    )
    sandbox: Literal["bwrap", "pod"] = Field(
        "bwrap", description="Where foreign files are read: in bubblewrap, or trusting the container."
    )
    scratch: Path | None = Field(
        None, description="Folder for work in progress; 'scratch' in the storage's root if unset."
    )

    @field_validator("worker_pools", "worker_slots")
    @classmethod
    def _know_the_pools(cls, value: _Named, info: ValidationInfo) -> _Named:
        pools = info.data.get("pools", {})
        unknown = sorted(set(value) - set(pools))
        if pools and unknown:
            raise ValueError(f"there is no pool {', '.join(unknown)}; there are {', '.join(pools)}")
        return value

    @property
    def scratch_root(self) -> Path:
        """Where the folders for work in progress go; on the storage's disk a result is only renamed."""
        return self.scratch or self.storage_root / "scratch"

    def slots(self) -> Mapping[str, int]:
        """Give the number of slots of each pool that work is taken from."""
        return {
            pool: self.worker_slots.get(pool, _LIGHT_SLOTS if pool == DEFAULT_POOL else _heavy_slots())
            for pool in self.worker_pools or tuple(self.pools)
        }


def _heavy_slots() -> int:
    """Leave each of the programs, which have several threads, about two processors."""
    return max(2, len(os.sched_getaffinity(0)) // 2)
