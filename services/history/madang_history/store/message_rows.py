"""Messages as rows of SQLite: their present state, for history, people and queries.

What has no column of its own is in `data`, as JSON. The release before stored only what
`message.created` had, without `version`; such a row is read as that event.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from madang_common.events.envelope import room_audience
from madang_common.events.message_kinds import MessageCreated, MessageEdited
from madang_common.log.position import from_id, to_id
from madang_fold import Message, RoomEvent, fold, from_json, to_json
from madang_history.store import message_queries
from madang_history.store.messages import deleted_messages, fold_batch, referenced
from madang_history.store.port import MessageKey, StoredEvent, StoredMessage
from madang_history.store.redaction import redacted_creation, redacted_edit

Row = tuple[Any, ...]

_COLUMNS: Final = ("version", "thread", "edited_at", "deleted_at", "deleted_by", "pinned_at")
"""Columns with the name of a field, which may be null."""
_DEFAULT_TYPE = "text"


def apply_events(db: sqlite3.Connection, entries: Sequence[StoredEvent]) -> None:
    """Apply `entries`, which are stored, to the messages, and redact the events of deleted ones.

    It runs in the transaction that stores them, so no other writer comes between.
    """
    states = read_states(db, referenced(entries))
    changed = fold_batch(entries, states)
    # A new one that is there already is a repetition that no other event of the batch is about.
    new = [_row(key, message) for key, message in changed.items() if key not in states]
    old = [_row(key, message) for key, message in changed.items() if key in states]
    db.executemany(message_queries.ADD, new)
    db.executemany(message_queries.CHANGE, old)
    for key, message in deleted_messages(entries, states | changed).items():
        _redact(db, key, message)


def read_states(db: sqlite3.Connection, keys: Iterable[MessageKey]) -> dict[MessageKey, Message]:
    """Return the states of those of `keys` that exist."""
    states = {}
    for key in keys:
        row = db.execute(message_queries.ONE, (key.room, from_id(key.id))).fetchone()
        if row is not None:
            states[key] = stored_message(row).message
    return states


def stored_message(row: Row) -> StoredMessage:
    """Return the message with the columns `message_queries.MESSAGE`."""
    position, at, sender, sender_name, text, data, *rest = row
    columns = dict(zip(_COLUMNS, rest, strict=True))
    document: dict[str, Any] = orjson.loads(data)
    if columns["version"] is None:
        return StoredMessage(position, _first_state(row, document))
    document |= columns
    document |= {"id": to_id(position), "at": at, "sender": sender, "sender_name": sender_name}
    document.setdefault("type", _DEFAULT_TYPE)
    if text:
        document["text"] = text
    return StoredMessage(position, from_json(document))


def _first_state(row: Row, data: Mapping[str, Any]) -> Message:
    """Return the message of a row of the release before: the fold of its creation."""
    position, at, sender, sender_name, text, *_ = row
    name = to_id(position)
    created = RoomEvent(name, MessageCreated.kind, sender, sender_name, at, {**data, "text": text})
    # That release stored also what is no message by the fold's rules, such as one without text.
    return fold(None, created) or Message(name, name, sender, sender_name, at, text=text)


def _row(key: MessageKey, message: Message) -> Row:
    """Return the values of `message_queries.ADD` and `CHANGE`."""
    rest = to_json(message)
    for name in ("id", "at", "sender", "sender_name", "text", *_COLUMNS):
        rest.pop(name, None)
    if rest["type"] == _DEFAULT_TYPE:
        del rest["type"]
    return (
        key.room,
        from_id(key.id),
        key.id,
        message.at,
        message.sender,
        message.sender_name,
        message.text or "",
        orjson.dumps(rest).decode(),
        *(getattr(message, name) for name in _COLUMNS),
    )


def _redact(db: sqlite3.Connection, key: MessageKey, message: Message) -> None:
    audience = room_audience(key.room)
    created = orjson.dumps(redacted_creation(message)).decode()
    edited = orjson.dumps(redacted_edit(key.id)).decode()
    db.execute(message_queries.REDACT_CREATION, (created, audience, from_id(key.id)))
    db.execute(message_queries.REDACT_EDITS, (edited, audience, key.id, MessageEdited.kind))
