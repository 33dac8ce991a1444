"""The production database: MySQL or MariaDB, shared by all replicas of this service.

Reads and writes have a pool of connections each. A read is READ ONLY on one snapshot (REPEATABLE
READ). A query is a read whose statements are transactions of their own, so that there is none to
end and each costs one round trip. A write is READ COMMITTED: each statement sees the commits before
it, which is the newest state under the row locks that every change takes first. The outbox has a
connection of its own, whose named lock lets one replica at a time publish it. Health checks have
one too.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, NullPool, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_fixed
from typing_extensions import override

from madang_common.settings import CannotStart
from madang_rooms.endpoint import MySqlEndpoint
from madang_rooms.storage import schema
from madang_rooms.storage.database import Database

log = structlog.get_logger()

_OUTBOX_LOCK_SECONDS = 1
_MIGRATION_SECONDS = 60
_CONNECT_PAUSE_SECONDS = 0.2
_PING_SECONDS = 1
"""A pooled connection that was idle for longer is pinged before it is used."""
_IDLE_SINCE = "madang.idle_since"
_IN_SNAPSHOT = "madang.in_snapshot"
_WAIT_PAUSE_SECONDS = 0.5

_READING = "REPEATABLE READ, READ ONLY"
_WRITING = "READ COMMITTED, READ WRITE"

# A named lock is global to the server, so its name includes the database; 64 characters at most.
_LOCK_NAME = "CONCAT('madang.', :purpose, '.', LEFT(SHA2(DATABASE(), 256), 32))"
_GET_LOCK = text(f"SELECT GET_LOCK({_LOCK_NAME}, :seconds)")
_RELEASE_LOCK = text(f"SELECT RELEASE_LOCK({_LOCK_NAME})")
_OUTBOX = {"purpose": "outbox"}
_MIGRATION = {"purpose": "migration"}

_DEADLOCK = 1213
_LOCK_WAIT_TIMEOUT = 1205
_AWAY = frozenset({1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
"""Errors: too many connections, shutting down, killed, no connection, lost connection."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Pool size and timeouts."""

    pool_size: int = 10
    """Connections for reads, and as many again for writes."""
    wait_seconds: float = 5
    """Longest wait for a connection, pooled or new."""
    lock_seconds: int = 2
    """Longest wait for a row lock."""
    statement_seconds: int = 10
    """Longest run of a statement."""
    idle_seconds: int = 60
    """Silence after which the server closes a connection and releases its locks."""
    start_seconds: float = 30
    """Longest wait for the database at the start."""


class MySqlDatabase(Database):
    """One replica's connections to the shared database."""

    def __init__(
        self,
        reading: AsyncEngine,
        writing: AsyncEngine,
        outbox: AsyncEngine,
        health: AsyncEngine,
    ) -> None:
        """Lock, read and delete the outbox on a connection of `outbox`; ping on one of `health`.

        `reading` is an engine with autocommit, for queries; reads begin a transaction on it.
        """
        super().__init__(
            _with_snapshots(reading),
            writing,
            querying=reading,
            is_retryable=_is_retryable,
            is_rolled_back=_is_rolled_back,
        )
        self._outbox = outbox
        self._health = health

    @override
    async def ping(self) -> None:
        # Requests may use all other connections of a busy replica.
        async with self._session(self._health) as session:
            await session.execute(text("SELECT 1"))

    @asynccontextmanager
    @override
    async def lock_outbox(self) -> AsyncIterator[Database | None]:
        try:
            async with self._outbox.connect() as connection:
                if not await _locked(connection, _OUTBOX, _OUTBOX_LOCK_SECONDS):
                    yield None
                    return
                try:
                    # On the connection that holds the lock: if it is lost, nothing is written.
                    yield Database(
                        connection,
                        connection,
                        is_retryable=_is_retryable,
                        is_rolled_back=_is_rolled_back,
                    )
                    await connection.execute(_RELEASE_LOCK, _OUTBOX)
                    await connection.commit()
                except BaseException:
                    await connection.invalidate()  # the server then releases the lock
                    raise
        except (OperationalError, InterfaceError, InternalError) as error:
            raise self._unavailable(error) from error

    @override
    async def close(self) -> None:
        await super().close()
        await self._outbox.dispose()
        await self._health.dispose()


async def open_mysql(endpoint: MySqlEndpoint, limits: Limits) -> MySqlDatabase:
    """Open the database at `endpoint`.

    Raise CannotStart if it does not answer, WrongRevision if its schema is not this version's.
    """
    reading = _engine(endpoint, limits, _READING, limits.pool_size, autocommit=True)
    database = MySqlDatabase(
        reading,
        _engine(endpoint, limits, _WRITING, limits.pool_size),
        _engine(endpoint, limits, _WRITING, 1),
        _engine(endpoint, limits, _READING, 1),
    )
    try:
        async with _connect(reading, limits.start_seconds) as connection:
            await connection.run_sync(schema.check)
    except BaseException:
        await database.close()
        raise
    return database


async def migrate(endpoint: MySqlEndpoint, *, start_seconds: float, revision: str = "head") -> None:
    """Migrate the database at `endpoint` to `revision`; concurrent migrations wait for each other.

    MySQL commits after each statement of a migration; a migration that was killed continues when
    it runs again. Raise CannotStart if the database does not answer, another migration takes too
    long, or this one fails.
    """
    limits = Limits(lock_seconds=_MIGRATION_SECONDS, statement_seconds=0, idle_seconds=28_800)
    engine = _engine(endpoint, limits, _WRITING, None)
    try:
        async with _connect(engine, start_seconds) as connection:
            if not await _locked(connection, _MIGRATION, _MIGRATION_SECONDS):
                raise CannotStart("another migration is running")
            await connection.run_sync(schema.migrate, revision)
            await connection.commit()
    except DBAPIError as error:
        raise CannotStart(f"the database: {error.orig}") from error
    finally:
        await engine.dispose()


async def wait(endpoint: MySqlEndpoint, *, seconds: float) -> None:
    """Return when the schema at `endpoint` is at this version's revision; raise CannotStart.

    Only reads. Any failure may be temporary while servers and users are being made, so all are
    retried for `seconds`; each change of the reason is logged.
    """
    engine = _engine(endpoint, Limits(), _READING, None)
    reason: CannotStart | None = None
    try:
        async with asyncio.timeout(seconds):
            while (found := await _unusable(engine)) is not None:
                if str(found) != str(reason):
                    state = "schema" if isinstance(found, schema.WrongRevision) else "database"
                    log.info("waiting", what=state, reason=str(found))
                reason = found
                await asyncio.sleep(_WAIT_PAUSE_SECONDS)
    except TimeoutError:
        raise CannotStart(f"after {seconds:g} s: {reason or 'the database: no answer'}") from None
    finally:
        await engine.dispose()
    log.info("schema_ready")


async def _unusable(engine: AsyncEngine) -> CannotStart | None:
    """Return why the schema at `engine` cannot be used, or None if it can."""
    try:
        async with engine.connect() as connection:
            await connection.run_sync(schema.check)
    except schema.WrongRevision as error:
        return error
    except DBAPIError as error:
        return CannotStart(f"the database: {error.orig}")
    return None


@asynccontextmanager
async def _connect(engine: AsyncEngine, seconds: float) -> AsyncIterator[AsyncConnection]:
    """Open a connection, retrying for `seconds` while the database starts; raise CannotStart."""

    async def attempt() -> AsyncConnection:
        return await engine.connect()

    retrying = AsyncRetrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, DBAPIError) and _is_retryable(error)
        ),
        wait=wait_fixed(_CONNECT_PAUSE_SECONDS),
        stop=stop_before_delay(seconds),
        reraise=True,
    )
    try:
        connection: AsyncConnection = await retrying(attempt)
    except DBAPIError as error:
        raise CannotStart(f"the database: {error.orig}") from error
    try:
        yield connection
    finally:
        await connection.close()


def _engine(
    endpoint: MySqlEndpoint,
    limits: Limits,
    transactions: str,
    pool_size: int | None,
    *,
    autocommit: bool = False,
) -> AsyncEngine:
    """Return an engine; with `autocommit` each statement is a transaction of its own."""
    commits = (
        {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True} if autocommit else {}
    )
    pool = (
        {"poolclass": NullPool}
        if pool_size is None
        else {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": limits.wait_seconds,
        }
    )
    engine = create_async_engine(
        endpoint.url,
        connect_args=_connect_args(endpoint, limits),
        hide_parameters=True,  # a failed statement is logged; a password hash must not be
        **commits,
        **pool,
    )
    _prepare(engine, limits, transactions)
    _ping_idle_connections(engine)
    return engine


def _connect_args(endpoint: MySqlEndpoint, limits: Limits) -> dict[str, object]:
    arguments: dict[str, object] = {
        "charset": "utf8mb4",
        "connect_timeout": max(1, limits.wait_seconds),
        "binary_prefix": True,  # sends bytes as binary, not as text of the connection's charset
    }
    if limits.statement_seconds:
        # The server's own limits apply first; this one is for a server that stopped answering.
        arguments["read_timeout"] = limits.statement_seconds + limits.lock_seconds
    if endpoint.tls is not None:
        arguments["ssl"] = endpoint.tls.context()
    password = endpoint.url.password
    if password is not None:
        arguments["password"] = password.encode()  # the driver encodes a str as Latin-1
    return arguments


def _prepare(engine: AsyncEngine, limits: Limits, transactions: str) -> None:
    """Set the session variables of each new connection, overriding the server's configuration."""
    # MySQL ignores /*M! … */, and MariaDB over comments from 50700 on.
    variables = (
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,"
        "NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION'"
        f", innodb_lock_wait_timeout = {limits.lock_seconds}"
        f", lock_wait_timeout = {limits.lock_seconds}"
        f", wait_timeout = {limits.idle_seconds}"
        f" /*M!100100 , max_statement_time = {limits.statement_seconds} */"
        f" /*!80000 , max_execution_time = {limits.statement_seconds * 1000} */"
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(variables)
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {transactions}")
        cursor.close()


def _with_snapshots(engine: AsyncEngine) -> AsyncEngine:
    """Return an engine on the pool of `engine`, which has autocommit, that begins transactions.

    SQLAlchemy ends none on such a connection, so the pool does it.
    """
    transactional = engine.execution_options()

    @event.listens_for(transactional.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        connection.info[_IN_SNAPSHOT] = True
        connection.exec_driver_sql("START TRANSACTION")

    @event.listens_for(engine.sync_engine, "reset")
    def returned(
        connection: DBAPIConnection, record: ConnectionPoolEntry, state: PoolResetState
    ) -> None:
        # The pool ends a connection that its user has not returned: nothing can be awaited then.
        if record.info.pop(_IN_SNAPSHOT, False) and state.asyncio_safe:
            connection.rollback()

    return transactional


def _ping_idle_connections(engine: AsyncEngine) -> None:
    """Replace a connection that was idle and does not answer, before a unit of work gets it.

    SQLAlchemy's `pool_pre_ping` pings before every unit, which is a third of a read's round trips.
    A connection that was lost moments ago fails its unit, which then runs again on a new one.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def returned(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        idle_since = record.info.get(_IDLE_SINCE, float("inf"))  # a new connection was never idle
        if time.monotonic() - idle_since < _PING_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError(str(error)) from error


async def _locked(connection: AsyncConnection, purpose: dict[str, str], seconds: int) -> bool:
    """Wait up to `seconds` for the named lock, which the connection then holds until it closes."""
    got = await connection.scalar(_GET_LOCK, {**purpose, "seconds": seconds})
    await connection.commit()  # the lock outlives the transaction
    return bool(got)


def _code(error: DBAPIError) -> int | None:
    arguments = error.orig.args if error.orig is not None else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _is_retryable(error: DBAPIError) -> bool:
    """Return whether the server rolled back a deadlock or lock timeout, or was not reached."""
    code = _code(error)
    return error.connection_invalidated or code in {_DEADLOCK, _LOCK_WAIT_TIMEOUT} | _AWAY


def _is_rolled_back(error: DBAPIError) -> bool:
    """Return whether the server reports a rollback, as a cluster does for conflicting commits."""
    return _code(error) == _DEADLOCK
