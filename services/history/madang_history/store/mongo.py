"""The store in MongoDB: a replica set, or a sharded cluster of them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Self, TypeVar

from pymongo import ASCENDING, DESCENDING
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed
from typing_extensions import override

from madang_common.events.envelope import room_audience
from madang_common.events.kinds import UNREAD
from madang_fold import Message
from madang_history.store import documents
from madang_history.store.event_collection import EventCollection, SenderCount, Within
from madang_history.store.event_writer import EventWriter
from madang_history.store.line_events import LineEvents, set_lines_aside
from madang_history.store.message_collection import Between, MessageCollection
from madang_history.store.mongo_client import CausalSessions, Database, Session, unavailable
from madang_history.store.mongo_progress import MongoProgress, define_progress, enter_epoch
from madang_history.store.port import (
    LAST,
    Epoch,
    Kinds,
    MessageCount,
    MessageKey,
    MessagesOf,
    MessageStore,
    Positioned,
    StoredEvent,
    StoredMessage,
    StoreUnavailable,
)

S = TypeVar("S", bound=Positioned)


class MongoMessageStore(MongoProgress, MessageStore):
    """The production store. Make one with `await MongoMessageStore.open(database, shards)`.

    The first event with a key wins, whichever replica writes: a writer inserts an event only after
    a majority has all earlier events of its shard, or together with them, and it removes duplicates
    from its own batch. So when an event is inserted, the first one with its key is stored or in the
    same batch, and the unique index refuses the second. This holds if writers overlap, pause, or
    repeat half of a write. Messages are written after the events, each on the condition that it has
    the version that was read; progress is written after both, and never decreases.

    Closing the store does not close the client, which belongs to the caller.
    """

    def __init__(
        self,
        database: Database,
        shards: int,
        writer: EventWriter,
        sessions: CausalSessions,
        lines: LineEvents | None,
        health: Database | None = None,
        *,
        epoch: int = 0,
    ) -> None:
        """Store in `database`; ping over the client of `health`, by default the same one.

        `lines` are the events that are not migrated yet.
        """
        super().__init__(database, Epoch(epoch, shards), sessions)
        self._health = (database if health is None else health)["store"]
        self._writer = writer
        self._events = EventCollection(database[documents.EVENTS])
        self._messages = MessageCollection(database[documents.MESSAGES])
        self._lines = lines

    @classmethod
    async def open(
        cls, database: Database, shards: int, health: Database | None = None, *, epoch: int = 0
    ) -> Self:
        """Open or create the store, and enter `epoch` of the log if it is new.

        Raise StoreMismatch if the store has a later one, or this one with other shards.
        """
        with unavailable():
            await define_progress(database)
            first = await enter_epoch(database, Epoch(epoch, shards))
            await set_lines_aside(database)
            sessions = CausalSessions(database)
            writer = await EventWriter.open(database, sessions)
            lines = await LineEvents.open(database, first.shards)
        return cls(database, shards, writer, sessions, lines, health, epoch=epoch)

    @classmethod
    async def open_when_available(
        cls,
        database: Database,
        shards: int,
        *,
        epoch: int,
        health: Database,
        start_seconds: float,
    ) -> Self:
        """As `open`, but wait up to `start_seconds` for MongoDB when both start together."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable),
            stop=stop_after_delay(start_seconds),
            wait=wait_fixed(1),
            reraise=True,
        ):
            with attempt:
                store = await cls.open(database, shards, health, epoch=epoch)
        return store

    @override
    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        async with self._session() as session:
            lines = await self._lines_left(session)
            new = _without_duplicates(entries)
            if lines is not None:
                new = await lines.without_stored(new, session)
        with unavailable():
            written = await self._writer.write(new, lines)
        async with self._session() as session:
            await self._set_progress(shard, progress, session)
        return written.new

    @override
    async def before(
        self, audience: str, position: int | None, limit: int, kinds: Kinds = ()
    ) -> list[StoredEvent]:
        within = Within(audience, kinds, below=position)
        async with self._session() as session:
            return (await self._nearest(within, DESCENDING, limit, session))[::-1]

    @override
    async def after(
        self, audience: str, position: int, limit: int, kinds: Kinds = (), *, upto: int = LAST
    ) -> list[StoredEvent]:
        within = Within(audience, kinds, above=position, below=upto + 1)
        async with self._session() as session:
            return await self._nearest(within, ASCENDING, limit, session)

    @override
    async def get(self, audience: str, position: int) -> StoredEvent | None:
        async with self._session() as session:
            lines = await self._lines_left(session)
            found = await lines.get(audience, position, session) if lines else None
            return found or await self._events.get(audience, position, session)

    @override
    async def by_key(self, audience: str, sender: str, key: str) -> StoredEvent | None:
        async with self._session() as session:
            lines = await self._lines_left(session)
            found = await lines.with_key(audience, sender, key, session) if lines else None
            return found or await self._events.with_key(audience, sender, key, session)

    @override
    async def edits(
        self, message: MessageKey, position: int, limit: int, *, upto: int = LAST
    ) -> list[StoredEvent]:
        async with self._session() as session:
            return await self._events.edits(message, position, upto + 1, limit, session)

    @override
    async def messages(self, keys: Collection[MessageKey]) -> dict[MessageKey, Message]:
        async with self._session() as session:
            lines = await self._lines_left(session)
            unmigrated = await lines.messages(keys, session) if lines else {}
            return unmigrated | await self._messages.states(keys, session)

    @override
    async def messages_before(
        self, selected: MessagesOf, position: int | None, limit: int
    ) -> list[StoredMessage]:
        below = LAST + 1 if position is None else position
        async with self._session() as session:
            between = Between(selected, below=below)
            return (await self._nearest_messages(between, DESCENDING, limit, session))[::-1]

    @override
    async def messages_after(
        self, selected: MessagesOf, position: int, limit: int, *, upto: int = LAST
    ) -> list[StoredMessage]:
        async with self._session() as session:
            between = Between(selected, above=position, below=upto + 1)
            return await self._nearest_messages(between, ASCENDING, limit, session)

    @override
    async def count_messages(
        self, room: str, position: int, *, upto: int, reader: str, most: int
    ) -> MessageCount:
        within = Within(room_audience(room), UNREAD, above=position, below=upto + 1)
        async with self._session() as session:
            # In this order: each deleted message is among the created ones.
            created = await self._count(within, reader, most, session)
            between = Between(MessagesOf(room), position, created.last + 1)
            deleted = await self._messages.count_deleted(between, reader, most, session)
        return MessageCount(created.by_others - deleted, created.examined)

    @override
    async def ping(self) -> None:
        if self._closed:
            raise StoreUnavailable("This process is stopping; retry in a moment.")
        with unavailable():
            await self._health.find_one({"_id": "log"})

    @override
    async def close(self) -> None:
        self._closed = True
        await self._sessions.close()

    async def _nearest(
        self, within: Within, direction: int, limit: int, session: Session
    ) -> list[StoredEvent]:
        lines = await self._lines_left(session)
        older = await lines.nearest(within, direction, limit, session) if lines else []
        found = await self._events.nearest(within, direction, limit, session)
        return _merged(older, found, direction)[:limit] if older else found

    async def _count(self, within: Within, reader: str, most: int, session: Session) -> SenderCount:
        if await self._lines_left(session) is None:
            return await self._events.count(within, reader, most, session)
        found = await self._nearest(within, ASCENDING, most, session)
        by_others = sum(stored.event.sender != reader for stored in found)
        return SenderCount(by_others, len(found), found[-1].position if found else within.above)

    async def _nearest_messages(
        self, between: Between, direction: int, limit: int, session: Session
    ) -> list[StoredMessage]:
        lines = await self._lines_left(session)
        older = await lines.nearest_messages(between, direction, limit, session) if lines else []
        found = await self._messages.nearest(between, direction, limit, session)
        return _merged(older, found, direction)[:limit] if older else found

    async def _lines_left(self, session: Session) -> LineEvents | None:
        """Return the events that are not migrated yet, None if there are none.

        They are read before the migrated ones: an event that is moved meanwhile is found twice,
        but never missed.
        """
        if self._lines is not None and await self._lines.is_empty(session):
            self._lines = None
        return self._lines


def _without_duplicates(entries: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Return the first entry of each audience, sender and key, in order."""
    first: dict[tuple[str, str, str], StoredEvent] = {}
    for entry in entries:
        event = entry.event
        first.setdefault((event.audience, event.sender, event.key), entry)
    return list(first.values())


def _merged(older: Iterable[S], newer: Iterable[S], direction: int) -> list[S]:
    """Return the entries of both, each once, ordered in `direction`."""
    entries = {stored.position: stored for stored in (*older, *newer)}
    return [entries[position] for position in sorted(entries, reverse=direction == DESCENDING)]
