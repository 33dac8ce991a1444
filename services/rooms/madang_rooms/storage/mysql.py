"""The production database: MySQL or MariaDB, shared by all replicas of this service.

Reads and writes have a pool of connections each. A read is READ ONLY on one snapshot (REPEATABLE
READ). A write is READ COMMITTED: each statement sees the commits before it, which is the newest
state under the row locks that every change takes first. The outbox has a connection of its own,
whose named lock lets one replica at a time publish it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import URL, NullPool, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_fixed
from typing_extensions import override

from madang_common.settings import CannotStart
from madang_rooms.storage import schema
from madang_rooms.storage.database import Database

_DRIVER = "mysql+asyncmy"
_OUTBOX_LOCK_SECONDS = 1
_MIGRATION_SECONDS = 60
_CONNECT_PAUSE_SECONDS = 0.2

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
    ) -> None:
        """Lock, read and delete the outbox on a connection of `outbox`."""
        super().__init__(
            reading, writing, is_retryable=_is_retryable, is_rolled_back=_is_rolled_back
        )
        self._outbox = outbox

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


async def open_mysql(url: str, limits: Limits) -> MySqlDatabase:
    """Open the database at `url`, `mysql+asyncmy://user:password@host:port/name`.

    Raise CannotStart if it does not answer, WrongRevision if its schema is not this version's.
    """
    parsed = make_url(url)
    reading = _engine(parsed, limits, _READING, limits.pool_size)
    database = MySqlDatabase(
        reading,
        _engine(parsed, limits, _WRITING, limits.pool_size),
        _engine(parsed, limits, _WRITING, 1),
    )
    try:
        async with _connect(reading, limits.start_seconds) as connection:
            await connection.run_sync(schema.check)
    except BaseException:
        await database.close()
        raise
    return database


async def migrate(url: str, *, start_seconds: float, revision: str = "head") -> None:
    """Migrate the database at `url` to `revision`; concurrent migrations wait for each other.

    MySQL commits after each statement of a migration; a migration that was killed continues when
    it runs again. Raise CannotStart if the database does not answer, another migration takes too
    long, or this one fails.
    """
    limits = Limits(lock_seconds=_MIGRATION_SECONDS, statement_seconds=0, idle_seconds=28_800)
    engine = _engine(make_url(url), limits, _WRITING, None)
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


def _engine(url: URL, limits: Limits, transactions: str, pool_size: int | None) -> AsyncEngine:
    pool = (
        {"poolclass": NullPool}
        if pool_size is None
        else {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": limits.wait_seconds,
            "pool_pre_ping": True,
        }
    )
    engine = create_async_engine(
        url.set(drivername=_DRIVER),
        connect_args=_connect_args(url, limits),
        hide_parameters=True,  # a failed statement is logged; a password hash must not be
        **pool,
    )
    _prepare(engine, limits, transactions)
    return engine


def _connect_args(url: URL, limits: Limits) -> dict[str, object]:
    arguments: dict[str, object] = {
        "charset": "utf8mb4",
        "connect_timeout": max(1, limits.wait_seconds),
        "binary_prefix": True,  # sends bytes as binary, not as text of the connection's charset
    }
    if limits.statement_seconds:
        # The server's own limits apply first; this one is for a server that stopped answering.
        arguments["read_timeout"] = limits.statement_seconds + limits.lock_seconds
    if url.password is not None:
        arguments["password"] = url.password.encode()  # the driver encodes a str as Latin-1
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
