"""Writes events and their messages to MongoDB."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from madang_history.store import documents
from madang_history.store.documents import BY_ID, EVENTS, MESSAGES
from madang_history.store.event_documents import event_document
from madang_history.store.line_events import LineEvents
from madang_history.store.message_writer import MessageWriter
from madang_history.store.messages import concerns_messages
from madang_history.store.mongo_client import (
    CausalSessions,
    Collection,
    Database,
    Document,
    both,
    define_collection,
    insert_new,
)
from madang_history.store.port import StoredEvent


class Written(NamedTuple):
    """Result of a write."""

    new: int
    """Number of events that were not stored before."""
    refused: Sequence[StoredEvent]
    """Events that are not stored because an earlier one has their key."""


class EventWriter:
    """Writes events, then applies those that are stored to their messages.

    Make one with `await EventWriter.open(database, sessions)`. A repeated write changes nothing and
    completes one that stopped between the two.
    """

    def __init__(self, events: Collection, messages: Collection, sessions: CausalSessions) -> None:
        self._events = events
        self._messages = MessageWriter(events, messages, sessions)
        self._sessions = sessions

    @classmethod
    async def open(cls, database: Database, sessions: CausalSessions) -> Self:
        """Create or update both collections; each operation has one of `sessions`."""
        return cls(
            await define_collection(database, EVENTS, documents.EVENT, documents.EVENT_INDEXES),
            await define_collection(
                database, MESSAGES, documents.MESSAGE, documents.MESSAGE_INDEXES
            ),
            sessions,
        )

    async def write(
        self, entries: Sequence[StoredEvent], lines: LineEvents | None = None
    ) -> Written:
        """Write `entries`, which have different keys; `lines` are not migrated yet."""
        events = [event_document(entry) for entry in entries]
        concerned = [entry for entry in entries if concerns_messages(entry)]
        # At once, because almost always all of the events are new.
        repeated, prepared = await both(
            self._insert(events), self._messages.prepare(concerned, lines)
        )
        refused: list[StoredEvent] = []
        if repeated:
            ids = await self._ids([events[index] for index in repeated])
            refused = [
                entries[index] for index in sorted(repeated) if events[index]["_id"] not in ids
            ]
        if refused:
            without = {(entry.event.audience, entry.position) for entry in refused}
            concerned = [
                entry
                for entry in concerned
                if (entry.event.audience, entry.position) not in without
            ]
            prepared = await self._messages.prepare(concerned, lines)
        await self._messages.write(prepared, lines)
        return Written(len(entries) - len(repeated), refused)

    async def _insert(self, events: Sequence[Document]) -> list[int]:
        async with self._sessions.session() as session:
            return await insert_new(self._events, events, session)

    async def _ids(self, events: Sequence[Document]) -> set[str]:
        """Return the `_id` of those of `events` that are stored at their own position."""
        selected = {
            "audience": {"$in": list({event["audience"] for event in events})},
            "_id": {"$in": [event["_id"] for event in events]},
        }
        async with self._sessions.session() as session:
            cursor = self._events.find(selected, {"_id": True}, hint=BY_ID, session=session)
            return {event["_id"] for event in await cursor.to_list(None)}
