"""Places where rooms keeps its database, each opened by as many replicas as a test likes."""

import asyncio
import sqlite3
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from typing_extensions import override

from madang_rooms.endpoint import MySqlEndpoint
from madang_rooms.storage import mysql, sqlite
from madang_rooms.storage.database import Database
from madang_rooms.storage.models import Base
from stack.servers.sql import SqlServer

LIMITS = mysql.Limits(pool_size=8, wait_seconds=10, lock_seconds=10)


class Place(ABC):
    """Where a database of one kind is."""

    @abstractmethod
    async def open_replica(self) -> Database:
        """Open the migrated database, as one more replica does."""

    @abstractmethod
    async def migrate(self, revision: str = "head") -> None:
        """Bring the schema to `revision`."""

    @abstractmethod
    async def ask(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements over a connection of their own; return the rows of the last one."""

    @asynccontextmanager
    async def replica(self) -> AsyncIterator[Database]:
        """Open the database and close it at the end."""
        database = await self.open_replica()
        try:
            yield database
        finally:
            await database.close()


class SqlitePlace(Place):
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @override
    async def open_replica(self) -> Database:
        return await sqlite.open_sqlite(self.path, wait_seconds=LIMITS.wait_seconds)

    @override
    async def migrate(self, revision: str = "head") -> None:
        await asyncio.to_thread(sqlite.migrate, self.path, wait_seconds=10, revision=revision)

    @override
    async def ask(self, *statements: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            found = [connection.execute(statement).fetchall() for statement in statements]
        return found[-1] if found else []


class MySqlPlace(Place):
    """A database on a server, MySQL or MariaDB."""

    def __init__(self, url: str, limits: mysql.Limits = LIMITS) -> None:
        self.url = url
        self.limits = limits

    @override
    async def open_replica(self) -> Database:
        return await mysql.open_mysql(MySqlEndpoint.at(self.url), self.limits)

    @override
    async def migrate(self, revision: str = "head") -> None:
        await mysql.migrate(MySqlEndpoint.at(self.url), start_seconds=10, revision=revision)

    @override
    async def ask(self, *statements: str) -> list[tuple[object, ...]]:
        engine = create_async_engine(self.url, isolation_level="READ COMMITTED")
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    found = await connection.execute(text(statement))
                return [tuple(row) for row in found] if found.returns_rows else []
        finally:
            await engine.dispose()

    async def empty(self) -> None:
        """Delete every row."""
        tables = reversed(Base.metadata.sorted_tables)
        await self.ask(*(f"DELETE FROM {table.name}" for table in tables))


@contextmanager
def place_on(server: SqlServer, *, migrated: bool = True) -> Iterator[MySqlPlace]:
    """Make a database on `server`, migrated or empty, and drop it at the end."""
    name = f"rooms_{uuid.uuid4().hex}"
    server.sql(f"CREATE DATABASE {name} CHARACTER SET latin1")  # what it is must not matter
    place = MySqlPlace(server.database_url(name))
    if migrated:
        asyncio.run(place.migrate())
    yield place
    server.sql(f"DROP DATABASE {name}")
