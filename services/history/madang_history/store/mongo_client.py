"""MongoDB through motor, for the store and the leases in its database.

Only this module imports motor. All callers use the API that pymongo's `AsyncMongoClient` shares;
to switch, only `close` (awaited there) and `start_session` (not awaited) change, both here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from bson import Timestamp
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import IndexModel, ReadPreference, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, ConfigurationError, OperationFailure, PyMongoError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from madang_common.settings import CannotStart
from madang_history.endpoint import INVALID_URL, MongoEndpoint
from madang_history.store.port import StoreUnavailable

Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
Session = AsyncIOMotorClientSession

A = TypeVar("A")
B = TypeVar("B")

_NAMESPACE_EXISTS = 48
_MAX_IDLE = 100
"""Sessions kept for operations that run at the same time."""
_IDLE_SECONDS = 60
"""Idle time after which a session is not used again; MongoDB ends one after 30 minutes."""
_DUPLICATE_KEY = 11000


class WriteRefused(PyMongoError):  # noqa: N818 - names what happened
    """MongoDB did not store all documents, or no majority confirmed them in time."""

    def __init__(self, reasons: str, *, refused: int) -> None:
        super().__init__(f"{refused} documents refused: {reasons}")


@asynccontextmanager
async def connected(
    endpoint: MongoEndpoint,
    database: str,
    *,
    timeout_seconds: float,
    connections: int,
    listeners: Sequence[CommandListener] = (),
) -> AsyncIterator[Database]:
    """Yield `database` with majority read concern and journaled majority write concern.

    It connects on the first command. `timeout_seconds` bounds each of: server selection, connecting
    and a command; at most `connections` are open per server. Raise CannotStart if a URL is invalid.
    """
    milliseconds = int(timeout_seconds * 1000)
    try:
        client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            **endpoint.options,
            appname="madang-history",
            maxPoolSize=connections,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            waitQueueTimeoutMS=milliseconds,
            event_listeners=list(listeners),
        )
    except (ConfigurationError, ValueError):
        # Without the error's text, which may contain a part of the password.
        raise CannotStart(INVALID_URL) from None
    try:
        yield client.get_database(
            database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", wtimeout=milliseconds, j=True),
        )
    finally:
        client.close()


@contextmanager
def unavailable() -> Iterator[None]:
    """Convert all errors of pymongo to StoreUnavailable.

    The cause has addresses and the reason, which are for the log and not for clients.
    """
    try:
        yield
    except PyMongoError as error:
        raise StoreUnavailable("The message store does not answer; retry in a moment.") from error


async def define_collection(
    database: Database, name: str, schema: Document, indexes: Sequence[IndexModel] = ()
) -> Collection:
    """Create or update the collection `name` with a validator for `schema` and `indexes`."""
    validator = {"$jsonSchema": schema}
    try:
        await database.create_collection(name, check_exists=False, validator=validator)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise
    await database.command("collMod", name, validator=validator)
    collection = database[name]
    if indexes:
        await collection.create_indexes(list(indexes))
    return collection


async def insert_new(
    collection: Collection, documents: Sequence[Document], session: Session
) -> list[int]:
    """Insert `documents`; return the indexes of those that duplicate a stored one.

    Raise PyMongoError, whose text has none of the documents.
    """
    if not documents:
        return []
    try:
        # Unordered, so that a duplicate does not stop the others.
        await collection.insert_many(documents, ordered=False, session=session)
    except BulkWriteError as error:
        refused = error.details["writeErrors"]
        all_duplicates = all(one["code"] == _DUPLICATE_KEY for one in refused)
        if not all_duplicates or error.details["writeConcernErrors"]:
            raise _without_documents(error.details) from None
        return [one["index"] for one in refused]
    return []


async def write_all(
    collection: Collection,
    writes: Sequence[ReplaceOne[Document] | UpdateOne | UpdateMany],
    session: Session,
) -> int:
    """Run `writes`, in any order; return how many documents they selected.

    Raise PyMongoError, whose text has none of the documents.
    """
    if not writes:
        return 0
    try:
        result = await collection.bulk_write(writes, ordered=False, session=session)
    except BulkWriteError as error:
        raise _without_documents(error.details) from None
    return result.matched_count


async def both(one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """Run two operations at once; return their results, or raise once both have ended."""
    results = await asyncio.gather(one, other, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]  # neither is an exception


def _without_documents(details: Mapping[str, Any]) -> WriteRefused:
    """Return the error of a bulk write without the documents, which have what people wrote."""
    refused = [one for one in details["writeErrors"] if one["code"] != _DUPLICATE_KEY]
    reasons = {f"{one['errmsg']} ({one['code']})" for one in details["writeConcernErrors"]}
    reasons |= {f"{one['errmsg']} ({one['code']})" for one in refused}
    return WriteRefused("; ".join(sorted(reasons)), refused=len(refused))


class CausalSessions:
    """Causally consistent sessions: each sees at least what all earlier ones saw.

    A new primary may not know the latest majority commits yet. Without this, progress read from the
    old primary could be ahead of events read from the new one.

    Sessions are used again, one operation after the other: motor starts each in a thread, which
    takes as long as a small read.
    """

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._operation_time: Timestamp | None = None
        self._cluster_time: Document | None = None
        self._idle: list[tuple[float, Session]] = []
        """Sessions to use again, with the time of their last use; the last used one last."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Yield a session for one operation."""
        session = await self._idle_session() or await self._client.start_session()
        try:
            if self._operation_time is not None and self._cluster_time is not None:
                session.advance_cluster_time(self._cluster_time)
                session.advance_operation_time(self._operation_time)
            yield session
            self._advance(session)
        except BaseException:
            # An operation that failed or was cancelled may still run in this session.
            await session.end_session()
            raise
        if len(self._idle) < _MAX_IDLE:
            self._idle.append((time.monotonic(), session))
        else:
            await session.end_session()

    async def close(self) -> None:
        """End the idle sessions."""
        while self._idle:
            await self._idle.pop()[1].end_session()

    async def _idle_session(self) -> Session | None:
        """Return the most recently used session; end all idle ones if it is too old."""
        if self._idle and time.monotonic() - self._idle[-1][0] > _IDLE_SECONDS:
            await self.close()
        return self._idle.pop()[1] if self._idle else None

    # Any, because motor's types declare these properties as methods.
    def _advance(self, session: Any) -> None:
        at: Timestamp | None = session.operation_time
        if at is not None and (self._operation_time is None or at > self._operation_time):
            self._operation_time, self._cluster_time = at, session.cluster_time
