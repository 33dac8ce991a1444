"""The SQL of the embedded store."""

from collections.abc import Sequence
from typing import Literal

from madang_history.store.port import LAST, Kinds

PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    # Index pages are written all over the file: a larger cache and rarer checkpoints double speed.
    "PRAGMA cache_size = -32768",
    "PRAGMA wal_autocheckpoint = 8000",
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS store (one INTEGER PRIMARY KEY CHECK (one = 1), shards INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS progress (shard INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    audience TEXT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    key TEXT NOT NULL,
    line BLOB NOT NULL,
    PRIMARY KEY (audience, position)
);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_key ON events (audience, sender, key);
CREATE INDEX IF NOT EXISTS events_by_kind_with_sender ON events (audience, kind, position, sender);
CREATE TABLE IF NOT EXISTS holes (
    shard INTEGER NOT NULL,
    first INTEGER NOT NULL,
    after INTEGER NOT NULL,
    PRIMARY KEY (shard, first)
);
"""

ADD_EVENT = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)"
SET_PROGRESS = "UPDATE progress SET next = max(next, ?) WHERE shard = ?"
PROGRESS = "SELECT next FROM progress WHERE shard = ?"
ADD_GAP = "INSERT OR REPLACE INTO holes VALUES (?, ?, ?)"
GAPS = "SELECT first, after FROM holes WHERE shard = ? ORDER BY first"
ONE = "SELECT position, line FROM events WHERE audience = ? AND position = ?"
BY_KEY = "SELECT position, line FROM events WHERE audience = ? AND sender = ? AND key = ?"


def range_of(
    audience: str,
    kinds: Kinds,
    limit: int,
    *,
    above: int = -1,
    below: int = LAST + 1,
    order: Literal["ASC", "DESC"] = "ASC",
    columns: Literal["position, line", "position, sender"] = "position, line",
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
    """Return the query that counts the events of `query`, and those of other senders."""
    return f"SELECT count(*), count(CASE WHEN sender <> ? THEN 1 END) FROM ({query})"  # noqa: S608 - ours
