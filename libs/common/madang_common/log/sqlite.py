"""The log in one SQLite file per epoch, for one process, with the positions and replay of a stream.

One thread writes: appends to all shards that arrive during a transaction go into the next one, and
so share its fsync. Readers in the same process get new batches from memory; a second thread reads
older ones from the file.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from typing_extensions import override

from madang_common.clock import Clock
from madang_common.log.port import (
    Batch,
    Log,
    LogEnded,
    LogError,
    LogUnavailable,
    Retention,
    Start,
)
from madang_common.log.position import MAX_LINES
from madang_common.log.sqlite_file import SqliteLogFile, epoch_file

_RECENT_BYTES = 4_194_304
"""Bytes of the newest batches of one shard that stay in memory."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Append:
    shard: int
    lines: tuple[bytes, ...]
    stored: asyncio.Future[None]


class _Shard:
    """The end of one shard, its newest batches, and an event for readers that wait for more."""

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
        """Return the batches from `offset` on, or None if the oldest of them left memory."""
        if offset >= self.end:
            return []
        if not self.recent or self.recent[0].offset > offset:
            return None
        return [self.recent[i] for i in range(offset - self.recent[0].offset, len(self.recent))]


class SqliteLog(Log):
    """The embedded log. Make one with `await SqliteLog.open(path, shards, epoch=epoch)`."""

    def __init__(self, file: SqliteLogFile, epoch: int, clock: Clock) -> None:
        self._file = file
        self._epoch = epoch
        self._ended = file.is_ended()
        self._clock = clock
        self._shards = [_Shard(end) for end in file.ends()]
        self._appends: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._reader = ThreadPoolExecutor(1, "log-reader")
        self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._writer.start()

    @classmethod
    async def open(
        cls,
        path: Path,
        shards: int,
        *,
        epoch: int = 0,
        retention: Retention | None = None,
        clock: Clock = time.time,
    ) -> Self:
        """Open or create the log of `epoch`, which ends those before; `path` is that of epoch 0.

        Raise LogMismatch if its shard count differs, or if a later epoch exists.
        """
        file = await asyncio.to_thread(
            SqliteLogFile.begin, path, epoch, shards, retention or Retention()
        )
        return cls(file, epoch, clock)

    @classmethod
    async def open_current(cls, path: Path, shards: int, *, epoch: int = 0) -> Self | None:
        """Open the log of `epoch` to read; return None if its file does not exist.

        It ends no other epoch. Raise LogMismatch as `open`.
        """
        file = await asyncio.to_thread(SqliteLogFile.open_current, path, epoch, shards)
        return None if file is None else cls(file, epoch, time.time)

    @classmethod
    async def open_existing(cls, path: Path, shards: int | None, *, epoch: int) -> Self | None:
        """Open the log of an earlier `epoch` to read; return None if its file does not exist.

        Raise LogMismatch if it has not so many `shards`; None for any number.
        """
        file = epoch_file(path, epoch)
        if not file.exists():
            return None
        opened = await asyncio.to_thread(SqliteLogFile.open, file, epoch, shards, Retention())
        return cls(opened, epoch, time.time)

    @property
    @override
    def epoch(self) -> int:
        return self._epoch

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
            raise ValueError("a line contains no line break")
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
                batches = await self._read(partial(self._file.read, shard, offset))
                if not batches:
                    # Everything before the newest batches is beyond retention.
                    offset = state.recent[0].offset if state.recent else state.end
                    continue
            for batch in batches:
                yield batch
                offset = batch.offset + 1
            if not batches:
                if self._ended:
                    raise LogEnded(f"epoch {self._epoch} of the log has ended", end=state.end)
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
        await asyncio.to_thread(self._reader.shutdown)
        self._file.close()

    async def _offset_at(self, shard: int, start: datetime | str) -> int:
        """Return an offset at or before the first batch that was stored at or after `start`."""
        if not isinstance(start, datetime) or self._closed:
            return 0
        newest = self._shards[shard].end - 1
        find = partial(self._file.first_offset_since, shard, start.timestamp())
        return max(0, min(await self._read(find), newest))

    async def _read(self, read: Callable[[], T]) -> T:
        try:
            return await self._loop.run_in_executor(self._reader, read)
        except sqlite3.Error as error:
            raise LogUnavailable(str(error)) from error

    # Runs in the writer thread.

    def _write(self) -> None:
        """Store all queued appends in one transaction, again and again; None ends the thread."""
        ends = [shard.end for shard in self._shards]
        while True:
            queued = [self._appends.get()]
            while not self._appends.empty():
                queued.append(self._appends.get())
            appends = [append for append in queued if append is not None]
            if appends:
                self._store(appends, ends)
            if len(appends) < len(queued):
                return

    def _store(self, appends: list[_Append], ends: list[int]) -> None:
        batches: list[tuple[int, Batch]] = []
        new_ends = ends.copy()
        for append in appends:
            batches.append((append.shard, Batch(new_ends[append.shard], append.lines)))
            new_ends[append.shard] += 1
        try:
            self._file.append(batches, self._clock())
        except LogEnded as error:
            self._loop.call_soon_threadsafe(self._end, appends, str(error))
            return
        except Exception as error:  # noqa: BLE001 - the writer reports any error and goes on
            self._loop.call_soon_threadsafe(self._refuse, appends, LogUnavailable, str(error))
            return
        ends[:] = new_ends
        self._loop.call_soon_threadsafe(self._publish, appends, batches)

    # Runs in the event loop.

    def _publish(self, appends: list[_Append], batches: list[tuple[int, Batch]]) -> None:
        for append, (shard, batch) in zip(appends, batches, strict=True):
            self._shards[shard].add(batch)
            if not append.stored.done():
                append.stored.set_result(None)

    @staticmethod
    def _refuse(appends: list[_Append], kind: type[LogError], reason: str) -> None:
        for append in appends:
            if not append.stored.done():
                append.stored.set_exception(kind(reason))

    def _end(self, appends: list[_Append], reason: str) -> None:
        self._ended = True
        self._refuse(appends, LogEnded, reason)
        for shard in self._shards:
            shard.wake()


@asynccontextmanager
async def open_epoch_file(path: Path, epoch: int, shards: int | None) -> AsyncIterator[Log | None]:
    """Yield the log of an earlier `epoch`, to read; None if it does not exist.

    `path` is the file of epoch 0; see `madang_common.log.opening.open_epoch`.
    """
    chat_log = await SqliteLog.open_existing(path, shards, epoch=epoch)
    try:
        yield chat_log
    finally:
        if chat_log is not None:
            await chat_log.close()
