"""Throttles in one SQLite file, for one process; a crash of the machine may lose the latest."""

from pathlib import Path
from typing import Self

from typing_extensions import override

from madang_auth.sqlite_file import SqliteFile
from madang_auth.throttle.bucket import Limit, Refused, Taken, give_back, take
from madang_auth.throttle.port import Throttle

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (key TEXT PRIMARY KEY, drained_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS buckets_by_time ON buckets (drained_at);
PRAGMA user_version = 1;
"""
_FIND = "SELECT drained_at FROM buckets WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO buckets VALUES (?, ?)"


class SqliteThrottle(Throttle):
    """The embedded store. Make one with `await SqliteThrottle.open_file(path)`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    async def open_file(cls, path: Path) -> Self:
        """Open or make the store at `path`."""
        return cls(await SqliteFile.open(path, _SCHEMA, synchronous="OFF"))

    @override
    async def take(self, key: str, limit: Limit, *, now: float) -> Taken | Refused:
        async with self._file.transaction() as db:
            found = [row["drained_at"] for row in await db.execute_fetchall(_FIND, (key,))]
            outcome = take(found[0] if found else None, limit, now)
            if isinstance(outcome, Taken):
                await db.execute(_PUT, (key, outcome.drained_at))
        return outcome

    @override
    async def give_back(self, key: str, limit: Limit, *, now: float) -> None:
        async with self._file.transaction() as db:
            for row in await db.execute_fetchall(_FIND, (key,)):
                drained_at = give_back(row["drained_at"], limit)
                if drained_at > now:
                    await db.execute(_PUT, (key, drained_at))
                else:
                    await db.execute("DELETE FROM buckets WHERE key = ?", (key,))

    @override
    async def sweep(self, *, now: float) -> int:
        async with self._file.transaction() as db:
            gone = await db.execute("DELETE FROM buckets WHERE drained_at <= ?", (now,))
        return gone.rowcount

    @override
    async def ping(self) -> None:
        await self._file.ping()

    @override
    async def close(self) -> None:
        await self._file.close()
