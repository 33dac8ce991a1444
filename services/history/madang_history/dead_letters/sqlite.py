"""Dead letters in the file of the embedded store."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from typing_extensions import override

from madang_common.clock import Clock
from madang_history.dead_letters.port import DeadLetter, DeadLetters, DeadLettersUnavailable

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
_ADD = "INSERT OR IGNORE INTO dead VALUES (?, ?, ?, ?, ?)"
_OLDEST = "SELECT shard, position, line, reason FROM dead ORDER BY at, shard, position LIMIT ?"
_DELETE = "DELETE FROM dead WHERE shard = ? AND position = ?"


class SqliteDeadLetters(DeadLetters):
    """The embedded adapter; it opens the file for each call, because dead letters are rare."""

    def __init__(self, path: Path, *, clock: Clock = time.time) -> None:
        """Store dead letters in the file at `path`."""
        self._path = path
        self._clock = clock

    @override
    async def add(self, letter: DeadLetter) -> None:
        row = (letter.shard, letter.position, letter.line, letter.reason, self._clock())
        await self._execute(_ADD, row)

    @override
    async def visit(self, settle: Callable[[DeadLetter], Awaitable[bool]], *, most: int) -> None:
        for row in await self._execute(_OLDEST, (most,)):
            letter = DeadLetter(*row)
            if await settle(letter):
                await self._execute(_DELETE, (letter.shard, letter.position))

    @override
    async def close(self) -> None:
        """Do nothing: no file is open."""

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
            raise DeadLettersUnavailable(f"{self._path}: {error}") from error
