"""Moves the events that the version before stored in MongoDB into the documents of this one."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog
from pymongo import ASCENDING
from pymongo.errors import OperationFailure

from madang_common.events.envelope import read_line
from madang_history.store.documents import BY_ID, LINES
from madang_history.store.event_writer import EventWriter
from madang_history.store.line_events import set_lines_aside
from madang_history.store.mongo_client import (
    CausalSessions,
    Collection,
    Database,
    Document,
    Session,
    unavailable,
)
from madang_history.store.port import StoredEvent

log = structlog.get_logger()

_BATCH_EVENTS = 500
_UNAUTHORIZED = 13


@dataclass(slots=True)
class Migrated:
    """What a migration has done so far."""

    total: int
    """Events to move, approximately."""
    moved: int = 0
    left: int = 0
    """Events that cannot be moved, which stay where they are."""
    is_dropped: bool = False
    """Whether the old collection is gone."""


class Migration:
    """Moves events in small steps while replicas of history read and store others.

    Each step writes some events as documents and then deletes them from the old collection, so a
    migration that was killed continues when it runs again, and several at a time do no harm.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lines: Collection = database[LINES]
        self._sessions = CausalSessions(database)

    async def run(self) -> AsyncGenerator[Migrated]:
        """Yield after each step, and at the end; raise StoreUnavailable."""
        with unavailable():
            await set_lines_aside(self._database)
            writer = await EventWriter.open(self._database, self._sessions)
            migrated = Migrated(await self._lines.estimated_document_count())
        last: str | None = ""
        while last is not None:
            with unavailable():
                async with self._sessions.session() as session:
                    last = await self._step(writer, last, migrated, session)
            yield migrated
        if not migrated.left:
            with unavailable():
                migrated.is_dropped = await self._drop()
            yield migrated

    async def _step(
        self, writer: EventWriter, last: str, migrated: Migrated, session: Session
    ) -> str | None:
        """Move the events after the id `last`; return the last of them, None if there is none."""
        cursor = self._lines.find({"_id": {"$gt": last}}, hint=BY_ID, session=session)
        found = await cursor.sort("_id", ASCENDING).limit(_BATCH_EVENTS).to_list(None)
        if not found:
            return None
        entries = {document["_id"]: _entry(document) for document in found}
        readable = [entry for entry in entries.values() if entry is not None]
        refused = (await writer.write(readable)).refused
        moved = [name for name, entry in entries.items() if entry and entry not in refused]
        await self._lines.delete_many({"_id": {"$in": moved}}, session=session)
        migrated.moved += len(moved)
        for name in entries.keys() - set(moved):
            log.warning("event_not_migrated", id=name, readable=entries[name] is not None)
            migrated.left += 1
        return str(found[-1]["_id"])

    async def _drop(self) -> bool:
        """Drop the old collection, which frees its space; return whether that is allowed."""
        try:
            await self._lines.drop()
        except OperationFailure as error:
            if error.code != _UNAUTHORIZED:
                raise
            return False
        return True


def _entry(document: Document) -> StoredEvent | None:
    """Return the event of an old document, None if its line is none."""
    try:
        return StoredEvent(document["position"], read_line(document["line"]))
    except ValueError:
        return None
