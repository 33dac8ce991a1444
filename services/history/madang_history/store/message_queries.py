"""The SQL of the messages in the embedded store."""

from collections.abc import Sequence
from typing import Literal

from madang_common.events.envelope import room_audience
from madang_common.events.message_kinds import MessageEdited
from madang_history.store import queries
from madang_history.store.port import LAST, MessageKey, MessagesOf

TABLE = """
CREATE TABLE IF NOT EXISTS messages (
    room TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    at TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    version TEXT,
    thread TEXT,
    edited_at TEXT,
    deleted_at TEXT,
    deleted_by TEXT,
    pinned_at TEXT,
    PRIMARY KEY (room, position)
);
"""
LATER_COLUMNS = ("version", "thread", "edited_at", "deleted_at", "deleted_by", "pinned_at")
"""Columns that the release before did not have; all are texts."""
INDEXES = """
CREATE INDEX IF NOT EXISTS messages_by_thread
    ON messages (room, thread, position) WHERE thread IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_if_pinned
    ON messages (room, position) WHERE pinned_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_if_deleted
    ON messages (room, position, sender) WHERE deleted_at IS NOT NULL;
"""

MESSAGE = (
    "position, at, sender, sender_name, text, data,"
    " version, thread, edited_at, deleted_at, deleted_by, pinned_at"
)
"""The columns of a message."""
ADD = """
INSERT OR IGNORE INTO messages (
    room, position, id, at, sender, sender_name, text, data,
    version, thread, edited_at, deleted_at, deleted_by, pinned_at
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
"""
CHANGE = """
UPDATE messages SET
    text = ?7, data = ?8, version = ?9, thread = ?10,
    edited_at = ?11, deleted_at = ?12, deleted_by = ?13, pinned_at = ?14
WHERE room = ?1 AND position = ?2
"""
"""Takes the values of `ADD`; some never change."""
ONE = f"SELECT {MESSAGE} FROM messages WHERE room = ? AND position = ?"  # noqa: S608 - ours
REDACT_CREATION = "UPDATE events SET data = ?, headers = NULL WHERE audience = ? AND position = ?"
REDACT_EDITS = (
    "UPDATE events SET data = ?, headers = NULL WHERE audience = ? AND message = ? AND kind = ?"
)
COUNT_DELETED = """
SELECT count(*) FROM messages
WHERE room = ? AND position > ? AND position <= ? AND sender <> ? AND deleted_at IS NOT NULL
"""


def range_of(
    selected: MessagesOf,
    limit: int,
    *,
    above: int = -1,
    below: int = LAST + 1,
    order: Literal["ASC", "DESC"] = "ASC",
) -> tuple[str, Sequence[object]]:
    """Return the query and values for `limit` messages between two positions, both exclusive."""
    values: list[object] = [selected.room]
    where = "room = ?"
    if selected.thread is not None:
        where += " AND thread = ?"
        values.append(selected.thread)
    if selected.pinned:
        where += " AND pinned_at IS NOT NULL"
    query = (
        f"SELECT {MESSAGE} FROM messages WHERE {where}"  # noqa: S608 - ours
        f" AND position > ? AND position < ? ORDER BY position {order} LIMIT ?"
    )
    return query, (*values, above, below, limit)


def edits_of(
    message: MessageKey, limit: int, *, above: int, below: int
) -> tuple[str, Sequence[object]]:
    """Return the query and values for `limit` edits between two positions, both exclusive."""
    query = (
        f"SELECT {queries.EVENT} FROM events WHERE audience = ? AND message = ? AND kind = ?"  # noqa: S608 - ours
        " AND position > ? AND position < ? ORDER BY position LIMIT ?"
    )
    audience = room_audience(message.room)
    return query, (audience, message.id, MessageEdited.kind, above, below, limit)
