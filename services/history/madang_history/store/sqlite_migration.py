"""Moves the events that the version before stored in SQLite, as lines of the log, into columns.

It runs when the store is opened. Each transaction moves a few thousand events, so a process that is
killed in between continues when it starts again. Indexes are created afterwards, which is faster.
"""

import sqlite3
from collections.abc import Sequence

import structlog

from madang_common.events.envelope import Event, read_line
from madang_common.log.position import to_id
from madang_history.store.port import StoredEvent
from madang_history.store.rows import add_events

log = structlog.get_logger()

_LINES = "events_of_version_1"
_AFTER = f"SELECT rowid, position, line FROM {_LINES} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 - ours
_BATCH_EVENTS = 10_000

Line = tuple[int, int, bytes]
"""Row id, position and line of an event."""


def set_lines_aside(db: sqlite3.Connection) -> None:
    """Rename the table of the version before, if it is there; the new one gets its name."""
    if not any(name == "line" for _, name, *_ in db.execute("PRAGMA table_info(events)")):
        return
    db.executescript(
        f"""
        BEGIN IMMEDIATE;
        DROP INDEX events_by_key;
        DROP INDEX events_by_kind_with_sender;
        ALTER TABLE events RENAME TO {_LINES};
        COMMIT;
        """
    )


def move_lines(db: sqlite3.Connection) -> None:
    """Move the events of the version before into the tables of this one.

    Lines that are no events stay where they are, and are named in the log.
    """
    if not db.execute(f"PRAGMA table_info({_LINES})").fetchall():
        return
    log.info("store_migration_started")
    moved, last = 0, 0
    while rows := db.execute(_AFTER, (last, _BATCH_EVENTS)).fetchall():
        moved += _move_batch(db, rows)
        last = rows[-1][0]
        log.info("store_migrating", moved=moved)
    (left,) = db.execute(f"SELECT count(*) FROM {_LINES}").fetchone()  # noqa: S608 - ours
    if not left:
        db.execute(f"DROP TABLE {_LINES}")
    log.info("store_migrated", moved=moved, left=left)


def _move_batch(db: sqlite3.Connection, rows: Sequence[Line]) -> int:
    """Move `rows`, except those that are no events; return the number of moved."""
    events: list[StoredEvent] = []
    moved: list[tuple[int]] = []
    for rowid, position, line in rows:
        event = _event(line)
        if event is None:
            log.error("event_not_migrated", id=to_id(position), row=rowid)
        else:
            events.append(StoredEvent(position, event))
            moved.append((rowid,))
    try:
        db.execute("BEGIN IMMEDIATE")
        add_events(db, events)
        db.executemany(f"DELETE FROM {_LINES} WHERE rowid = ?", moved)  # noqa: S608 - ours
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return len(moved)


def _event(line: bytes) -> Event | None:
    """Return the event in `line`, or None if `line` is no event."""
    try:
        return read_line(line)
    except ValueError:
        return None
