"""Dead lines in the file of the embedded store."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from typing_extensions import override

from madang_common.clock import Clock
from madang_history.dead_letters.port import DeadLine, DeadLines, DeadLinesUnavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS dead (
    shard INTEGER NOT NULL,
    position INTEGER NOT NULL,
    line BLOB NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (shard, position)
)
"""
_PUT = "INSERT OR IGNORE INTO dead VALUES (?, ?, ?, ?, ?)"
_OLDEST = "SELECT shard, position, line, reason FROM dead ORDER BY at, shard, position LIMIT ?"
_REMOVE = "DELETE FROM dead WHERE shard = ? AND position = ?"


class SqliteDeadLines(DeadLines):
    """The embedded place for dead lines, opened anew each time: they are rare."""

    def __init__(self, path: Path, *, clock: Clock = time.time) -> None:
        """Keep them in the file at `path`."""
        self._path = path
        self._clock = clock

    @override
    async def put(self, dead: DeadLine) -> None:
        row = (dead.shard, dead.position, dead.line, dead.reason, self._clock())
        await self._execute(_PUT, row)

    @override
    async def visit(self, settle: Callable[[DeadLine], Awaitable[bool]], *, most: int) -> None:
        for row in await self._execute(_OLDEST, (most,)):
            dead = DeadLine(*row)
            if await settle(dead):
                await self._execute(_REMOVE, (dead.shard, dead.position))

    @override
    async def close(self) -> None:
        """Nothing is held."""

    async def _execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        def execute() -> list[tuple[Any, ...]]:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
                db.execute("PRAGMA busy_timeout = 5000")
                db.execute("PRAGMA synchronous = FULL")
                db.execute(_SCHEMA)
                return db.execute(statement, tuple(values)).fetchall()

        try:
            return await asyncio.to_thread(execute)
        except (sqlite3.Error, OSError) as error:
            raise DeadLinesUnavailable(f"{self._path}: {error}") from error
