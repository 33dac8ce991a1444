"""The production database: MySQL or MariaDB, shared by all replicas of this service.

Requests read on one pool of connections, from a snapshot and read only, and write on another, where
each statement sees what was committed before it (READ COMMITTED): under the row locks that every
change takes first, that is the newest state. The outbox has one more connection, whose named lock
lets one replica at a time carry it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import URL, NullPool, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from typing_extensions import override

from madang_common.settings import CannotStart
from madang_rooms.storage import schema
from madang_rooms.storage.database import Database

_DRIVER = "mysql+asyncmy"
_TURN_SECONDS = 1
_MIGRATION_SECONDS = 60
_PAUSE_SECONDS = 0.2

_READING = "REPEATABLE READ, READ ONLY"
_WRITING = "READ COMMITTED, READ WRITE"

# Locks with a name hold in the whole server, whatever the database; 64 characters at most.
_LOCK_NAME = "CONCAT('madang.', :purpose, '.', LEFT(SHA2(DATABASE(), 256), 32))"
_GET_LOCK = text(f"SELECT GET_LOCK({_LOCK_NAME}, :seconds)")
_RELEASE_LOCK = text(f"SELECT RELEASE_LOCK({_LOCK_NAME})")
_OUTBOX = {"purpose": "outbox"}
_MIGRATION = {"purpose": "migration"}

_DEADLOCK = 1213
_LOCK_WAIT_TIMEOUT = 1205
_AWAY = frozenset({1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
"""Too many connections, shutting down, killed, no connection, lost connection."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections, and how long each wait may be."""

    pool_size: int = 10
    """Connections for reading, and as many for writing."""
    wait_seconds: float = 5
    """For a connection, free or new."""
    lock_seconds: int = 2
    """For a row that another transaction holds."""
    statement_seconds: int = 10
    """For the answer to a statement."""
    idle_seconds: int = 60
    """Until the server ends the connection, and with it the locks, of who is not heard of."""
    start_seconds: float = 30
    """For the database's first answer."""


class MySqlDatabase(Database):
    """One replica's way to the database that it shares with others."""

    def __init__(
        self,
        reading: AsyncEngine,
        writing: AsyncEngine,
        carrying: AsyncEngine,
    ) -> None:
        """Carry the outbox on a connection of `carrying`."""
        super().__init__(reading, writing, passes=_passes, undone=_undone)
        self._carrying = carrying

    @asynccontextmanager
    @override
    async def turn(self) -> AsyncIterator[Database | None]:
        try:
            async with self._carrying.connect() as connection:
                if not await _locked(connection, _OUTBOX, _TURN_SECONDS):
                    yield None
                    return
                try:
                    # The lock is the connection's: once it is lost, so are reading and writing.
                    yield Database(connection, connection, passes=_passes, undone=_undone)
                    await connection.execute(_RELEASE_LOCK, _OUTBOX)
                    await connection.commit()
                except BaseException:
                    await connection.invalidate()  # and the server lets go of the lock
                    raise
        except (OperationalError, InterfaceError, InternalError) as error:
            raise self._unavailable(error) from error

    @override
    async def close(self) -> None:
        await super().close()
        await self._carrying.dispose()


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
        async with _answering(reading, limits.start_seconds) as connection:
            await connection.run_sync(schema.check)
    except BaseException:
        await database.close()
        raise
    return database


async def migrate(url: str, *, start_seconds: float, revision: str = "head") -> None:
    """Bring the schema of the database at `url` to `revision`; of two who do, one waits.

    MySQL commits at each statement of a migration: run again, it goes on where it was killed.
    Raise CannotStart if the database does not answer, another migration takes too long, or this
    one cannot be done.
    """
    limits = Limits(lock_seconds=_MIGRATION_SECONDS, statement_seconds=0, idle_seconds=28_800)
    engine = _engine(make_url(url), limits, _WRITING, None)
    try:
        async with _answering(engine, start_seconds) as connection:
            if not await _locked(connection, _MIGRATION, _MIGRATION_SECONDS):
                raise CannotStart("another migration is running")
            await connection.run_sync(schema.migrate, revision)
            await connection.commit()
    except DBAPIError as error:
        raise CannotStart(f"the database: {error.orig}") from error
    finally:
        await engine.dispose()


@asynccontextmanager
async def _answering(engine: AsyncEngine, seconds: float) -> AsyncIterator[AsyncConnection]:
    """Open a connection, waiting so long for a database that starts itself."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            connection = await engine.connect()
        except DBAPIError as error:
            if not _passes(error) or loop.time() + _PAUSE_SECONDS > deadline:
                raise CannotStart(f"the database: {error.orig}") from error
        else:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
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
        hide_parameters=True,  # a failing statement is logged, and a password's hash is not
        **pool,
    )
    _prepare(engine, limits, transactions)
    return engine


def _connect_args(url: URL, limits: Limits) -> dict[str, object]:
    arguments: dict[str, object] = {
        "charset": "utf8mb4",
        "connect_timeout": max(1, limits.wait_seconds),
        "binary_prefix": True,  # bytes are not text in the connection's character set
    }
    if limits.statement_seconds:
        # The server's own limits come first; this is for one that is not heard of any more.
        arguments["read_timeout"] = limits.statement_seconds + limits.lock_seconds
    if url.password is not None:
        arguments["password"] = url.password.encode()  # the driver takes text for Latin-1
    return arguments


def _prepare(engine: AsyncEngine, limits: Limits, transactions: str) -> None:
    """Set what each new connection works under, whatever the server's own configuration."""
    # MySQL passes over /*M! … */, and MariaDB over comments from 50700 on.
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
    def connected(connection: ConnectionPoolEntry, _: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(variables)
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {transactions}")
        cursor.close()


async def _locked(connection: AsyncConnection, purpose: dict[str, str], seconds: int) -> bool:
    """Take the named lock for as long as the connection lasts, waiting for it at most so long."""
    got = await connection.scalar(_GET_LOCK, {**purpose, "seconds": seconds})
    await connection.commit()  # the lock is not the transaction's
    return bool(got)


def _code(error: DBAPIError) -> int | None:
    arguments = error.orig.args if error.orig is not None else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _passes(error: DBAPIError) -> bool:
    """Return whether the server undid the transaction for another's sake, or was not reached."""
    code = _code(error)
    return error.connection_invalidated or code in {_DEADLOCK, _LOCK_WAIT_TIMEOUT} | _AWAY


def _undone(error: DBAPIError) -> bool:
    """Return whether it says that it rolled back, as a cluster does to commits that collide."""
    return _code(error) == _DEADLOCK
