"""The store in one SQLite file, with one thread for writes and one for reads."""

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self

from typing_extensions import override

from madang_common.events.envelope import room_audience
from madang_common.events.kinds import UNREAD
from madang_fold import Message
from madang_history.store import message_queries, queries
from madang_history.store.message_rows import read_states, stored_message
from madang_history.store.port import (
    LAST,
    Epoch,
    Kinds,
    MessageCount,
    MessageKey,
    MessagesOf,
    MessageStore,
    StoredEvent,
    StoredMessage,
    StoreUnavailable,
)
from madang_history.store.rows import add_events, stored_event
from madang_history.store.sqlite_migration import move_lines, set_lines_aside
from madang_history.store.sqlite_progress import (
    SqliteProgress,
    add_columns,
    connect,
    enter_epoch,
    prepare_progress,
)


def _prepare(path: Path, current: Epoch) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open or create the file; return a connection for writes and one for reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = connect(path)
    try:
        set_lines_aside(writer)
        writer.executescript(queries.TABLE + message_queries.TABLE)
        add_columns(writer, "events", queries.LATER_COLUMNS)
        add_columns(writer, "messages", message_queries.LATER_COLUMNS)
        move_lines(writer)
        writer.executescript(queries.INDEXES + message_queries.INDEXES)
        prepare_progress(writer)
        enter_epoch(writer, current)
        reader = connect(path)
    except BaseException:
        writer.close()
        raise
    reader.execute("PRAGMA query_only = ON")
    return writer, reader


class SqliteMessageStore(SqliteProgress, MessageStore):
    """The embedded store. Make one with `await SqliteMessageStore.open(path, shards)`."""

    @classmethod
    async def open(cls, path: Path, shards: int, *, epoch: int = 0) -> Self:
        """Open or create the store at `path`, and enter `epoch` of the log if it is new.

        Raise StoreMismatch if the store has a later one, or this one with other shards.
        """
        current = Epoch(epoch, shards)
        try:
            writer, reader = await asyncio.to_thread(_prepare, path, current)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        return cls(writer, reader, current)

    @override
    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        def write() -> int:
            new = add_events(self._writer, entries)
            self._set_progress(shard, progress)
            return new

        return await self._write(write)

    @override
    async def before(
        self, audience: str, position: int | None, limit: int, kinds: Kinds = ()
    ) -> list[StoredEvent]:
        than = LAST + 1 if position is None else position
        query, values = queries.range_of(audience, kinds, limit, below=than, order="DESC")
        return [stored_event(row) for row in reversed(await self._rows(query, values))]

    @override
    async def after(
        self, audience: str, position: int, limit: int, kinds: Kinds = (), *, upto: int = LAST
    ) -> list[StoredEvent]:
        query, values = queries.range_of(audience, kinds, limit, above=position, below=upto + 1)
        return [stored_event(row) for row in await self._rows(query, values)]

    @override
    async def get(self, audience: str, position: int) -> StoredEvent | None:
        row = await self._one_row(queries.ONE, (audience, position))
        return stored_event(row) if row else None

    @override
    async def by_key(self, audience: str, sender: str, key: str) -> StoredEvent | None:
        row = await self._one_row(queries.BY_KEY, (audience, sender, key))
        return stored_event(row) if row else None

    @override
    async def edits(
        self, message: MessageKey, position: int, limit: int, *, upto: int = LAST
    ) -> list[StoredEvent]:
        query, values = message_queries.edits_of(message, limit, above=position, below=upto + 1)
        return [stored_event(row) for row in await self._rows(query, values)]

    @override
    async def messages(self, keys: Collection[MessageKey]) -> dict[MessageKey, Message]:
        return await self._run(self._reads, lambda: read_states(self._reader, keys))

    @override
    async def messages_before(
        self, selected: MessagesOf, position: int | None, limit: int
    ) -> list[StoredMessage]:
        below = LAST + 1 if position is None else position
        query, values = message_queries.range_of(selected, limit, below=below, order="DESC")
        return [stored_message(row) for row in reversed(await self._rows(query, values))]

    @override
    async def messages_after(
        self, selected: MessagesOf, position: int, limit: int, *, upto: int = LAST
    ) -> list[StoredMessage]:
        query, values = message_queries.range_of(selected, limit, above=position, below=upto + 1)
        return [stored_message(row) for row in await self._rows(query, values)]

    @override
    async def count_messages(
        self, room: str, position: int, *, upto: int, reader: str, most: int
    ) -> MessageCount:
        query, values = queries.range_of(
            room_audience(room),
            UNREAD,
            most,
            above=position,
            below=upto + 1,
            columns="position, sender",
        )
        # In this order: each deleted message is among the created ones.
        count = queries.count_of(query)
        ((examined, by_others, last),) = await self._rows(count, (reader, *values))
        if not examined:
            return MessageCount(0, 0)
        between = (room, position, last, reader)
        ((deleted,),) = await self._rows(message_queries.COUNT_DELETED, between)
        return MessageCount(by_others - deleted, examined)

    @override
    async def ping(self) -> None:
        await self._rows("SELECT 1 FROM epochs", ())

    async def _one_row(self, query: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        rows = await self._rows(query, values)
        return rows[0] if rows else None
