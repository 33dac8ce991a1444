"""MongoDB through motor, for the store and the leases in its database.

Only this module imports motor. All callers use the API that pymongo's `AsyncMongoClient` shares;
to switch, only `close` (awaited there) and `start_session` (not awaited) change, both here.
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
    """Yield `database` with majority read concern and journaled majority write concern.

    It connects on the first command. `timeout_seconds` bounds each of: server selection, connecting
    and a command; at most `connections` are open per server. Raise CannotStart if `url` is invalid.
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
        # Without the error's text, which may contain a part of the password.
        raise CannotStart(
            "MADANG_MONGO_URL is invalid; expected mongodb://user:password@host:27017"
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


class CausalSessions:
    """Causally consistent sessions: each sees at least what all earlier ones saw.

    A new primary may not know the latest majority commits yet. Without this, progress read from the
    old primary could be ahead of events read from the new one.
    """

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._operation_time: Timestamp | None = None
        self._cluster_time: Document | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Yield a session for one operation."""
        async with await self._client.start_session() as session:
            if self._operation_time is not None and self._cluster_time is not None:
                session.advance_cluster_time(self._cluster_time)
                session.advance_operation_time(self._operation_time)
            yield session
            self._advance(session)

    # Any, because motor's types declare these properties as methods.
    def _advance(self, session: Any) -> None:
        time: Timestamp | None = session.operation_time
        if time is not None and (self._operation_time is None or time > self._operation_time):
            self._operation_time, self._cluster_time = time, session.cluster_time
