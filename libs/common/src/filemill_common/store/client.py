"""One MongoDB database, its clock, its transactions; a library's errors become ours here."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import pymongo
from bson import Binary
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from opentelemetry.trace import SpanKind
from pymongo import ReadPreference
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from filemill_common.errors import FilemillError
from filemill_common.health import Health
from filemill_common.store.metrics import Watch
from filemill_common.telemetry import span

Document = dict[str, Any]
Session = AsyncIOMotorClientSession
Collection = AsyncIOMotorCollection[Document]
Result = TypeVar("Result")

_DUPLICATE_KEY: Final = 11000
_COMMITTING: Final = {"db.system.name": "mongodb", "db.operation.name": "commitTransaction"}
_TRANSIENT: Final = "TransientTransactionError"
_UNKNOWN_COMMIT: Final = "UnknownTransactionCommitResult"
_SELECTION: Final = 5_000
"""Milliseconds to wait for a primary: longer than an election on a healthy set, shorter than a request."""

_SILENT: Final = 5_000
"""Milliseconds after which a server that says nothing counts as gone, twice: idle, then asked."""

_LOOK_EVERY: Final = 2.0
"""Seconds between looks whether it is there."""


class StoreUnavailableError(FilemillError):
    """MongoDB cannot be reached or has no primary; what was asked may be asked again."""

    code = "store_unavailable"
    retryable = True


class ConflictError(FilemillError):
    """Somebody else stored first: load anew and decide again."""

    code = "conflict"
    retryable = True


class StoreRefusedError(FilemillError):
    """MongoDB refuses what was asked, and would again."""

    code = "store_refused"
    retryable = False


@contextmanager
def translated() -> Iterator[None]:
    """Raise the driver's errors as ours: away, conflict, or refused.

    Raises:
        StoreUnavailableError: No connection, no primary, or a time-out.
        ConflictError: A duplicate key, or anything that the server calls a transient transaction error.
        StoreRefusedError: Everything else.
    """
    try:
        yield
    except PyMongoError as error:
        raise _ours(error) from error


def _ours(error: PyMongoError) -> FilemillError:
    if isinstance(error, (ConnectionFailure, ExecutionTimeout)):
        return StoreUnavailableError(f"MongoDB is not available: {error}")
    if isinstance(error, DuplicateKeyError) or error.has_error_label(_TRANSIENT):
        return ConflictError(f"another writer was first: {error}")
    if isinstance(error, BulkWriteError):
        codes = {failure.get("code") for failure in error.details.get("writeErrors", [])}
        if codes <= {_DUPLICATE_KEY, 112} and codes:
            return ConflictError(f"another writer was first: {error}")
    if isinstance(error, InvalidOperation) or error.timeout:
        return StoreUnavailableError(f"MongoDB is not available: {error}")
    if isinstance(error, OperationFailure) and error.has_error_label("RetryableWriteError"):
        return StoreUnavailableError(f"MongoDB is not available: {error}")
    return StoreRefusedError(f"MongoDB refuses: {error}")


class Store:
    """A client of one database; safe to share, to be closed at the end.

    Writes are acknowledged by a majority and journaled; reads see what a majority has.

    Args:
        url: ``mongodb://…/<database>``; without a database name it is ``filemill``.
        app_name: Shown in the server's log and current operations.
    """

    def __init__(self, url: str, *, app_name: str) -> None:
        self._app_name = app_name
        self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            url,
            appname=app_name,
            tz_aware=True,
            serverSelectionTimeoutMS=_SELECTION,
            connectTimeoutMS=_SILENT,
            heartbeatFrequencyMS=_SILENT,
            uuidRepresentation="standard",
            event_listeners=[Watch()],
        )
        # No explicit ``j``: it would wait for the journal's 100 ms timer instead of flushing at once;
        # a majority write on a replica set is journaled by default.
        self._database: AsyncIOMotorDatabase[Document] = self._client.get_default_database(
            "filemill",
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )

    @property
    def name(self) -> str:
        """The name of the database."""
        return str(self._database.name)

    def collection(self, name: str) -> Collection:
        """Give a collection by its name."""
        return self._database[name]

    async def now(self) -> datetime:
        """Tell the store's time, which is the one that decides.

        Raises:
            StoreUnavailableError: It cannot be reached.
        """
        with translated():
            answer = await self._client.admin.command("hello")
        moment: datetime = answer["localTime"]
        return moment.astimezone(UTC)

    async def administer(self, **command: Any) -> Document:
        """Have the server do something to its ``admin`` database, its users and roles.

        Raises:
            StoreUnavailableError: It cannot be reached.
            StoreRefusedError: It may not be done.
        """
        with translated():
            answer: Document = await self._client.admin.command(command)
        return answer

    async def watch(self, health: Health) -> None:
        """Say whether it is there, for ever (check ``store``); who uses it finds out by itself."""
        while True:
            try:
                with pymongo.timeout(_SELECTION / 1000):
                    await self.now()
            except StoreUnavailableError:
                health.set("store", ok=False, detail="MongoDB cannot be reached")
            else:
                health.set("store", ok=True)
            await asyncio.sleep(_LOOK_EVERY)

    async def ready(self) -> None:
        """Return once a primary answers; waits for ever, since a service that cannot is not ready."""
        while True:
            try:
                await self.now()
            except StoreUnavailableError:
                await asyncio.sleep(0.2)  # the driver itself has waited already
            else:
                return

    async def in_transaction(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Do ``work`` so that all that it writes is kept, or nothing.

        It reads a snapshot of the primary. A commit whose outcome is unknown is repeated, which is safe.
        Nothing else is repeated here: on a conflict the caller loads anew.

        Raises:
            ConflictError: Another writer was first.
            StoreUnavailableError: It cannot be reached; whether it was kept is then unknown.
        """
        with translated():
            async with self._session() as session:
                session.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern("majority"),
                    read_preference=ReadPreference.PRIMARY,
                )
                result = await work(session)
                with span("commit", _COMMITTING, kind=SpanKind.CLIENT):
                    await _commit(session)
                return result

    async def end_abandoned(self, *, idle: timedelta) -> int:
        """End transactions of our name that nobody went on with for so long; tell how many there were.

        The server cannot tell a dead client from a slow one, and keeps locked for a minute what a killed or
        frozen process wrote. One that was only slow finds its transaction gone, and begins anew.

        Raises:
            StoreUnavailableError: It cannot be reached.
        """
        abandoned: list[Document] = [
            {"$currentOp": {"idleSessions": True}},
            {
                "$match": {
                    "appName": self._app_name,
                    "transaction.timeInactiveMicros": {"$gt": idle / timedelta(microseconds=1)},
                }
            },
        ]
        with translated():
            found = await self._client.admin.aggregate(abandoned).to_list(None)
            if found:
                sessions = [{"id": Binary.from_uuid(each["lsid"]["id"])} for each in found]
                await self._client.admin.command("killSessions", sessions)
        return len(found)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        session = await self._client.start_session()
        try:
            yield session
        finally:  # ending a session aborts what is still open
            await session.end_session()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


async def _commit(session: Session) -> None:
    """Commit, and repeat while the server cannot say whether it did; at most about five seconds."""
    for tries in range(10):
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if tries == 9 or not error.has_error_label(_UNKNOWN_COMMIT):
                raise
            await asyncio.sleep(random.uniform(0, 0.1 * (tries + 1)))  # noqa: S311 - spreads rivals out
        else:
            return
