"""The store in MongoDB: a replica set, or a sharded cluster of them."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from bson import Int64
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import BulkWriteError
from typing_extensions import override

from madang_history.store import documents
from madang_history.store.documents import Range, range_of
from madang_history.store.mongo_client import (
    Causal,
    Collection,
    Database,
    Document,
    Session,
    define,
    unavailable,
)
from madang_history.store.port import (
    LAST,
    Counted,
    Entry,
    Hole,
    Kinds,
    MessageStore,
    Stored,
    StoreMismatch,
    StoreUnavailable,
)

_DUPLICATE_KEY = 11000
_STORED = {"_id": False, "position": True, "line": True}


class MongoMessageStore(MessageStore):
    """The production store. Make one with `await MongoMessageStore.open(database, shards)`.

    Why the first event with a key counts, whoever writes: a writer inserts an event only when a
    majority has all that stand before it in the log, or together with them, and of those it leaves
    repetitions out itself. So when an event goes in, the first one with its key is there, and the
    unique index refuses the second; however many writers overlap, were stopped for a while, or do
    half of a write again. Progress is written after the events, and never goes back.

    Closing it leaves the client open, for that belongs to whoever opened it.
    """

    def __init__(self, database: Database, shards: int) -> None:
        self._shards = shards
        self._store: Collection = database["store"]
        self._events: Collection = database["events"]
        self._progress: Collection = database["progress"]
        self._holes: Collection = database["holes"]
        self._causal = Causal(database)
        self._closed = False

    @classmethod
    async def open(cls, database: Database, shards: int) -> Self:
        """Open or make the store; raise StoreMismatch if its shard count differs."""
        with unavailable():
            store = await define(database, "store", documents.STORE)
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
            await define(database, "progress", documents.PROGRESS)
            await define(database, "holes", documents.HOLE, documents.HOLE_INDEXES)
            await define(database, "events", documents.EVENT, documents.EVENT_INDEXES)
        return cls(database, shards)

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
    async def add_hole(self, shard: int, hole: Hole) -> None:
        async with self._session() as session:
            await self._holes.update_one(
                {"shard": shard, "first": Int64(hole.first)},
                {"$max": {"after": Int64(hole.after)}},
                upsert=True,
                session=session,
            )

    @override
    async def holes(self, shard: int) -> list[Hole]:
        async with self._session() as session:
            cursor = self._holes.find({"shard": shard}, hint=documents.BY_FIRST, session=session)
            found = await cursor.sort("first", ASCENDING).to_list(None)
        return [Hole(hole["first"], hole["after"]) for hole in found]

    @override
    async def before(
        self, audience: str, position: int | None, limit: int, kinds: Kinds = ()
    ) -> list[Stored]:
        within = range_of(audience, self._shards, kinds, below=position)
        return (await self._nearest(within, DESCENDING, limit))[::-1]

    @override
    async def after(
        self, audience: str, position: int, limit: int, kinds: Kinds = (), *, upto: int = LAST
    ) -> list[Stored]:
        within = range_of(audience, self._shards, kinds, above=position, below=upto + 1)
        return await self._nearest(within, ASCENDING, limit)

    @override
    async def one(self, audience: str, position: int) -> Stored | None:
        query = {"_id": documents.event_id(audience, position)}
        return await self._one(audience, query, documents.BY_ID)

    @override
    async def by_key(self, audience: str, sender: str, key: str) -> Stored | None:
        return await self._one(audience, {"sender": sender, "key": key}, documents.BY_KEY)

    @override
    async def count_after(
        self, audience: str, position: int, kinds: Kinds, *, upto: int, reader: str, most: int
    ) -> Counted:
        within = range_of(audience, self._shards, kinds, above=position, below=upto + 1)
        by_another = {"$ne": ["$sender", {"$literal": reader}]}
        pipeline: list[Document] = [
            {"$match": within.query},
            {"$sort": {within.order: ASCENDING}},
            {"$limit": most},
            {
                "$group": {
                    "_id": None,
                    "looked_at": {"$sum": 1},
                    "by_others": {"$sum": {"$cond": [by_another, 1, 0]}},
                }
            },
        ]
        async with self._session() as session:
            cursor = self._events.aggregate(pipeline, hint=within.through, session=session)
            found = await cursor.to_list(None)
        return Counted(found[0]["by_others"], found[0]["looked_at"]) if found else Counted(0, 0)

    @override
    async def ping(self) -> None:
        async with self._session() as session:
            await self._store.find_one({"_id": "log"}, session=session)

    @override
    async def close(self) -> None:
        self._closed = True

    async def _insert(self, entries: Iterable[Entry], session: Session) -> int:
        """Insert at once those of `entries` that are new, and return how many those are."""
        wanted = [documents.event(entry, self._shards) for entry in _without_repetitions(entries)]
        if not wanted:
            return 0
        try:
            # In no order, so that one that is there does not keep the others out.
            await self._events.insert_many(wanted, ordered=False, session=session)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            known = all(one["code"] == _DUPLICATE_KEY for one in refused)
            if not known or error.details["writeConcernErrors"]:
                raise
            return len(wanted) - len(refused)
        return len(wanted)

    async def _nearest(self, within: Range, direction: int, limit: int) -> list[Stored]:
        async with self._session() as session:
            cursor = self._events.find(
                within.query, _STORED, hint=within.through, batch_size=limit, session=session
            )
            found = await cursor.sort(within.order, direction).limit(limit).to_list(None)
        return [_stored(event) for event in found]

    async def _one(self, audience: str, query: Document, index: str) -> Stored | None:
        here = documents.place(audience, self._shards)
        async with self._session() as session:
            found = await self._events.find_one(here | query, _STORED, hint=index, session=session)
        return _stored(found) if found else None

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """Yield a session after all that was read and written before; raise StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("This process is stopping; try again in a moment.")
        with unavailable():
            async with self._causal.session() as session:
                yield session


def _without_repetitions(entries: Iterable[Entry]) -> list[Entry]:
    """Return the first of those with the same audience, sender and key, in the log's order."""
    first: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        first.setdefault((entry.audience, entry.sender, entry.key), entry)
    return list(first.values())


def _stored(event: Document) -> Stored:
    return Stored(event["position"], event["line"])
