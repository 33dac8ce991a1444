"""The messages in their collection of MongoDB: its queries."""

from collections.abc import Collection as Several
from typing import NamedTuple

from bson import Int64
from pymongo import ASCENDING

from madang_fold import Message
from madang_history.store.documents import BY_DELETION, BY_ID, BY_PIN, BY_ROOM, BY_THREAD
from madang_history.store.message_documents import key_of, message_id, stored_message
from madang_history.store.mongo_client import Collection, Document, Session
from madang_history.store.port import LAST, MessageKey, MessagesOf, StoredMessage


class Between(NamedTuple):
    """Messages between two positions, both exclusive."""

    selected: MessagesOf
    above: int = -1
    below: int = LAST + 1


class MessageCollection:
    """Queries for the messages of `collection`; each runs in the session of its caller."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def nearest(
        self, between: Between, direction: int, limit: int, session: Session
    ) -> list[StoredMessage]:
        """Return the first `limit` messages in `direction`."""
        (room, thread, pinned), above, below = between
        query: Document = {"room": room, "position": {"$gt": Int64(above), "$lt": Int64(below)}}
        index = BY_ROOM
        if thread is not None:
            query["thread"], index = thread, BY_THREAD
        elif pinned:
            query["pinned_by"], index = {"$exists": True}, BY_PIN
        cursor = self._collection.find(query, hint=index, batch_size=limit, session=session)
        found = await cursor.sort("position", direction).limit(limit).to_list(None)
        return [stored_message(document) for document in found]

    async def states(
        self, keys: Several[MessageKey], session: Session
    ) -> dict[MessageKey, Message]:
        """Return the states of those of `keys` that exist."""
        if not keys:
            return {}
        query = {
            "room": {"$in": list({key.room for key in keys})},
            "_id": {"$in": [message_id(key) for key in keys]},
        }
        found = await self._collection.find(query, hint=BY_ID, session=session).to_list(None)
        return {key_of(document): stored_message(document).message for document in found}

    async def count_deleted(
        self, between: Between, reader: str, most: int, session: Session
    ) -> int:
        """Count the deleted messages that `reader` did not send, up to `most`."""
        (room, *_), above, below = between
        query = {
            "room": room,
            "position": {"$gt": Int64(above), "$lt": Int64(below)},
            "sender": {"$ne": reader},
            "deleted_by": {"$exists": True},
        }
        cursor = self._collection.find(
            query, {"_id": True}, hint=BY_DELETION, batch_size=most, session=session
        )
        return len(await cursor.sort("position", ASCENDING).limit(most).to_list(None))
