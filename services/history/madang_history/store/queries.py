"""The SQL of the events in the embedded store."""

from collections.abc import Sequence
from typing import Literal

from madang_history.store.port import LAST, Kinds

PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    # What a redaction removes is overwritten in the file.
    "PRAGMA secure_delete = ON",
    # Index pages are written all over the file: a larger cache and rarer checkpoints double speed.
    "PRAGMA cache_size = -32768",
    "PRAGMA wal_autocheckpoint = 8000",
)

TABLE = """
CREATE TABLE IF NOT EXISTS events (
    audience TEXT NOT NULL,
    position INTEGER NOT NULL,
    room TEXT,
    user TEXT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    key TEXT NOT NULL,
    data TEXT NOT NULL,
    headers TEXT,
    message TEXT,
    PRIMARY KEY (audience, position)
);
"""
INDEXES = """
CREATE UNIQUE INDEX IF NOT EXISTS events_by_sender_and_key ON events (audience, sender, key);
CREATE INDEX IF NOT EXISTS events_by_kind_and_position
    ON events (audience, kind, position, sender);
CREATE INDEX IF NOT EXISTS events_by_message
    ON events (audience, message, kind, position) WHERE message IS NOT NULL;
"""
LATER_COLUMNS = ("message",)
"""Columns that the release before did not have; all are texts."""

ADD_EVENT = """
INSERT OR IGNORE INTO events (
    audience, position, room, user, at, kind, sender, sender_name, key, data, headers, message
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
HAS_EVENT = "SELECT 1 FROM events WHERE audience = ? AND position = ?"
EVENT = "position, key, kind, sender, sender_name, at, data, room, user, headers"
"""The columns of an event, in the order of `Event`."""
ONE = f"SELECT {EVENT} FROM events WHERE audience = ? AND position = ?"  # noqa: S608 - ours
BY_KEY = f"SELECT {EVENT} FROM events WHERE audience = ? AND sender = ? AND key = ?"  # noqa: S608 - ours


def range_of(
    audience: str,
    kinds: Kinds,
    limit: int,
    *,
    above: int = -1,
    below: int = LAST + 1,
    order: Literal["ASC", "DESC"] = "ASC",
    columns: str = EVENT,
) -> tuple[str, Sequence[object]]:
    """Return the query and values for `limit` events between two positions, both exclusive.

    Each kind has its own subquery, so that a rare kind needs no scan over the others.
    """
    tail = f"position > ? AND position < ? ORDER BY position {order} LIMIT ?"
    if not kinds:
        query = f"SELECT {columns} FROM events WHERE audience = ? AND {tail}"  # noqa: S608 - ours
        return query, (audience, above, below, limit)
    each = list(dict.fromkeys(kinds))
    of_kind = f"SELECT {columns} FROM events WHERE audience = ? AND kind = ? AND {tail}"  # noqa: S608 - ours
    of_each = " UNION ALL ".join([f"SELECT * FROM ({of_kind})"] * len(each))  # noqa: S608 - ours
    query = f"SELECT * FROM ({of_each}) ORDER BY position {order} LIMIT ?"  # noqa: S608 - ours
    values = [value for kind in each for value in (audience, kind, above, below, limit)]
    return query, (*values, limit)


def count_of(query: str) -> str:
    """Return the query that counts the events of `query` and those of other senders.

    Its third column is the last position.
    """
    by_others = "count(CASE WHEN sender <> ? THEN 1 END)"
    return f"SELECT count(*), {by_others}, max(position) FROM ({query})"  # noqa: S608 - ours
