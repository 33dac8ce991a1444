"""The SQL of the embedded log: one file per epoch with all its batches, trimmed by retention.

Epoch 0 is in `log.db`, epoch 3 in `log.3.db` beside it.

Every method blocks: `SqliteLog` calls those that write from one thread, those that read from
another.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from madang_common.log.port import Batch, LogEnded, LogMismatch, LogUnavailable, Retention
from madang_common.log.position import MAX_EPOCH, first_offset

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
CREATE TABLE IF NOT EXISTS ended (one INTEGER PRIMARY KEY CHECK (one = 1));
"""
_END = "INSERT OR IGNORE INTO ended VALUES (1)"
_IS_ENDED = "SELECT EXISTS (SELECT 1 FROM ended)"
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


def epoch_file(path: Path, epoch: int) -> Path:
    """Return the file of `epoch` for a log whose epoch 0 is in `path`."""
    return path.with_suffix(f".{epoch}{path.suffix}") if epoch else path


class SqliteLogFile:
    """The file of one epoch of a log, with one connection for writes and one for reads."""

    def __init__(
        self, writer: sqlite3.Connection, reader: sqlite3.Connection, retention: Retention
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._retention = retention
        self._trimmed_at = 0.0

    @classmethod
    def begin(cls, path: Path, epoch: int, shards: int, retention: Retention) -> Self:
        """Open or create the file of `epoch`, and end all epochs before it.

        `path` is the file of epoch 0. Raise LogMismatch if the shard count differs, if a later
        epoch exists, or if `epoch` has ended.
        """
        _raise_if_later(path, epoch)
        for former in range(epoch):
            if epoch_file(path, former).exists():
                _end(epoch_file(path, former))
        return cls._open_current(path, epoch, shards, retention)

    @classmethod
    def open_current(cls, path: Path, epoch: int, shards: int) -> Self | None:
        """Open the file of `epoch`, to read; return None if it does not exist.

        `path` is the file of epoch 0. Raise LogMismatch as `begin`.
        """
        _raise_if_later(path, epoch)
        if not epoch_file(path, epoch).exists():
            return None
        return cls._open_current(path, epoch, shards, Retention())

    @classmethod
    def _open_current(cls, path: Path, epoch: int, shards: int, retention: Retention) -> Self:
        file = cls.open(epoch_file(path, epoch), epoch, shards, retention)
        if file.is_ended():
            file.close()
            raise LogMismatch(
                f"{epoch_file(path, epoch)} has ended: set MADANG_LOG_EPOCH={epoch + 1}"
            )
        return file

    @classmethod
    def open(cls, path: Path, epoch: int, shards: int | None, retention: Retention) -> Self:
        """Open or create the file at `path`; raise LogMismatch if its shard count differs.

        A file that exists is opened with any number if `shards` is None. Raise LogUnavailable if it
        cannot be opened.
        """
        with _naming(path):
            writer = _connect(path)
            try:
                _prepare(writer, path, epoch, shards)
                return cls(writer, _connect(path), retention)
            except BaseException:
                writer.close()
                raise

    def ends(self) -> list[int]:
        """Return the next offset of each shard."""
        return [end for (end,) in self._writer.execute("SELECT next FROM shards ORDER BY shard")]

    def is_ended(self) -> bool:
        """Return whether the epoch has ended."""
        return bool(self._writer.execute(_IS_ENDED).fetchone()[0])

    def append(self, batches: Sequence[tuple[int, Batch]], now: float) -> None:
        """Store the batches of their shards in one transaction; raise LogEnded, sqlite3.Error."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            if self.is_ended():
                raise LogEnded("the epoch of the log has ended")
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


def _raise_if_later(path: Path, epoch: int) -> None:
    """Raise LogMismatch, which names the last epoch, if a file of one after `epoch` exists."""
    for later in range(MAX_EPOCH, epoch, -1):
        if epoch_file(path, later).exists():
            raise LogMismatch(f"{epoch_file(path, later)} exists: set MADANG_LOG_EPOCH={later}")


def _prepare(writer: sqlite3.Connection, path: Path, epoch: int, shards: int | None) -> None:
    """Create what the file at `path` lacks; raise LogMismatch if its shard count differs."""
    writer.executescript(_SCHEMA)
    if shards is not None:
        writer.execute("INSERT OR IGNORE INTO log VALUES (1, ?)", (shards,))
    row = writer.execute("SELECT shards FROM log").fetchone()
    if row is None:
        raise LogMismatch(f"{path} has no number of shards: its process was killed at its start")
    made_with = int(row[0])
    if shards not in {None, made_with}:
        raise LogMismatch(
            f"{path} was made with {made_with} shards, not {shards}; "
            f"give MADANG_LOG_SHARDS={made_with}"
        )
    ends = [(shard, first_offset(epoch)) for shard in range(made_with)]
    writer.executemany("INSERT OR IGNORE INTO shards VALUES (?, ?, 0)", ends)


def _end(path: Path) -> None:
    """End the epoch in the file at `path`: nothing is appended to it any more."""
    with _naming(path), closing(_connect(path)) as db:
        db.executescript(_SCHEMA)
        db.execute(_END)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Convert errors of SQLite to LogUnavailable, which names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise LogUnavailable(f"{path}: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db
