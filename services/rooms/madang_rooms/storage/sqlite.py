"""The embedded database: one SQLite file.

SQLite allows one writer at a time. The writing engine has one connection, so that writers queue for
it in order instead of polling the file's lock. Their transactions start with BEGIN IMMEDIATE,
because SQLite refuses to upgrade a read transaction after another connection wrote.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from madang_common.settings import CannotStart
from madang_rooms.storage import schema
from madang_rooms.storage.database import Database

_READERS = 4
_PRAGMAS = ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL")


async def open_sqlite(path: Path, *, wait_seconds: float) -> Database:
    """Open or create the database at `path`, and migrate its schema.

    A wait of more than `wait_seconds` for a connection or a lock raises Unavailable. Raise
    CannotStart if the file cannot be opened.
    """
    try:
        await asyncio.to_thread(migrate, path, wait_seconds=wait_seconds)
    except DBAPIError as error:
        # Without the statement, which tells an operator nothing.
        raise CannotStart(f"{path}: {error.orig}") from error
    return Database(
        reading=_engine(
            path, wait_seconds, size=_READERS, begin="BEGIN", extra=["query_only = ON"]
        ),
        writing=_engine(path, wait_seconds, size=1, begin="BEGIN IMMEDIATE"),
    )


def migrate(path: Path, *, wait_seconds: float, revision: str = "head") -> None:
    """Migrate the file at `path` to `revision`, in one transaction."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None})
    _prepare(engine, wait_seconds, "BEGIN IMMEDIATE", ())
    try:
        with engine.begin() as connection:
            schema.migrate(connection, revision)
    finally:
        engine.dispose()


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _engine(
    path: Path, wait_seconds: float, *, size: int, begin: str, extra: Sequence[str] = ()
) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        connect_args={"isolation_level": None},
        pool_size=size,
        max_overflow=0,
        pool_timeout=wait_seconds,
        hide_parameters=True,  # a failed statement is logged; a password hash must not be
    )
    _prepare(engine.sync_engine, wait_seconds, begin, extra)
    return engine


def _prepare(engine: Engine, wait_seconds: float, begin: str, extra: Sequence[str]) -> None:
    """Set the pragmas of each new connection, and begin each transaction with `begin`."""
    pragmas = (f"busy_timeout = {round(wait_seconds * 1000)}", *_PRAGMAS, *extra)

    @event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own lower() converts A to Z only.
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
