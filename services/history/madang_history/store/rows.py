"""Events as rows of SQLite."""

import sqlite3
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from madang_common.events.envelope import Event
from madang_history.store import queries
from madang_history.store.message_rows import apply_events
from madang_history.store.messages import concerns_messages, named_message
from madang_history.store.port import StoredEvent

Row = tuple[Any, ...]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def add_events(db: sqlite3.Connection, entries: Sequence[StoredEvent]) -> int:
    """Add `entries`, except those that are there, and apply them to their messages.

    Return the number of new ones.
    """
    before = db.total_changes
    db.executemany(queries.ADD_EVENT, map(_event_row, entries))
    new = db.total_changes - before
    concerned = [entry for entry in entries if concerns_messages(entry)]
    if new < len(entries):
        concerned = [entry for entry in concerned if _is_stored(db, entry)]
    apply_events(db, concerned)
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
        named_message(stored),
    )


def _is_stored(db: sqlite3.Connection, entry: StoredEvent) -> bool:
    """Return whether the event is stored; if not, an earlier one has its key."""
    found = db.execute(queries.HAS_EVENT, (entry.event.audience, entry.position)).fetchone()
    return found is not None
