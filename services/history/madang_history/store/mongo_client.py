"""MongoDB through motor: the one place that knows the client library.

Everything behind it uses only calls that pymongo's own `AsyncMongoClient` has too; that one's
`close` is awaited and its `start_session` is not, which is all that would change, here.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from bson import Timestamp
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pydantic import SecretStr
from pymongo import IndexModel, ReadPreference
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from madang_common.settings import CannotStart
from madang_history.store.port import StoreUnavailable

Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
Session = AsyncIOMotorClientSession

_NAMESPACE_EXISTS = 48


@asynccontextmanager
async def connected(
    url: SecretStr,
    database: str,
    *,
    timeout_seconds: float,
    connections: int,
    listeners: Sequence[CommandListener] = (),
) -> AsyncIterator[Database]:
    """Yield `database`, read as a majority has it and written to the journals of a majority.

    Nothing is connected yet. Finding a server, connecting, and each command take at most
    `timeout_seconds` each; at most `connections` are open to a server. Raise CannotStart if the
    URL is none of MongoDB.
    """
    milliseconds = int(timeout_seconds * 1000)
    try:
        client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            url.get_secret_value(),
            appname="madang-history",
            maxPoolSize=connections,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            waitQueueTimeoutMS=milliseconds,
            event_listeners=list(listeners),
        )
    except (ConfigurationError, ValueError):
        # Without its text, which may hold a part of the password.
        raise CannotStart(
            "MADANG_MONGO_URL cannot be understood: it is like mongodb://user:password@host:27017"
        ) from None
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
    """Raise StoreUnavailable for whatever MongoDB or the way to it breaks on.

    Its cause has the addresses and the reason, which are for the log and not for clients.
    """
    try:
        yield
    except PyMongoError as error:
        raise StoreUnavailable(
            "The message store does not answer; try again in a moment."
        ) from error


async def define(
    database: Database, name: str, schema: Document, indexes: Sequence[IndexModel] = ()
) -> Collection:
    """Return the collection `name` with its `indexes`, which refuses documents unlike `schema`."""
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


class Causal:
    """Reads that never see less than those before them, even when another server takes over.

    A new primary may be slow to learn what a majority has: without this, progress that was read
    from the old one could be ahead of the events that are read from the new one.
    """

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._operation_time: Timestamp | None = None
        self._cluster_time: Document | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Yield a session for one operation after all that were finished before."""
        async with await self._client.start_session() as session:
            if self._operation_time is not None and self._cluster_time is not None:
                session.advance_cluster_time(self._cluster_time)
                session.advance_operation_time(self._operation_time)
            yield session
            self._remember(session)

    # Any, for motor's types take these properties for methods.
    def _remember(self, session: Any) -> None:
        seen: Timestamp | None = session.operation_time
        if seen is not None and (self._operation_time is None or seen > self._operation_time):
            self._operation_time, self._cluster_time = seen, session.cluster_time
