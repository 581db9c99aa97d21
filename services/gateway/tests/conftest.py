"""A gateway over a real store, made empty for each test."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from filemill_common.clock import utc_now
from filemill_common.storage import LocalStorage
from filemill_common.store import Files, Store, indexes
from filemill_gateway.admission import Admission
from filemill_gateway.app import create_app
from filemill_gateway.cache import MetadataCache
from filemill_gateway.dependencies import Dependencies, Limits
from filemill_gateway.live import Hub
from filemill_gateway.queries import Queries
from filemill_gateway.repository import Templates
from filemill_gateway.testing import Lot, Publisher, World


@pytest.fixture(scope="session")
async def session_store(mongod_address: tuple[str, str]) -> AsyncIterator[Store]:
    address, options = mongod_address
    store = Store(f"{address}/test_gateway?{options}", app_name="test")
    await indexes.ensure(store, indexes.INDEXES)
    yield store
    store.close()


@pytest.fixture(scope="session")
def mongod_address(mongo_url: str) -> tuple[str, str]:
    address, _, options = mongo_url.partition("?")
    return address.rstrip("/"), options


@pytest.fixture
async def store(session_store: Store) -> Store:
    """An empty store; its indexes are made once."""
    for name in ("tasks", "workflows", "files", "file_metadata", "deliveries", "templates", "history"):
        await session_store.collection(name).delete_many({})
    return session_store


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "files")


@pytest.fixture
def limits() -> Limits:
    return Limits(
        upload=100_000,
        appear=timedelta(milliseconds=300),
        probe=timedelta(milliseconds=500),
        repair=timedelta(milliseconds=300),
    )


@pytest.fixture
def admission() -> Admission:
    return Admission(at_once=5, backlog=100)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.end()


@pytest.fixture
def app(store: Store, storage: LocalStorage, limits: Limits, admission: Admission, hub: Hub) -> FastAPI:
    return create_app(
        Dependencies(
            publisher=Publisher(),
            queries=Queries(store),
            templates=Templates(store),
            aliases=Files(store),
            storage=storage,
            hub=hub,
            metadata=MetadataCache(size=2, life=timedelta(hours=1)),
            now=utc_now,
            admission=admission,
            lot=Lot(),
            limits=limits,
        )
    )


@pytest.fixture
async def world(app: FastAPI, store: Store, storage: LocalStorage) -> AsyncIterator[World]:
    needs = app.state.dependencies
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://filemill") as client:
        yield World(client, needs.publisher, store, storage, needs.hub, needs.metadata, needs.lot)


@pytest.fixture
def client(world: World) -> httpx.AsyncClient:
    return world.client
