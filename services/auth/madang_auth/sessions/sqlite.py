"""Logins in one SQLite file, for one process."""

import re
from collections.abc import Iterable
from pathlib import Path
from sqlite3 import Row
from typing import Self

import aiosqlite
from typing_extensions import override

from madang_auth.sessions.port import (
    KEEP_ENDINGS_SECONDS,
    Ended,
    EndedPage,
    Lifetimes,
    Login,
    Opened,
    Reused,
    Rotation,
    Sessions,
    Successor,
)
from madang_auth.sessions.refresh_tokens import Presented
from madang_auth.sessions.rotation import Record, begin, decide
from madang_auth.storage.sqlite import SqliteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS logins (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    device TEXT,
    created_at REAL NOT NULL,
    last_used_at REAL NOT NULL,
    family BLOB NOT NULL,
    current BLOB NOT NULL,
    expires_at REAL NOT NULL,
    previous BLOB,
    nonce BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS logins_by_user ON logins (user);
CREATE INDEX IF NOT EXISTS logins_by_expiry ON logins (expires_at);
CREATE TABLE IF NOT EXISTS endings (user TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ended (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    login TEXT,
    at REAL NOT NULL,
    keep TEXT
);
PRAGMA user_version = 1;
"""
_PUT = "INSERT OR REPLACE INTO logins VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_ENDED = "INSERT INTO ended (user, login, at, keep) VALUES (?, ?, ?, ?)"
_CURSOR = re.compile(r"[0-9]{1,18}")


class SqliteSessions(Sessions):
    """The embedded store. Make one with `await SqliteSessions.open_file(path, lifetimes)`."""

    def __init__(self, file: SqliteFile, lifetimes: Lifetimes) -> None:
        self._file = file
        self._lifetimes = lifetimes

    @classmethod
    async def open_file(cls, path: Path, lifetimes: Lifetimes) -> Self:
        """Open or make the store at `path`; what it confirms survives a crash of the machine."""
        return cls(await SqliteFile.open(path, _SCHEMA, synchronous="FULL"), lifetimes)

    @override
    async def open(
        self, login: Login, token: Presented, *, began_at: float, most: int
    ) -> Opened | None:
        async with self._file.transaction() as db:
            ended = await db.execute_fetchall(
                "SELECT 1 FROM endings WHERE user = ? AND at >= ?", (login.user, began_at)
            )
            if ended:
                return None
            surplus = await db.execute_fetchall(
                "DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE user = ?"
                " ORDER BY expires_at > ? DESC, last_used_at DESC, id DESC LIMIT -1 OFFSET ?)"
                " RETURNING *",
                (login.user, login.created_at, most - 1),
            )
            gone = [_login(row) for row in surplus if row["expires_at"] > login.created_at]
            await _put_ended(db, gone, at=login.created_at)
            await _put(db, begin(login, token, self._lifetimes))
        return Opened(tuple(gone))

    @override
    async def rotate(self, presented: Presented, successor: Successor, *, now: float) -> Rotation:
        async with self._file.transaction() as db:
            record = await _find(db, presented.login)
            answer, after = decide(record, presented, successor, now=now, lifetimes=self._lifetimes)
            if after is None:
                await db.execute("DELETE FROM logins WHERE id = ?", (presented.login,))
                if isinstance(answer, Reused):
                    await _put_ended(db, [answer.login], at=now)
            elif after is not record:
                await _put(db, after)
        return answer

    @override
    async def get(self, login: str, *, now: float) -> Login | None:
        async with self._file.transaction() as db:
            record = await _find(db, login)
        return record.login if record is not None and record.expires_at > now else None

    @override
    async def owned_by(self, user: str, *, now: float) -> list[Login]:
        async with self._file.transaction() as db:
            rows = await db.execute_fetchall(
                "SELECT * FROM logins WHERE user = ? AND expires_at > ?"
                " ORDER BY last_used_at DESC, id DESC",
                (user, now),
            )
        return [_login(row) for row in rows]

    @override
    async def end(self, login: str, *, user: str, now: float) -> Login | None:
        return await self._end("id = ? AND user = ?", (login, user), at=now)

    @override
    async def end_presented(self, presented: Presented, *, now: float) -> Login | None:
        family = (presented.login, presented.family)
        return await self._end("id = ? AND family = ?", family, at=now)

    @override
    async def end_others(self, user: str, *, keep: str | None, now: float) -> list[Login]:
        async with self._file.transaction() as db:
            await db.execute(
                "INSERT INTO endings VALUES (?, ?)"
                " ON CONFLICT (user) DO UPDATE SET at = max(at, excluded.at)",
                (user, now),
            )
            rows = await db.execute_fetchall(
                "DELETE FROM logins WHERE user = ? AND id IS NOT ? RETURNING *", (user, keep)
            )
            await db.execute(_PUT_ENDED, (user, None, now, keep))
            gone = [_login(row) for row in rows]
            await _put_ended(db, gone, at=now)
        return gone

    @override
    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        after = cursor if cursor is not None and _CURSOR.fullmatch(cursor) else "0"
        async with self._file.transaction() as db:
            rows = list(
                await db.execute_fetchall(
                    "SELECT * FROM ended WHERE n > ? ORDER BY n LIMIT ?", (int(after), limit)
                )
            )
        items = tuple(Ended(row["user"], row["login"], row["at"], row["keep"]) for row in rows)
        return EndedPage(items, cursor=str(rows[-1]["n"]) if rows else after)

    @override
    async def sweep(self, *, now: float) -> int:
        async with self._file.transaction() as db:
            gone = await db.execute("DELETE FROM logins WHERE expires_at <= ?", (now,))
            await db.execute("DELETE FROM endings WHERE at < ?", (now - KEEP_ENDINGS_SECONDS,))
            await db.execute("DELETE FROM ended WHERE at < ?", (now - self._lifetimes.told,))
        return gone.rowcount

    @override
    async def ping(self) -> None:
        await self._file.ping()

    @override
    async def close(self) -> None:
        await self._file.close()

    async def _end(self, which: str, values: tuple[str | bytes, ...], *, at: float) -> Login | None:
        async with self._file.transaction() as db:
            rows = await db.execute_fetchall(
                f"DELETE FROM logins WHERE {which} RETURNING *",  # noqa: S608 - no values in it
                values,
            )
            gone = [_login(row) for row in rows]
            await _put_ended(db, gone, at=at)
        return next(iter(gone), None)


async def _put_ended(db: aiosqlite.Connection, gone: Iterable[Login], *, at: float) -> None:
    await db.executemany(_PUT_ENDED, [(login.user, login.id, at, None) for login in gone])


async def _find(db: aiosqlite.Connection, login: str) -> Record | None:
    rows = await db.execute_fetchall("SELECT * FROM logins WHERE id = ?", (login,))
    return next((_record(row) for row in rows), None)


async def _put(db: aiosqlite.Connection, record: Record) -> None:
    login = record.login
    identity = (login.id, login.user, login.username, login.name, login.device)
    times = (login.created_at, login.last_used_at)
    tokens = (record.family, record.current, record.expires_at, record.previous, record.nonce)
    await db.execute(_PUT, identity + times + tokens)


def _login(row: Row) -> Login:
    return Login(
        id=row["id"],
        user=row["user"],
        username=row["username"],
        name=row["name"],
        device=row["device"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
    )


def _record(row: Row) -> Record:
    return Record(
        login=_login(row),
        family=row["family"],
        current=row["current"],
        expires_at=row["expires_at"],
        previous=row["previous"],
        nonce=row["nonce"],
    )
