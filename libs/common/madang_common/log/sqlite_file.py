"""The SQL of the embedded log: one file with the batches of all shards, trimmed by retention.

Every method blocks: `SqliteLog` calls those that write from one thread, those that read from
another.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from madang_common.log.port import Batch, LogMismatch, Retention

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (one INTEGER PRIMARY KEY CHECK (one = 1), shards INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    shard INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at REAL NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (shard, offset)
);
CREATE TABLE IF NOT EXISTS shards (
    shard INTEGER PRIMARY KEY,
    next INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
"""
_INSERT = "INSERT INTO batches VALUES (?, ?, ?, ?)"
_ADVANCE = "UPDATE shards SET next = ?, bytes = bytes + ? WHERE shard = ?"
_READ = "SELECT offset, body FROM batches WHERE shard = ? AND offset >= ? ORDER BY offset LIMIT ?"
# Searches back from the newest batch: readers that start at a time want recent batches.
_LAST_BEFORE = "SELECT offset FROM batches WHERE shard = ? AND at < ? ORDER BY offset DESC LIMIT 1"
_OLDEST = (
    "SELECT offset, at, length(body) FROM batches"
    " WHERE shard = ? AND offset < ? ORDER BY offset LIMIT ?"
)
_DELETE = "DELETE FROM batches WHERE shard = ? AND offset <= ?"
_SHRINK = "UPDATE shards SET bytes = max(0, bytes - ?) WHERE shard = ?"

_READ_BATCHES = 256
_READ_BYTES = 4_194_304
_TRIM_EVERY_SECONDS = 1.0
_TRIM_BATCHES = 256


class SqliteLogFile:
    """The file of a log, with one connection for writes and one for reads."""

    def __init__(
        self, writer: sqlite3.Connection, reader: sqlite3.Connection, retention: Retention
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._retention = retention
        self._trimmed_at = 0.0

    @classmethod
    def open(cls, path: Path, shards: int, retention: Retention) -> Self:
        """Open or create the file; raise LogMismatch if its shard count differs."""
        writer = _connect(path)
        writer.executescript(_SCHEMA)
        writer.execute("INSERT OR IGNORE INTO log VALUES (1, ?)", (shards,))
        (made_with,) = writer.execute("SELECT shards FROM log").fetchone()
        if made_with != shards:
            writer.close()
            raise LogMismatch(
                f"{path} was made with {made_with} shards, not {shards}; "
                f"give MADANG_LOG_SHARDS={made_with}"
            )
        numbers = [(shard,) for shard in range(shards)]
        writer.executemany("INSERT OR IGNORE INTO shards VALUES (?, 0, 0)", numbers)
        return cls(writer, _connect(path), retention)

    def ends(self) -> list[int]:
        """Return the next offset of each shard."""
        return [end for (end,) in self._writer.execute("SELECT next FROM shards ORDER BY shard")]

    def append(self, batches: Sequence[tuple[int, Batch]], now: float) -> None:
        """Store the batches of their shards in one transaction; raise sqlite3.Error."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            self._trim(now)  # first, so that a full disk gets the space that this frees
            bodies = [(shard, batch.offset, b"\n".join(batch.lines)) for shard, batch in batches]
            rows = [(shard, offset, now, body) for shard, offset, body in bodies]
            self._writer.executemany(_INSERT, rows)
            sizes = [(offset + 1, len(body), shard) for shard, offset, body in bodies]
            self._writer.executemany(_ADVANCE, sizes)
            self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def read(self, shard: int, offset: int) -> list[Batch]:
        """Return the next batches from `offset` on, up to a limit; raise sqlite3.Error."""
        batches, size = [], 0
        rows = self._reader.execute(_READ, (shard, offset, _READ_BATCHES))
        for number, body in rows:
            batches.append(Batch(number, tuple(body.split(b"\n"))))
            size += len(body)
            if size >= _READ_BYTES:
                break
        # An open cursor would keep the write-ahead log from being reused.
        rows.close()
        return batches

    def first_offset_since(self, shard: int, time: float) -> int:
        """Return the offset after the last batch stored before `time`, 0 if there is none."""
        row = self._reader.execute(_LAST_BEFORE, (shard, time)).fetchone()
        return 0 if row is None else int(row[0]) + 1

    def close(self) -> None:
        """Close both connections."""
        self._reader.close()
        self._writer.close()

    def _trim(self, now: float) -> None:
        """Delete the oldest batches that are beyond retention, a few at a time."""
        if abs(now - self._trimmed_at) < _TRIM_EVERY_SECONDS:
            return
        shards = self._writer.execute("SELECT shard, next, bytes FROM shards").fetchall()
        expired_before = now - self._retention.seconds
        deleted = [self._trim_shard(*shard, expired_before=expired_before) for shard in shards]
        if max(deleted) < _TRIM_BATCHES:
            self._trimmed_at = now

    def _trim_shard(self, shard: int, end: int, size: int, *, expired_before: float) -> int:
        """Delete up to `_TRIM_BATCHES` of the oldest batches; return their number."""
        # A shard keeps its newest batch at any age, so that its end stays known.
        oldest = self._writer.execute(_OLDEST, (shard, end - 1, _TRIM_BATCHES)).fetchall()
        last, freed, deleted = -1, 0, 0
        for offset, at, length in oldest:
            if at >= expired_before and size - freed <= self._retention.bytes:
                break
            last, freed, deleted = offset, freed + length, deleted + 1
        if deleted:
            self._writer.execute(_DELETE, (shard, last))
            self._writer.execute(_SHRINK, (freed, shard))
        return deleted


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA busy_timeout = 5000")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db
