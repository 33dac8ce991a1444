"""Writes the states of messages to MongoDB."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from pymongo import ReplaceOne, UpdateMany, UpdateOne

from madang_common.events.envelope import room_audience
from madang_common.events.message_kinds import MessageEdited
from madang_common.log.position import from_id
from madang_fold import Message
from madang_history.store.documents import BY_ID, BY_MESSAGE
from madang_history.store.event_documents import event_id
from madang_history.store.line_events import LineEvents
from madang_history.store.message_collection import MessageCollection
from madang_history.store.message_documents import message_document, message_id
from madang_history.store.messages import deleted_messages, fold_batch, referenced
from madang_history.store.mongo_client import (
    CausalSessions,
    Collection,
    Document,
    both,
    insert_new,
    write_all,
)
from madang_history.store.port import MessageKey, StoredEvent
from madang_history.store.redaction import redacted_creation, redacted_edit

_WITHOUT_CONTENT = {"headers": "", "escaped": ""}
"""Fields that a redaction removes."""

States = Mapping[MessageKey, Message]


class PreparedWrite(NamedTuple):
    """What some events do to messages, and the documents to write."""

    entries: Sequence[StoredEvent]
    unmigrated: States
    stored: dict[MessageKey, Message]
    """The states that were read."""
    changed: dict[MessageKey, Message]
    new: Sequence[MessageKey]
    documents: Sequence[Document]
    """Those of `new`."""
    old: Sequence[MessageKey]
    replacements: Sequence[ReplaceOne[Document]]
    """Those of `old`."""


class MessageWriter:
    """Folds events into the documents of messages, then redacts the events of deleted ones.

    A new message is inserted, and a changed one replaced if it still has the version that was read.
    If another writer was faster, its state is read and the events are folded again, which changes
    nothing if that writer has applied them.
    """

    def __init__(self, events: Collection, messages: Collection, sessions: CausalSessions) -> None:
        self._events = events
        self._messages = messages
        self._queries = MessageCollection(messages)
        self._sessions = sessions

    async def prepare(
        self, entries: Sequence[StoredEvent], lines: LineEvents | None
    ) -> PreparedWrite:
        """Fold `entries` into the messages that are stored; those of `lines` are not migrated yet.

        This may run before `entries` are stored.
        """
        keys = referenced(entries)
        if not keys:
            return _prepared(entries, {}, {})
        async with self._sessions.session() as session:
            # In this order: a message that is migrated meanwhile is found twice, but never missed.
            unmigrated = await lines.messages(keys, session) if lines else {}
            stored = await self._queries.states(keys, session)
        return _prepared(entries, unmigrated, stored)

    async def write(self, prepared: PreparedWrite, lines: LineEvents | None) -> None:
        """Apply the entries of `prepared`, which are stored."""
        known = prepared.stored | prepared.changed
        write = prepared
        while overtaken := await self._write(write):
            async with self._sessions.session() as session:
                stored = await self._queries.states(overtaken, session)
            write = _prepared(prepared.entries, prepared.unmigrated, stored, only=overtaken)
            known |= stored | write.changed
        await self._redact(deleted_messages(prepared.entries, known), lines)

    async def _write(self, write: PreparedWrite) -> set[MessageKey]:
        """Write the changed messages; return those that another writer may have written first."""
        refused, matched = await both(self._insert(write.documents), self._replace(write))
        overtaken = {write.new[index] for index in refused}
        return overtaken if matched == len(write.old) else overtaken.union(write.old)

    async def _insert(self, documents: Sequence[Document]) -> list[int]:
        async with self._sessions.session() as session:
            return await insert_new(self._messages, documents, session)

    async def _replace(self, write: PreparedWrite) -> int:
        async with self._sessions.session() as session:
            return await write_all(self._messages, write.replacements, session)

    async def _redact(self, deleted: States, lines: LineEvents | None) -> None:
        """Remove the content of `deleted` messages from their events."""
        if not deleted:
            return
        updates: list[UpdateOne | UpdateMany] = []
        async with self._sessions.session() as session:
            for key, message in deleted.items():
                updates += _redactions(key, message)
                if lines is not None:
                    await lines.redact(key, message, session)
            await write_all(self._events, updates, session)


def _prepared(
    entries: Sequence[StoredEvent],
    unmigrated: States,
    stored: States,
    *,
    only: Container[MessageKey] | None = None,
) -> PreparedWrite:
    """Return the write of the messages that `entries` change, or `only` of some of them."""
    changed = fold_batch(entries, {**unmigrated, **stored})
    if only is not None:
        changed = {key: message for key, message in changed.items() if key in only}
    new = [key for key in changed if key not in stored]
    old = [key for key in changed if key in stored]
    return PreparedWrite(
        entries,
        unmigrated,
        dict(stored),
        changed,
        new,
        [message_document(key.room, changed[key]) for key in new],
        old,
        [_replacement(key, stored[key], changed[key]) for key in old],
    )


def _replacement(key: MessageKey, before: Message, after: Message) -> ReplaceOne[Document]:
    # The release before stored no version with a new message.
    version = {"$in": [before.version, None]} if before.version == before.id else before.version
    selected = {"room": key.room, "_id": message_id(key), "version": version}
    return ReplaceOne(selected, message_document(key.room, after), hint=BY_ID)


def _redactions(key: MessageKey, message: Message) -> tuple[UpdateOne, UpdateMany]:
    audience = room_audience(key.room)
    created = {"audience": audience, "_id": event_id(audience, from_id(key.id))}
    edits = {"audience": audience, "message": key.id, "kind": MessageEdited.kind}
    return (
        UpdateOne(created, _redacting(redacted_creation(message)), hint=BY_ID),
        UpdateMany(edits, _redacting(redacted_edit(key.id)), hint=BY_MESSAGE),
    )


def _redacting(data: Document) -> Document:
    return {"$set": {"data": data}, "$unset": _WITHOUT_CONTENT}
