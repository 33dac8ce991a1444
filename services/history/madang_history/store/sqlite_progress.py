"""The progress part of the embedded store: epochs, progress and gaps."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from typing_extensions import override

from madang_common.log.position import epoch_of, first_offset
from madang_history.store import queries
from madang_history.store.epochs import check_epoch, shard_id
from madang_history.store.port import Epoch, Gap, ProgressStore, ShardProgress, StoreUnavailable

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY, shards INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS progress (shard INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS holes (
    shard INTEGER NOT NULL,
    first INTEGER NOT NULL,
    after INTEGER NOT NULL,
    PRIMARY KEY (shard, first)
);
"""
_LATER_COLUMNS = (
    ("progress", "end", "INTEGER"),
    ("progress", "sealed_at", "REAL"),
    ("progress", "lost", "INTEGER"),
    ("holes", "at", "REAL"),
)
"""Columns that the releases before epochs did not have."""
_COLUMNS = "SELECT name FROM pragma_table_info(?)"
_EPOCH_OF_EARLIER_RELEASES = "INSERT OR IGNORE INTO epochs SELECT 0, shards FROM store"

_EPOCHS = "SELECT epoch, shards FROM epochs ORDER BY epoch"
_ADD_EPOCH = "INSERT OR IGNORE INTO epochs VALUES (?, ?)"
_PROGRESS = "SELECT next, end, sealed_at, lost FROM progress WHERE shard = ?"
_ADD_PROGRESS = "INSERT OR IGNORE INTO progress (shard, next) VALUES (?, ?)"
_SET_PROGRESS = "UPDATE progress SET next = max(next, ?) WHERE shard = ?"
_NOTE_END = "UPDATE progress SET end = max(coalesce(end, 0), ?) WHERE shard = ?"
_SEAL = "UPDATE progress SET sealed_at = ?, lost = ? WHERE shard = ? AND sealed_at IS NULL"
_ADD_GAP = (
    "INSERT INTO holes (shard, first, after, at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (shard, first) DO UPDATE SET after = max(after, excluded.after)"
)
_GAPS = (
    "SELECT first, after, at FROM holes WHERE shard = ? AND first >= ? AND first < ? ORDER BY first"
)


class SqliteProgress(ProgressStore):
    """What `SqliteMessageStore` stores about the log, with one thread for writes and for reads."""

    def __init__(
        self, writer: sqlite3.Connection, reader: sqlite3.Connection, current: Epoch
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._current = current
        self._writes = ThreadPoolExecutor(1, "store-writer")
        self._reads = ThreadPoolExecutor(1, "store-reader")
        self._closed = False

    @classmethod
    async def open_existing(cls, path: Path, current: Epoch) -> Self:
        """Open the store at `path` without entering an epoch; raise StoreUnavailable."""
        try:
            return cls(*await asyncio.to_thread(_open_existing, path), current)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error

    @property
    @override
    def epoch(self) -> int:
        return self._current.number

    @property
    @override
    def shards(self) -> int:
        return self._current.shards

    @override
    async def epochs(self) -> list[Epoch]:
        return [Epoch(*row) for row in await self._rows(_EPOCHS, ())]

    @override
    async def progress_of(self, shard: int, epoch: int) -> ShardProgress:
        rows = await self._rows(_PROGRESS, (shard_id(shard, epoch),))
        return _progress(rows, epoch)

    @override
    async def progress(self, shard: int) -> int:
        return (await self.progress_of(shard, self.epoch)).next

    @override
    async def note_end(self, shard: int, end: int) -> None:
        epoch = epoch_of(end)
        number = shard_id(shard, epoch)

        def write() -> None:
            self._writer.execute(_ADD_PROGRESS, (number, first_offset(epoch)))
            self._writer.execute(_NOTE_END, (end, number))

        await self._write(write)

    @override
    async def seal(self, shard: int, epoch: int, *, lost: bool) -> ShardProgress:
        number = shard_id(shard, epoch)
        now = datetime.now(UTC).timestamp()

        def write() -> list[tuple[Any, ...]]:
            self._writer.execute(_ADD_PROGRESS, (number, first_offset(epoch)))
            self._writer.execute(_SEAL, (now, lost, number))
            return self._writer.execute(_PROGRESS, (number,)).fetchall()

        return _progress(await self._write(write), epoch)

    @override
    async def add_gap(self, shard: int, gap: Gap) -> None:
        row = (shard, gap.first, gap.after, datetime.now(UTC).timestamp())
        await self._write(lambda: self._writer.execute(_ADD_GAP, row))

    @override
    async def gaps(self, shard: int, epoch: int | None = None) -> list[Gap]:
        epoch = self.epoch if epoch is None else epoch
        within = (shard, first_offset(epoch), first_offset(epoch + 1))
        return [
            Gap(first, after, _time(at)) for first, after, at in await self._rows(_GAPS, within)
        ]

    async def close(self) -> None:
        """Finish running writes and release all resources."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._writes.shutdown)
        await asyncio.to_thread(self._reads.shutdown)
        self._reader.close()
        self._writer.close()

    def _set_progress(self, shard: int, progress: int) -> None:
        """Advance the progress of `shard`, in a transaction of the writing thread."""
        epoch = epoch_of(progress)
        number = shard_id(shard, epoch)
        self._writer.execute(_ADD_PROGRESS, (number, first_offset(epoch)))
        self._writer.execute(_SET_PROGRESS, (progress, number))

    async def _write(self, write: Callable[[], T]) -> T:
        def transaction() -> T:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                result = write()
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
            return result

        return await self._run(self._writes, transaction)

    async def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return await self._run(
            self._reads, lambda: self._reader.execute(query, tuple(values)).fetchall()
        )

    async def _run(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailable("This process is stopping; retry in a moment.")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work)
        except sqlite3.Error as error:
            raise StoreUnavailable(
                "The message store does not answer; retry in a moment."
            ) from error


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the file at `path`; raise sqlite3.Error."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in queries.PRAGMAS:
        db.execute(pragma)
    return db


def prepare_progress(writer: sqlite3.Connection) -> None:
    """Create the tables about the log, and add what those of earlier releases lack."""
    writer.executescript(_SCHEMA)
    for table, column, kind in _LATER_COLUMNS:
        add_columns(writer, table, (column,), kind)
    if writer.execute(_COLUMNS, ("store",)).fetchall():
        writer.execute(_EPOCH_OF_EARLIER_RELEASES)


def add_columns(
    writer: sqlite3.Connection, table: str, columns: Sequence[str], kind: str = "TEXT"
) -> None:
    """Add those of `columns` that `table` lacks because an earlier release created it."""
    present = {name for (name,) in writer.execute(_COLUMNS, (table,))}
    for column in columns:
        if column not in present:
            writer.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def enter_epoch(writer: sqlite3.Connection, current: Epoch) -> None:
    """Add `current` to the stored epochs if it is new; raise StoreMismatch as `check_epoch`."""
    stored = [Epoch(*row) for row in writer.execute(_EPOCHS)]
    if check_epoch(stored, current):
        writer.execute(_ADD_EPOCH, (current.number, current.shards))


def _open_existing(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    if not path.exists():
        raise StoreUnavailable(f"{path} does not exist.")
    writer = connect(path)
    prepare_progress(writer)
    return writer, connect(path)


def _progress(rows: Sequence[tuple[Any, ...]], epoch: int) -> ShardProgress:
    after, end, sealed_at, lost = rows[0] if rows else (first_offset(epoch), None, None, None)
    return ShardProgress(after, max(after, end or 0), _time(sealed_at), bool(lost))


def _time(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
