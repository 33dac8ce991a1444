"""The store in one SQLite file, with one thread for writes and one for reads."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from typing_extensions import override

from madang_history.store import queries
from madang_history.store.port import (
    LAST,
    Entry,
    EventCount,
    Gap,
    Kinds,
    MessageStore,
    StoredEvent,
    StoreMismatch,
    StoreUnavailable,
)

T = TypeVar("T")


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in queries.PRAGMAS:
        db.execute(pragma)
    return db


def _prepare(path: Path, shards: int) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open or create the file; return a connection for writes and one for reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = _connect(path)
    writer.executescript(queries.SCHEMA)
    writer.execute("INSERT OR IGNORE INTO store VALUES (1, ?)", (shards,))
    (made_for,) = writer.execute("SELECT shards FROM store").fetchone()
    if made_for != shards:
        writer.close()
        raise StoreMismatch(f"{path} was made for a log of {made_for} shards, not {shards}")
    writer.executemany(
        "INSERT OR IGNORE INTO progress VALUES (?, 0)", [(n,) for n in range(shards)]
    )
    reader = _connect(path)
    reader.execute("PRAGMA query_only = ON")
    return writer, reader


class SqliteMessageStore(MessageStore):
    """The embedded store. Make one with `await SqliteMessageStore.open(path, shards)`."""

    def __init__(self, writer: sqlite3.Connection, reader: sqlite3.Connection, shards: int) -> None:
        self._writer = writer
        self._reader = reader
        self._shards = shards
        self._writes = ThreadPoolExecutor(1, "store-writer")
        self._reads = ThreadPoolExecutor(1, "store-reader")
        self._closed = False

    @classmethod
    async def open(cls, path: Path, shards: int) -> Self:
        """Open or create the store at `path`; raise StoreMismatch if its shard count differs."""
        try:
            writer, reader = await asyncio.to_thread(_prepare, path, shards)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        return cls(writer, reader, shards)

    @property
    @override
    def shards(self) -> int:
        return self._shards

    @override
    async def store(self, shard: int, entries: Sequence[Entry], progress: int) -> int:
        rows = [(e.audience, e.position, e.kind, e.sender, e.key, e.line) for e in entries]

        def write() -> int:
            before = self._writer.total_changes
            self._writer.executemany(queries.ADD_EVENT, rows)
            new = self._writer.total_changes - before
            self._writer.execute(queries.SET_PROGRESS, (progress, shard))
            return new

        return await self._write(write)

    @override
    async def progress(self, shard: int) -> int:
        row = await self._one_row(queries.PROGRESS, (shard,))
        return int(row[0]) if row else 0

    @override
    async def add_gap(self, shard: int, gap: Gap) -> None:
        row = (shard, gap.first, gap.after)
        await self._write(lambda: self._writer.execute(queries.ADD_GAP, row))

    @override
    async def gaps(self, shard: int) -> list[Gap]:
        return [Gap(*row) for row in await self._rows(queries.GAPS, (shard,))]

    @override
    async def before(
        self, audience: str, position: int | None, limit: int, kinds: Kinds = ()
    ) -> list[StoredEvent]:
        than = LAST + 1 if position is None else position
        query, values = queries.range_of(audience, kinds, limit, below=than, order="DESC")
        return [StoredEvent(*row) for row in reversed(await self._rows(query, values))]

    @override
    async def after(
        self, audience: str, position: int, limit: int, kinds: Kinds = (), *, upto: int = LAST
    ) -> list[StoredEvent]:
        query, values = queries.range_of(audience, kinds, limit, above=position, below=upto + 1)
        return [StoredEvent(*row) for row in await self._rows(query, values)]

    @override
    async def get(self, audience: str, position: int) -> StoredEvent | None:
        row = await self._one_row(queries.ONE, (audience, position))
        return StoredEvent(*row) if row else None

    @override
    async def by_key(self, audience: str, sender: str, key: str) -> StoredEvent | None:
        row = await self._one_row(queries.BY_KEY, (audience, sender, key))
        return StoredEvent(*row) if row else None

    @override
    async def count_after(
        self, audience: str, position: int, kinds: Kinds, *, upto: int, reader: str, most: int
    ) -> EventCount:
        query, values = queries.range_of(
            audience, kinds, most, above=position, below=upto + 1, columns="position, sender"
        )
        ((examined, by_others),) = await self._rows(queries.count_of(query), (reader, *values))
        return EventCount(by_others, examined)

    @override
    async def ping(self) -> None:
        await self._rows("SELECT 1 FROM store", ())

    @override
    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._writes.shutdown)
        await asyncio.to_thread(self._reads.shutdown)
        self._reader.close()
        self._writer.close()

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

    async def _one_row(self, query: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        rows = await self._rows(query, values)
        return rows[0] if rows else None

    async def _run(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailable("This process is stopping; retry in a moment.")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work)
        except sqlite3.Error as error:
            raise StoreUnavailable(
                "The message store does not answer; retry in a moment."
            ) from error
