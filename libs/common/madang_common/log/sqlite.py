"""The log in one SQLite file: for one process, with the same positions and replay as a stream.

One thread writes. What is appended to several shards meanwhile goes into one transaction, so that
one fsync serves them all. Followers in the same process get new batches from memory; older ones
are read from the file by a second thread.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

from typing_extensions import override

from madang_common.clock import Clock
from madang_common.log.port import Batch, Log, LogMismatch, LogUnavailable, Retention, Start
from madang_common.log.position import MAX_LINES

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
_RECENT_BYTES = 4_194_304
_READ_BATCHES = 256
_READ_BYTES = 4_194_304
_TRIM_EVERY_SECONDS = 1.0
_TRIM_BATCHES = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Append:
    shard: int
    lines: tuple[bytes, ...]
    stored: asyncio.Future[None]


class _Shard:
    """What this process knows of one shard: its end, its newest batches, who waits for more."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.recent: deque[Batch] = deque()
        self.recent_bytes = 0
        self.grown = asyncio.Event()

    def add(self, batch: Batch) -> None:
        self.end = batch.offset + 1
        self.recent.append(batch)
        self.recent_bytes += sum(map(len, batch.lines))
        while self.recent_bytes > _RECENT_BYTES and len(self.recent) > 1:
            self.recent_bytes -= sum(map(len, self.recent.popleft().lines))
        self.wake()

    def wake(self) -> None:
        self.grown.set()
        self.grown = asyncio.Event()

    def after(self, offset: int) -> list[Batch] | None:
        """Return the batches from `offset` on, or None if memory does not reach back that far."""
        if offset >= self.end:
            return []
        if not self.recent or self.recent[0].offset > offset:
            return None
        return [self.recent[i] for i in range(offset - self.recent[0].offset, len(self.recent))]


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA busy_timeout = 5000")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _prepare(path: Path, shards: int) -> tuple[sqlite3.Connection, list[int]]:
    """Open or make the file; return it with the end of each shard."""
    db = _connect(path)
    db.executescript(_SCHEMA)
    db.execute("INSERT OR IGNORE INTO log VALUES (1, ?)", (shards,))
    (made_with,) = db.execute("SELECT shards FROM log").fetchone()
    if made_with != shards:
        db.close()
        raise LogMismatch(f"{path} was made with {made_with} shards, not {shards}")
    db.executemany("INSERT OR IGNORE INTO shards VALUES (?, 0, 0)", [(n,) for n in range(shards)])
    return db, [end for (end,) in db.execute("SELECT next FROM shards ORDER BY shard")]


class SqliteLog(Log):
    """The embedded log. Make one with `await SqliteLog.open(path, shards)`."""

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        ends: Sequence[int],
        retention: Retention,
        clock: Clock,
    ) -> None:
        self._db = db
        self._retention = retention
        self._clock = clock
        self._shards = [_Shard(end) for end in ends]
        self._appends: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(1, "log-reader")
        self._read_db = _connect(path)
        self._trimmed_at = 0.0
        self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._writer.start()

    @classmethod
    async def open(
        cls,
        path: Path,
        shards: int,
        *,
        retention: Retention | None = None,
        clock: Clock = time.time,
    ) -> Self:
        """Open or make the log at `path`; raise LogMismatch if its shard count differs."""
        db, ends = await asyncio.to_thread(_prepare, path, shards)
        return cls(path, db, ends, retention or Retention(), clock)

    @property
    @override
    def shards(self) -> int:
        return len(self._shards)

    @property
    @override
    def connected(self) -> bool:
        return not self._closed and self._writer.is_alive()

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        if self._closed:
            raise LogUnavailable("the log is closed")
        if not 1 <= len(lines) <= MAX_LINES:
            raise ValueError(f"a batch holds 1 to {MAX_LINES} lines, not {len(lines)}")
        if any(b"\n" in line for line in lines):
            raise ValueError("a line has no line break in it")
        stored: asyncio.Future[None] = self._loop.create_future()
        self._appends.put(_Append(shard, lines, stored))
        await stored

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        state = self._shards[shard]
        offset = start if isinstance(start, int) else await self._offset_at(shard, start)
        while not self._closed:
            grown = state.grown
            batches = state.after(offset)
            if batches is None:
                batches = await self._read(shard, offset)
                if not batches:
                    # All that was asked for is beyond retention: go on with what is kept.
                    offset = state.recent[0].offset if state.recent else state.end
                    continue
            for batch in batches:
                yield batch
                offset = batch.offset + 1
            if not batches:
                await grown.wait()

    @override
    async def end(self, shard: int) -> int:
        return self._shards[shard].end

    @override
    async def ping(self) -> None:
        if not self.connected:
            raise LogUnavailable("the log is closed")

    @override
    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._appends.put(None)
        await asyncio.to_thread(self._writer.join)
        for shard in self._shards:
            shard.wake()
        await asyncio.to_thread(self._readers.shutdown)
        self._read_db.close()
        self._db.close()

    async def _offset_at(self, shard: int, start: datetime | str) -> int:
        """Return an offset from which all follows that was stored at or after `start`."""
        if not isinstance(start, datetime) or self._closed:
            return 0
        since = start.timestamp()
        # Looks back from the newest batch: whoever asks by time asks for what is recent.
        query = "SELECT offset FROM batches WHERE shard = ? AND at < ? ORDER BY offset DESC LIMIT 1"

        def find() -> int:
            before = self._read_db.execute(query, (shard, since)).fetchone()
            return 0 if before is None else min(int(before[0]) + 1, newest)

        newest = self._shards[shard].end - 1
        return await self._on_reader(find)

    async def _read(self, shard: int, offset: int) -> list[Batch]:
        query = (
            "SELECT offset, body FROM batches WHERE shard = ? AND offset >= ?"
            " ORDER BY offset LIMIT ?"
        )

        def read() -> list[Batch]:
            batches, size = [], 0
            rows = self._read_db.execute(query, (shard, offset, _READ_BATCHES))
            for number, body in rows:
                batches.append(Batch(number, tuple(body.split(b"\n"))))
                size += len(body)
                if size >= _READ_BYTES:
                    break
            # An open cursor would hold the write-ahead log from being reused.
            rows.close()
            return batches

        return await self._on_reader(read)

    async def _on_reader(self, read: Callable[[], T]) -> T:
        try:
            return await self._loop.run_in_executor(self._readers, read)
        except sqlite3.Error as error:
            raise LogUnavailable(str(error)) from error

    # The writer's thread.

    def _write(self) -> None:
        """Store what waits, all of it in one transaction, until `None` comes."""
        ends = [shard.end for shard in self._shards]
        while True:
            waiting = [self._appends.get()]
            while not self._appends.empty():
                waiting.append(self._appends.get())
            appends = [append for append in waiting if append is not None]
            if appends:
                self._store(appends, ends)
            if len(appends) < len(waiting):
                return

    def _store(self, appends: list[_Append], ends: list[int]) -> None:
        stored: list[tuple[_Append, Batch]] = []
        new_ends = ends.copy()
        for append in appends:
            stored.append((append, Batch(new_ends[append.shard], append.lines)))
            new_ends[append.shard] += 1
        try:
            now = self._clock()
            self._db.execute("BEGIN IMMEDIATE")
            self._trim(now)  # first, so that a full disk gets the room that this frees
            self._db.executemany(
                "INSERT INTO batches VALUES (?, ?, ?, ?)",
                [(a.shard, b.offset, now, b"\n".join(b.lines)) for a, b in stored],
            )
            self._db.executemany(
                "UPDATE shards SET next = ?, bytes = bytes + ? WHERE shard = ?",
                [
                    (b.offset + 1, sum(map(len, b.lines)) + len(b.lines) - 1, a.shard)
                    for a, b in stored
                ],
            )
            self._db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the writer answers and goes on, whatever it is
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            reason = str(error)
            self._loop.call_soon_threadsafe(self._refuse, appends, reason)
            return
        ends[:] = new_ends
        self._loop.call_soon_threadsafe(self._publish, stored)

    def _trim(self, now: float) -> None:
        """Drop the oldest batches that retention no longer keeps, a few at a time."""
        if abs(now - self._trimmed_at) < _TRIM_EVERY_SECONDS:
            return
        shards = self._db.execute("SELECT shard, next, bytes FROM shards").fetchall()
        dropped = [
            self._trim_shard(*shard, too_old=now - self._retention.seconds) for shard in shards
        ]
        if max(dropped) < _TRIM_BATCHES:
            self._trimmed_at = now

    def _trim_shard(self, shard: int, end: int, size: int, *, too_old: float) -> int:
        """Drop up to `_TRIM_BATCHES` of the oldest batches; return how many those were."""
        oldest = self._db.execute(
            "SELECT offset, at, length(body) FROM batches"
            " WHERE shard = ? AND offset < ? ORDER BY offset LIMIT ?",
            # A shard keeps its newest batch, whatever its age: it shows where the shard ends.
            (shard, end - 1, _TRIM_BATCHES),
        ).fetchall()
        last, freed, dropped = -1, 0, 0
        for offset, at, length in oldest:
            if at >= too_old and size - freed <= self._retention.bytes:
                break
            last, freed, dropped = offset, freed + length, dropped + 1
        if dropped:
            self._db.execute("DELETE FROM batches WHERE shard = ? AND offset <= ?", (shard, last))
            self._db.execute(
                "UPDATE shards SET bytes = max(0, bytes - ?) WHERE shard = ?", (freed, shard)
            )
        return dropped

    # Back on the event loop.

    def _publish(self, stored: list[tuple[_Append, Batch]]) -> None:
        for append, batch in stored:
            self._shards[append.shard].add(batch)
            if not append.stored.done():
                append.stored.set_result(None)

    @staticmethod
    def _refuse(appends: list[_Append], reason: str) -> None:
        for append in appends:
            if not append.stored.done():
                append.stored.set_exception(LogUnavailable(reason))
