"""The events that the version before stored in MongoDB, until `madang-history migrate` moves them.

It stored each event as its line of the log, in a collection with the log's shard in every index.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Self

from pymongo import ASCENDING
from pymongo.errors import OperationFailure
from typing_extensions import override

from madang_common.events.envelope import read_line, room_audience
from madang_common.events.message_kinds import MessageCreated
from madang_common.log.position import from_id, shard_of
from madang_fold import Message, fold
from madang_history.store.documents import EVENTS, LINES
from madang_history.store.event_collection import EventCollection, Within
from madang_history.store.event_documents import event_id
from madang_history.store.message_collection import Between
from madang_history.store.messages import room_event
from madang_history.store.mongo_client import Collection, Database, Document, Session
from madang_history.store.port import MessageKey, StoredEvent, StoredMessage, StoreUnavailable
from madang_history.store.redaction import redacted_creation

_BY_KEY = "by_key"
_BAD_HINT = 2
_NO_SUCH_COLLECTION = 26
_COLLECTION_EXISTS = 48


class LineEvents(EventCollection):
    """Events as lines; nothing is added to them, they become fewer, and some are redacted.

    All of them are older than the events that are about a message.
    """

    by_key = _BY_KEY
    by_kind = "by_kind_with_sender"

    def __init__(self, collection: Collection, shards: int) -> None:
        super().__init__(collection)
        self._shards = shards

    @classmethod
    async def open(cls, database: Database, shards: int) -> Self | None:
        """Return the events that are set aside; None if there are none.

        `shards` is the number of shards of the log whose events they are.
        """
        lines = cls(database[LINES], shards)
        return None if await lines.is_empty() else lines

    async def is_empty(self, session: Session | None = None) -> bool:
        """Return whether all events are migrated."""
        return await self._collection.find_one({}, {"_id": True}, session=session) is None

    async def without_stored(
        self, entries: list[StoredEvent], session: Session
    ) -> list[StoredEvent]:
        """Return those of `entries` whose (audience, sender, key) is not stored here."""
        keys: dict[tuple[str, str], list[str]] = defaultdict(list)
        for _, event in entries:
            keys[event.audience, event.sender].append(event.key)
        selected = [
            self._of(audience) | {"sender": sender, "key": {"$in": given}}
            for (audience, sender), given in keys.items()
        ]
        if not selected:
            return entries
        names = ("audience", "sender", "key")
        found = await self._collection.find(
            {"$or": selected},
            {"_id": False} | dict.fromkeys(names, True),
            hint=self.by_key,
            session=session,
        ).to_list(None)
        stored = {tuple(document[name] for name in names) for document in found}
        return [
            entry
            for entry in entries
            if (entry.event.audience, entry.event.sender, entry.event.key) not in stored
        ]

    async def messages(
        self, keys: Iterable[MessageKey], session: Session
    ) -> dict[MessageKey, Message]:
        """Return those of `keys` whose creation is stored here, in the state after it."""
        found = {}
        for key in keys:
            created = await self.get(room_audience(key.room), from_id(key.id), session)
            message = fold(None, room_event(created)) if created else None
            if message is not None:
                found[key] = message
        return found

    async def nearest_messages(
        self, between: Between, direction: int, limit: int, session: Session
    ) -> list[StoredMessage]:
        """Return the first `limit` messages in `direction` whose creation is stored here."""
        (room, thread, pinned), above, below = between
        if thread is not None or pinned:
            return []  # the version before had no threads and no pins
        messages: list[StoredMessage] = []
        while len(messages) < limit:
            within = Within(room_audience(room), (MessageCreated.kind,), above, below)
            found = await self.nearest(within, direction, limit, session)
            messages += (
                StoredMessage(created.position, message)
                for created in found
                if (message := fold(None, room_event(created))) is not None
            )
            if len(found) < limit:
                break
            # Some of them may have been no messages by the fold's rules.
            last = found[-1].position
            above, below = (last, below) if direction == ASCENDING else (above, last)
        return messages[:limit]

    async def redact(self, key: MessageKey, message: Message, session: Session) -> None:
        """Remove the content of a deleted `message` from the event that created it."""
        audience, position = room_audience(key.room), from_id(key.id)
        created = await self.get(audience, position, session)
        if created is not None:
            left = created.event._replace(data=redacted_creation(message), headers={})
            selected = self._of(audience) | {"_id": event_id(audience, position)}
            await self._collection.update_one(
                selected, {"$set": {"line": left.line()}}, session=session
            )

    @override
    def _of(self, audience: str) -> Document:
        return {"shard": shard_of(audience, self._shards), "audience": audience}

    @override
    def _stored(self, document: Mapping[str, Any]) -> StoredEvent:
        return StoredEvent(document["position"], read_line(document["line"]))


async def set_lines_aside(database: Database) -> None:
    """Rename the collection of the version before, if it is there; the new one gets its name.

    That takes no time, and no index is built on old events. Raise StoreUnavailable while a replica
    of the version before runs: it would find nothing in the new collection.
    """
    if not await _has_lines(database):
        return
    if await _has_replica(database):
        raise StoreUnavailable(
            f"replicas of the version before use database {database.name};"
            " stop all of them before you start this version"
        )
    await _rename(database)


async def _has_lines(database: Database) -> bool:
    """Return whether the collection of events has the indexes of the version before."""
    # MongoDB accepts any hint for a collection that does not exist. If it was not there, it is
    # of this version once it is: another replica, which starts too, creates it.
    names = await database.list_collection_names(
        filter={"name": EVENTS}, authorizedCollections=True
    )
    if not names:
        return False
    try:
        await database[EVENTS].find_one({}, {"_id": True}, hint=_BY_KEY)
    except OperationFailure as error:
        if error.code != _BAD_HINT:
            raise
        return False
    return True


async def _has_replica(database: Database) -> bool:
    """Return whether a replica is registered; only those of the version before are, by then."""
    is_valid = {"$and": [{"$eq": ["$_id", "$owner"]}, {"$gt": ["$expires", "$$NOW"]}]}
    return await database["leases"].find_one({"$expr": is_valid}) is not None


async def _rename(database: Database) -> None:
    try:
        await database[EVENTS].rename(LINES)
    except OperationFailure as error:
        # Another replica, which starts too, has renamed it.
        if error.code not in (_NO_SUCH_COLLECTION, _COLLECTION_EXISTS):
            raise
