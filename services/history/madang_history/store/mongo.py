"""The store in MongoDB: a replica set, or a sharded cluster of them."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from bson import Int64
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import BulkWriteError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed
from typing_extensions import override

from madang_history.store import documents
from madang_history.store.documents import Range, range_of
from madang_history.store.mongo_client import (
    CausalSessions,
    Collection,
    Database,
    Document,
    Session,
    define_collection,
    unavailable,
)
from madang_history.store.port import (
    LAST,
    Entry,
    EventCount,
    Gap,
    Kinds,
    MessageStore,
    StoredEvent,
    StoreMismatch,
    StoreUnavailable,
)

_DUPLICATE_KEY = 11000
_START_SECONDS = 60
_PROJECTION = {"_id": False, "position": True, "line": True}


class MongoMessageStore(MessageStore):
    """The production store. Make one with `await MongoMessageStore.open(database, shards)`.

    The first event with a key wins, whichever replica writes: a writer inserts an event only after
    a majority has all earlier events of its shard, or together with them, and it removes duplicates
    from its own batch. So when an event is inserted, the first one with its key is stored or in the
    same batch, and the unique index refuses the second. This holds if writers overlap, pause, or
    repeat half of a write. Progress is written after the events and never decreases.

    Closing the store does not close the client, which belongs to the caller.
    """

    def __init__(self, database: Database, shards: int) -> None:
        self._shards = shards
        self._store: Collection = database["store"]
        self._events: Collection = database["events"]
        self._progress: Collection = database["progress"]
        self._gaps: Collection = database["holes"]  # the stored name of gaps
        self._sessions = CausalSessions(database)
        self._closed = False

    @classmethod
    async def open(cls, database: Database, shards: int) -> Self:
        """Open or create the store; raise StoreMismatch if its shard count differs."""
        with unavailable():
            store = await define_collection(database, "store", documents.STORE)
            made = await store.find_one_and_update(
                {"_id": "log"},
                {"$setOnInsert": {"shards": shards}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            if made["shards"] != shards:
                raise StoreMismatch(
                    f"database {database.name} was made for a log of {made['shards']} shards,"
                    f" not {shards}"
                )
            await define_collection(database, "progress", documents.PROGRESS)
            await define_collection(database, "holes", documents.GAP, documents.GAP_INDEXES)
            await define_collection(database, "events", documents.EVENT, documents.EVENT_INDEXES)
        return cls(database, shards)

    @classmethod
    async def open_when_available(cls, database: Database, shards: int) -> Self:
        """As `open`, but wait up to a minute for MongoDB when both start together."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable),
            stop=stop_after_delay(_START_SECONDS),
            wait=wait_fixed(1),
            reraise=True,
        ):
            with attempt:
                store = await cls.open(database, shards)
        return store

    @property
    @override
    def shards(self) -> int:
        return self._shards

    @override
    async def store(self, shard: int, entries: Sequence[Entry], progress: int) -> int:
        async with self._session() as session:
            new = await self._insert(entries, session)
            await self._progress.update_one(
                {"_id": shard},
                {"$max": {"next": Int64(progress)}},
                upsert=True,
                session=session,
            )
        return new

    @override
    async def progress(self, shard: int) -> int:
        async with self._session() as session:
            found = await self._progress.find_one({"_id": shard}, session=session)
        return int(found["next"]) if found else 0

    @override
    async def add_gap(self, shard: int, gap: Gap) -> None:
        async with self._session() as session:
            await self._gaps.update_one(
                {"shard": shard, "first": Int64(gap.first)},
                {"$max": {"after": Int64(gap.after)}},
                upsert=True,
                session=session,
            )

    @override
    async def gaps(self, shard: int) -> list[Gap]:
        async with self._session() as session:
            cursor = self._gaps.find({"shard": shard}, hint=documents.BY_FIRST, session=session)
            found = await cursor.sort("first", ASCENDING).to_list(None)
        return [Gap(gap["first"], gap["after"]) for gap in found]

    @override
    async def before(
        self, audience: str, position: int | None, limit: int, kinds: Kinds = ()
    ) -> list[StoredEvent]:
        within = range_of(audience, self._shards, kinds, below=position)
        return (await self._nearest(within, DESCENDING, limit))[::-1]

    @override
    async def after(
        self, audience: str, position: int, limit: int, kinds: Kinds = (), *, upto: int = LAST
    ) -> list[StoredEvent]:
        within = range_of(audience, self._shards, kinds, above=position, below=upto + 1)
        return await self._nearest(within, ASCENDING, limit)

    @override
    async def get(self, audience: str, position: int) -> StoredEvent | None:
        query = {"_id": documents.event_id(audience, position)}
        return await self._one(audience, query, documents.BY_ID)

    @override
    async def by_key(self, audience: str, sender: str, key: str) -> StoredEvent | None:
        return await self._one(audience, {"sender": sender, "key": key}, documents.BY_KEY)

    @override
    async def count_after(
        self, audience: str, position: int, kinds: Kinds, *, upto: int, reader: str, most: int
    ) -> EventCount:
        within = range_of(audience, self._shards, kinds, above=position, below=upto + 1)
        by_another = {"$ne": ["$sender", {"$literal": reader}]}
        pipeline: list[Document] = [
            {"$match": within.query},
            {"$sort": {within.order: ASCENDING}},
            {"$limit": most},
            {
                "$group": {
                    "_id": None,
                    "examined": {"$sum": 1},
                    "by_others": {"$sum": {"$cond": [by_another, 1, 0]}},
                }
            },
        ]
        async with self._session() as session:
            cursor = self._events.aggregate(pipeline, hint=within.index_name, session=session)
            found = await cursor.to_list(None)
        return (
            EventCount(found[0]["by_others"], found[0]["examined"]) if found else EventCount(0, 0)
        )

    @override
    async def ping(self) -> None:
        async with self._session() as session:
            await self._store.find_one({"_id": "log"}, session=session)

    @override
    async def close(self) -> None:
        self._closed = True

    async def _insert(self, entries: Iterable[Entry], session: Session) -> int:
        """Insert the new ones of `entries`; return their number."""
        new = [documents.event(entry, self._shards) for entry in _without_duplicates(entries)]
        if not new:
            return 0
        try:
            # Unordered, so that a duplicate does not stop the others.
            await self._events.insert_many(new, ordered=False, session=session)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            all_duplicates = all(one["code"] == _DUPLICATE_KEY for one in refused)
            if not all_duplicates or error.details["writeConcernErrors"]:
                raise
            return len(new) - len(refused)
        return len(new)

    async def _nearest(self, within: Range, direction: int, limit: int) -> list[StoredEvent]:
        async with self._session() as session:
            cursor = self._events.find(
                within.query, _PROJECTION, hint=within.index_name, batch_size=limit, session=session
            )
            found = await cursor.sort(within.order, direction).limit(limit).to_list(None)
        return [_stored(event) for event in found]

    async def _one(self, audience: str, query: Document, index: str) -> StoredEvent | None:
        key = documents.shard_key(audience, self._shards)
        async with self._session() as session:
            found = await self._events.find_one(
                key | query, _PROJECTION, hint=index, session=session
            )
        return _stored(found) if found else None

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """Yield a causally consistent session; raise StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("This process is stopping; retry in a moment.")
        with unavailable():
            async with self._sessions.session() as session:
                yield session


def _without_duplicates(entries: Iterable[Entry]) -> list[Entry]:
    """Return the first entry of each audience, sender and key, in order."""
    first: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        first.setdefault((entry.audience, entry.sender, entry.key), entry)
    return list(first.values())


def _stored(event: Document) -> StoredEvent:
    return StoredEvent(event["position"], event["line"])
