"""A SQLite file with one transaction at a time."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self

import aiosqlite

from madang_common.problems import Unavailable


class SqliteFile:
    """A connection whose transactions run in order; raises Unavailable if the file fails."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self._lock = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, path: Path, schema: str, *, synchronous: Literal["FULL", "OFF"]) -> Self:
        """Open or create the file at `path`, private to its owner, with the tables of `schema`."""
        await asyncio.to_thread(_create, path)
        db = await aiosqlite.connect(path, isolation_level=None)
        try:
            await db.execute("PRAGMA journal_mode = WAL")
            await db.execute(f"PRAGMA synchronous = {synchronous}")
            await db.execute("PRAGMA busy_timeout = 5000")
            await db.executescript(schema)
        except BaseException:
            await db.close()
            raise
        db.row_factory = sqlite3.Row
        return cls(db)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """Give exclusive access; commit at the end, or roll back on an exception."""
        async with self._lock:
            if self._closed:
                raise Unavailable("This process is stopping; retry in a moment.")
            try:
                # aiosqlite's thread runs calls in order: if the caller is cancelled here, its
                # transaction is rolled back before the next one begins.
                await self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                await self._db.commit()
            except sqlite3.Error as error:
                await self._db.rollback()
                raise Unavailable(
                    "The session store does not answer; retry in a moment."
                ) from error
            except BaseException:
                await self._db.rollback()
                raise

    async def ping(self) -> None:
        """Return if the file can be read; raise Unavailable if not."""
        async with self.transaction() as db:
            await db.execute_fetchall("SELECT 1 FROM sqlite_schema LIMIT 1")

    async def close(self) -> None:
        """Wait for the current transaction, and close the file."""
        async with self._lock:
            if not self._closed:
                self._closed = True
                await self._db.close()


class SqliteAdapter:
    """Base of the adapters on a SqliteFile."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def ping(self) -> None:
        """Return if the file can be read; raise Unavailable if not."""
        await self._file.ping()

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
