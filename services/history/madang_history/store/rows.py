"""Events and messages as rows of SQLite."""

import sqlite3
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_history.store import queries
from madang_history.store.messages import creates_message
from madang_history.store.port import StoredEvent

Row = tuple[Any, ...]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def add_events(db: sqlite3.Connection, entries: Sequence[StoredEvent]) -> int:
    """Add `entries` and their messages, except those that are there; return the number of new."""
    before = db.total_changes
    db.executemany(queries.ADD_EVENT, map(_event_row, entries))
    new = db.total_changes - before
    messages = [_message_row(entry) for entry in entries if creates_message(entry.event)]
    db.executemany(queries.ADD_MESSAGE, messages)
    return new


def stored_event(row: Row) -> StoredEvent:
    """Return the event with the columns `queries.EVENT`."""
    position, key, kind, sender, sender_name, at, data, room, user, headers = row
    given = orjson.loads(headers) if headers else _NO_HEADERS
    return StoredEvent(
        position,
        Event(key, kind, sender, sender_name, at, orjson.loads(data), room, user, given),
    )


def _event_row(stored: StoredEvent) -> Row:
    """Return the row of an event."""
    position, event = stored
    return (
        event.audience,
        position,
        event.room,
        event.user,
        event.at,
        event.kind,
        event.sender,
        event.sender_name,
        event.key,
        orjson.dumps(event.data).decode(),
        orjson.dumps(event.headers).decode() if event.headers else None,
    )


def _message_row(stored: StoredEvent) -> Row:
    """Return the values that add the message of an event, with the place of that event."""
    position, event = stored
    rest = {name: value for name, value in event.data.items() if name != "text"}
    return (
        event.room,
        position,
        to_id(position),
        event.at,
        event.sender,
        event.sender_name,
        event.data["text"],
        orjson.dumps(rest).decode(),
        event.audience,
        position,
    )
