"""One SQLite file of auth's: opened, prepared, and used by one transaction at a time."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self

import aiosqlite

from madang_common.problems import Unavailable


class SqliteFile:
    """A connection whose transactions stand in line; raises Unavailable when the file fails."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self._turn = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, path: Path, schema: str, *, synchronous: Literal["FULL", "OFF"]) -> Self:
        """Open or make the file at `path`, for its owner only, with the tables of `schema`."""
        await asyncio.to_thread(_make, path)
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
    async def transaction(self) -> AsyncGenerator[aiosqlite.Connection]:
        """Let the caller read and write alone; all of it is stored at the end, or nothing."""
        async with self._turn:
            if self._closed:
                raise Unavailable("This process is stopping. Try again in a moment.")
            try:
                # aiosqlite's thread takes calls in order, so even a caller that is cancelled here
                # has its transaction rolled back before the next one begins.
                await self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                await self._db.commit()
            except sqlite3.Error as error:
                await self._db.rollback()
                raise Unavailable(
                    "The store of logins cannot be used now. Try again in a moment."
                ) from error
            except BaseException:
                await self._db.rollback()
                raise

    async def ping(self) -> None:
        """Return if the file can be read; raise Unavailable if not."""
        async with self.transaction() as db:
            await db.execute_fetchall("SELECT 1 FROM sqlite_schema LIMIT 1")

    async def close(self) -> None:
        """Wait for the transaction under way and let go of the file."""
        async with self._turn:
            if not self._closed:
                self._closed = True
                await self._db.close()


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
