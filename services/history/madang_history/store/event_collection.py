"""The events in one collection of MongoDB: its queries."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bson import Int64
from pymongo import ASCENDING

from madang_common.events.envelope import room_audience
from madang_common.events.message_kinds import MessageEdited
from madang_history.store.documents import BY_ID, BY_KEY, BY_KIND, BY_MESSAGE
from madang_history.store.event_documents import event_id, stored_event
from madang_history.store.mongo_client import Collection, Document, Session
from madang_history.store.port import LAST, Kinds, MessageKey, StoredEvent


class Within(NamedTuple):
    """The events of an audience, of some kinds, between two positions, both exclusive."""

    audience: str
    kinds: Kinds
    above: int = -1
    below: int | None = None


class SenderCount(NamedTuple):
    """Result of a bounded count."""

    by_others: int
    examined: int
    last: int
    """The last position that was examined."""


class _Query(NamedTuple):
    filter: Document
    order: str
    """The field to sort by."""
    index_name: str
    """The index with this order, as a hint: the planner might sort instead."""


class EventCollection:
    """Queries for the events of `collection`; each runs in the session of its caller."""

    by_key = BY_KEY
    by_kind = BY_KIND
    """Names of its indexes."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def _of(self, audience: str) -> Document:
        """Return the fields of an audience with which every index except that of `_id` begins."""
        return {"audience": audience}

    def _stored(self, document: Mapping[str, Any]) -> StoredEvent:
        """Return the event of a document."""
        return stored_event(document)

    async def nearest(
        self, within: Within, direction: int, limit: int, session: Session
    ) -> list[StoredEvent]:
        """Return the first `limit` events in `direction`."""
        query = self._query(within)
        cursor = self._collection.find(
            query.filter, hint=query.index_name, batch_size=limit, session=session
        )
        found = await cursor.sort(query.order, direction).limit(limit).to_list(None)
        return [self._stored(document) for document in found]

    async def get(self, audience: str, position: int, session: Session) -> StoredEvent | None:
        """Return the event of `audience` at `position`."""
        selected = {"_id": event_id(audience, position)}
        return await self._one(self._of(audience) | selected, BY_ID, session)

    async def with_key(
        self, audience: str, sender: str, key: str, session: Session
    ) -> StoredEvent | None:
        """Return the event of `audience` with the `key` of `sender`."""
        selected = {"sender": sender, "key": key}
        return await self._one(self._of(audience) | selected, self.by_key, session)

    async def edits(
        self, message: MessageKey, above: int, below: int, limit: int, session: Session
    ) -> list[StoredEvent]:
        """Return the first `limit` edits of `message` between two positions, both exclusive."""
        selected: Document = {
            "message": message.id,
            "kind": MessageEdited.kind,
            "position": {"$gt": Int64(above), "$lt": Int64(below)},
        }
        cursor = self._collection.find(
            self._of(room_audience(message.room)) | selected,
            hint=BY_MESSAGE,
            batch_size=limit,
            session=session,
        )
        found = await cursor.sort("position", ASCENDING).limit(limit).to_list(None)
        return [self._stored(document) for document in found]

    async def count(self, within: Within, reader: str, most: int, session: Session) -> SenderCount:
        """Count the events that `reader` did not send among the first `most`."""
        query = self._query(within)
        by_another = {"$ne": ["$sender", {"$literal": reader}]}
        pipeline: list[Document] = [
            {"$match": query.filter},
            {"$sort": {query.order: ASCENDING}},
            {"$limit": most},
            {
                "$group": {
                    "_id": None,
                    "examined": {"$sum": 1},
                    "by_others": {"$sum": {"$cond": [by_another, 1, 0]}},
                    "last": {"$max": "$position"},
                }
            },
        ]
        cursor = self._collection.aggregate(pipeline, hint=query.index_name, session=session)
        found = await cursor.to_list(None)
        if not found:
            return SenderCount(0, 0, within.above)
        return SenderCount(found[0]["by_others"], found[0]["examined"], found[0]["last"])

    async def _one(self, selected: Document, index: str, session: Session) -> StoredEvent | None:
        found = await self._collection.find_one(selected, hint=index, session=session)
        return self._stored(found) if found else None

    def _query(self, within: Within) -> _Query:
        audience, kinds, above, below = within
        if kinds:
            ends = {"$gt": Int64(above)} | ({} if below is None else {"$lt": Int64(below)})
            selected = {"kind": {"$in": list(kinds)}, "position": ends}
            return _Query(self._of(audience) | selected, "position", self.by_kind)
        # "/" sorts before every digit, and "~" after.
        least = event_id(audience, above) if above >= 0 else f"{audience}/"
        most = f"{audience}/~" if below is None or below > LAST else event_id(audience, below)
        ids = {"_id": {"$gt": least, "$lt": most}}
        return _Query(self._of(audience) | ids, "_id", BY_ID)
