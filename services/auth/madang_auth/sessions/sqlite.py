"""Sessions in one SQLite file, for one process."""

import re
from collections.abc import Iterable
from pathlib import Path
from sqlite3 import Row
from typing import Self

import aiosqlite
from typing_extensions import override

from madang_auth.sessions.port import (
    CUTOFF_KEPT_SECONDS,
    EndedPage,
    EndedSession,
    Lifetimes,
    Opened,
    Reused,
    Rotation,
    Session,
    SessionStore,
    Successor,
)
from madang_auth.sessions.refresh_tokens import TokenHashes
from madang_auth.sessions.rotation import Record, decide, new_record
from madang_auth.storage.sqlite import SqliteAdapter, SqliteFile

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


class SqliteSessionStore(SqliteAdapter, SessionStore):
    """The embedded store; open one with `await SqliteSessionStore.open_file(path, lifetimes)`."""

    def __init__(self, file: SqliteFile, lifetimes: Lifetimes) -> None:
        super().__init__(file)
        self._lifetimes = lifetimes

    @classmethod
    async def open_file(cls, path: Path, lifetimes: Lifetimes) -> Self:
        """Open or create the store at `path`; a confirmed step survives a crash of the machine."""
        return cls(await SqliteFile.open(path, _SCHEMA, synchronous="FULL"), lifetimes)

    @override
    async def open(
        self, session: Session, token: TokenHashes, *, began_at: float, most: int
    ) -> Opened | None:
        async with self._file.transaction() as db:
            cut_off = await db.execute_fetchall(
                "SELECT 1 FROM endings WHERE user = ? AND at >= ?", (session.user, began_at)
            )
            if cut_off:
                return None
            surplus = await db.execute_fetchall(
                "DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE user = ?"
                " ORDER BY expires_at > ? DESC, last_used_at DESC, id DESC LIMIT -1 OFFSET ?)"
                " RETURNING *",
                (session.user, session.created_at, most - 1),
            )
            ended = [_session(row) for row in surplus if row["expires_at"] > session.created_at]
            await _put_ended(db, ended, at=session.created_at)
            await _put(db, new_record(session, token, self._lifetimes))
        return Opened(tuple(ended))

    @override
    async def rotate(self, presented: TokenHashes, successor: Successor, *, now: float) -> Rotation:
        async with self._file.transaction() as db:
            record = await _find(db, presented.session)
            result, after = decide(record, presented, successor, now=now, lifetimes=self._lifetimes)
            if after is None:
                await db.execute("DELETE FROM logins WHERE id = ?", (presented.session,))
                if isinstance(result, Reused):
                    await _put_ended(db, [result.session], at=now)
            elif after is not record:
                await _put(db, after)
        return result

    @override
    async def get(self, session: str, *, now: float) -> Session | None:
        async with self._file.transaction() as db:
            record = await _find(db, session)
        return record.session if record is not None and record.expires_at > now else None

    @override
    async def list_of_user(self, user: str, *, now: float) -> list[Session]:
        async with self._file.transaction() as db:
            rows = await db.execute_fetchall(
                "SELECT * FROM logins WHERE user = ? AND expires_at > ?"
                " ORDER BY last_used_at DESC, id DESC",
                (user, now),
            )
        return [_session(row) for row in rows]

    @override
    async def end(self, session: str, *, user: str, now: float) -> Session | None:
        return await self._end("id = ? AND user = ?", (session, user), at=now)

    @override
    async def end_by_token(self, token: TokenHashes, *, now: float) -> Session | None:
        return await self._end("id = ? AND family = ?", (token.session, token.family), at=now)

    @override
    async def end_others(self, user: str, *, keep: str | None, now: float) -> list[Session]:
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
            ended = [_session(row) for row in rows]
            await _put_ended(db, ended, at=now)
        return ended

    @override
    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        after = cursor if cursor is not None and _CURSOR.fullmatch(cursor) else "0"
        async with self._file.transaction() as db:
            rows = list(
                await db.execute_fetchall(
                    "SELECT * FROM ended WHERE n > ? ORDER BY n LIMIT ?", (int(after), limit)
                )
            )
        items = tuple(
            EndedSession(row["user"], row["login"], row["at"], row["keep"]) for row in rows
        )
        return EndedPage(items, cursor=str(rows[-1]["n"]) if rows else after)

    @override
    async def delete_expired(self, *, now: float) -> int:
        async with self._file.transaction() as db:
            ended = await db.execute("DELETE FROM logins WHERE expires_at <= ?", (now,))
            await db.execute("DELETE FROM endings WHERE at < ?", (now - CUTOFF_KEPT_SECONDS,))
            await db.execute("DELETE FROM ended WHERE at < ?", (now - self._lifetimes.ended_kept,))
        return ended.rowcount

    async def _end(
        self, condition: str, values: tuple[str | bytes, ...], *, at: float
    ) -> Session | None:
        async with self._file.transaction() as db:
            rows = await db.execute_fetchall(
                f"DELETE FROM logins WHERE {condition} RETURNING *",  # noqa: S608 - has no values
                values,
            )
            ended = [_session(row) for row in rows]
            await _put_ended(db, ended, at=at)
        return next(iter(ended), None)


async def _put_ended(db: aiosqlite.Connection, ended: Iterable[Session], *, at: float) -> None:
    await db.executemany(_PUT_ENDED, [(one.user, one.id, at, None) for one in ended])


async def _find(db: aiosqlite.Connection, session: str) -> Record | None:
    rows = await db.execute_fetchall("SELECT * FROM logins WHERE id = ?", (session,))
    return next((_record(row) for row in rows), None)


async def _put(db: aiosqlite.Connection, record: Record) -> None:
    session = record.session
    identity = (session.id, session.user, session.username, session.name, session.device)
    times = (session.created_at, session.last_used_at)
    tokens = (record.family, record.current, record.expires_at, record.previous, record.nonce)
    await db.execute(_PUT, identity + times + tokens)


def _session(row: Row) -> Session:
    return Session(
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
        session=_session(row),
        family=row["family"],
        current=row["current"],
        expires_at=row["expires_at"],
        previous=row["previous"],
        nonce=row["nonce"],
    )
