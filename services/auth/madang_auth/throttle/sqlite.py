"""Throttles in one SQLite file, for one process; a crash of the machine may lose recent counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import aiosqlite
from typing_extensions import override

from madang_auth.storage.sqlite import SqliteAdapter, SqliteFile
from madang_auth.throttle import known_sites
from madang_auth.throttle.bucket import Refused, give_back, take
from madang_auth.throttle.port import Charge, Refusal, Throttle

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (key TEXT PRIMARY KEY, drained_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS buckets_by_time ON buckets (drained_at);
CREATE TABLE IF NOT EXISTS known_sites (
    name TEXT, site TEXT, until REAL NOT NULL, PRIMARY KEY (name, site)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS known_sites_by_time ON known_sites (until);
PRAGMA user_version = 1;
"""
_PUT = "INSERT OR REPLACE INTO buckets VALUES (?, ?)"


class SqliteThrottle(SqliteAdapter, Throttle):
    """The embedded store; open one with `await SqliteThrottle.open_file(path)`."""

    @classmethod
    async def open_file(cls, path: Path) -> Self:
        """Open or create the store at `path`."""
        return cls(await SqliteFile.open(path, _SCHEMA, synchronous="OFF"))

    @override
    async def take(self, charges: Sequence[Charge], *, now: float) -> Refusal | None:
        async with self._file.transaction() as db:
            rows: list[tuple[str, float]] = []
            for charge in charges:
                outcome = take(await _drained_at(db, charge.key), charge.limit, now)
                if isinstance(outcome, Refused):
                    return Refusal(charge, outcome.wait_seconds)
                rows.append((charge.key, outcome.drained_at))
            await db.executemany(_PUT, rows)
        return None

    @override
    async def check(self, charge: Charge, *, now: float) -> Refusal | None:
        async with self._file.transaction() as db:
            outcome = take(await _drained_at(db, charge.key), charge.limit, now)
        return Refusal(charge, outcome.wait_seconds) if isinstance(outcome, Refused) else None

    @override
    async def give_back(self, charges: Sequence[Charge], *, now: float) -> None:
        async with self._file.transaction() as db:
            for charge in charges:
                found = await _drained_at(db, charge.key)
                if found is None:
                    continue
                drained_at = give_back(found, charge.limit)
                if drained_at > now:
                    await db.execute(_PUT, (charge.key, drained_at))
                else:
                    await db.execute("DELETE FROM buckets WHERE key = ?", (charge.key,))

    @override
    async def remember(self, name: str, site: str, *, until: float, most: int, now: float) -> None:
        async with self._file.transaction() as db:
            known = known_sites.add(await _sites(db, name), site, until=until, most=most, now=now)
            await db.execute("DELETE FROM known_sites WHERE name = ?", (name,))
            rows = [(name, one, end) for one, end in known.items()]
            await db.executemany("INSERT INTO known_sites VALUES (?, ?, ?)", rows)

    @override
    async def knows(self, name: str, site: str, *, now: float) -> bool:
        async with self._file.transaction() as db:
            return known_sites.has(await _sites(db, name), site, now=now)

    @override
    async def delete_expired(self, *, now: float) -> int:
        async with self._file.transaction() as db:
            buckets = await db.execute("DELETE FROM buckets WHERE drained_at <= ?", (now,))
            sites = await db.execute("DELETE FROM known_sites WHERE until <= ?", (now,))
        return buckets.rowcount + sites.rowcount


async def _drained_at(db: aiosqlite.Connection, key: str) -> float | None:
    rows = await db.execute_fetchall("SELECT drained_at FROM buckets WHERE key = ?", (key,))
    return next((row["drained_at"] for row in rows), None)


async def _sites(db: aiosqlite.Connection, name: str) -> known_sites.KnownSites:
    rows = await db.execute_fetchall("SELECT * FROM known_sites WHERE name = ?", (name,))
    return {row["site"]: row["until"] for row in rows}
