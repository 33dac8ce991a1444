"""Writes events and their messages to MongoDB."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from madang_history.store import documents
from madang_history.store.documents import BY_ID, EVENTS, MESSAGES
from madang_history.store.event_documents import event_document, message_document
from madang_history.store.messages import creates_message
from madang_history.store.mongo_client import (
    Collection,
    Database,
    Document,
    Session,
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
    """Writes events, then the messages of those that are stored.

    Make one with `await EventWriter.open(database)`. A repeated write changes nothing, and
    completes one that stopped between the two.
    """

    def __init__(self, events: Collection, messages: Collection) -> None:
        self._events = events
        self._messages = messages

    @classmethod
    async def open(cls, database: Database) -> Self:
        """Create or update both collections."""
        return cls(
            await define_collection(database, EVENTS, documents.EVENT, documents.EVENT_INDEXES),
            await define_collection(
                database, MESSAGES, documents.MESSAGE, documents.MESSAGE_INDEXES
            ),
        )

    async def write(self, entries: Sequence[StoredEvent], session: Session) -> Written:
        """Write `entries`, which have different keys."""
        events = [event_document(entry) for entry in entries]
        repeated = await insert_new(self._events, events, session)
        refused: set[int] = set()
        if repeated:
            ids = await self._ids([events[index] for index in repeated], session)
            refused.update(index for index in repeated if events[index]["_id"] not in ids)
        messages = [
            message_document(entry, document)
            for index, (entry, document) in enumerate(zip(entries, events, strict=True))
            if index not in refused and creates_message(entry.event)
        ]
        await insert_new(self._messages, messages, session)
        return Written(len(entries) - len(repeated), [entries[index] for index in sorted(refused)])

    async def _ids(self, events: Sequence[Document], session: Session) -> set[str]:
        """Return the `_id` of those of `events` that are stored at their own position."""
        selected = {
            "audience": {"$in": list({event["audience"] for event in events})},
            "_id": {"$in": [event["_id"] for event in events]},
        }
        found = await self._events.find(
            selected, {"_id": True}, hint=BY_ID, session=session
        ).to_list(None)
        return {event["_id"] for event in found}
