"""The progress part of the store in MongoDB: epochs, progress and gaps."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bson import Int64
from pymongo import ASCENDING, ReturnDocument
from typing_extensions import override

from madang_common.coalescing import Coalescer
from madang_common.log.position import epoch_of, first_offset
from madang_history.store import documents
from madang_history.store.epochs import check_epoch, shard_id
from madang_history.store.mongo_client import (
    CausalSessions,
    Collection,
    Database,
    Session,
    define_collection,
    unavailable,
)
from madang_history.store.port import Epoch, Gap, ProgressStore, ShardProgress, StoreUnavailable

_READS = 1000
"""Most shards whose progress is read at once."""


class MongoProgress(ProgressStore):
    """What `MongoMessageStore` stores about the log.

    An epoch never changes once it is there, and everything else only grows, or is set once: so
    replicas may overlap, pause and repeat their writes.
    """

    def __init__(
        self, database: Database, current: Epoch, sessions: CausalSessions | None = None
    ) -> None:
        self._current = current
        self._store: Collection = database["store"]
        self._epochs: Collection = database["epochs"]
        self._progress: Collection = database["progress"]
        self._gaps: Collection = database["holes"]  # the stored name of gaps
        self._sessions = CausalSessions(database) if sessions is None else sessions
        # Every page needs it.
        self._progress_reads = Coalescer(self._read_progress, most=_READS)
        self._closed = False

    @property
    @override
    def epoch(self) -> int:
        return self._current.number

    @property
    @override
    def shards(self) -> int:
        return self._current.shards

    @override
    async def epochs(self) -> list[Epoch]:
        async with self._session() as session:
            # Where the releases before epochs keep the number of shards, and still look for it.
            first = await self._store.find_one({"_id": "log"}, session=session)
            later = await self._epochs.find({}, session=session).sort("_id", 1).to_list(None)
        found = [] if first is None else [Epoch(0, first["shards"])]
        return found + [Epoch(epoch["_id"], epoch["shards"]) for epoch in later]

    async def add_epoch(self) -> None:
        """Add the current epoch, unless it is there; what is read afterwards has it."""
        number = self._current.number
        collection, name = (self._epochs, number) if number else (self._store, "log")
        change = {"$setOnInsert": {"shards": self._current.shards}}
        async with self._session() as session:
            await collection.update_one({"_id": name}, change, upsert=True, session=session)

    @override
    async def progress_of(self, shard: int, epoch: int) -> ShardProgress:
        return await self._progress_reads.get((shard, epoch))

    @override
    async def progress(self, shard: int) -> int:
        return (await self.progress_of(shard, self.epoch)).next

    @override
    async def note_end(self, shard: int, end: int) -> None:
        epoch = epoch_of(end)
        change = {"$max": {"end": Int64(end)}, "$setOnInsert": {"next": Int64(first_offset(epoch))}}
        async with self._session() as session:
            await self._progress.update_one(
                {"_id": shard_id(shard, epoch)}, change, upsert=True, session=session
            )

    @override
    async def seal(self, shard: int, epoch: int, *, lost: bool) -> ShardProgress:
        once = {
            "next": {"$ifNull": ["$next", Int64(first_offset(epoch))]},
            "lost": {"$ifNull": ["$lost", lost]},
            "sealed_at": {"$ifNull": ["$sealed_at", "$$NOW"]},
        }
        async with self._session() as session:
            found = await self._progress.find_one_and_update(
                {"_id": shard_id(shard, epoch)},
                [{"$set": once}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
        return _progress(found, epoch)

    @override
    async def add_gap(self, shard: int, gap: Gap) -> None:
        async with self._session() as session:
            await self._gaps.update_one(
                {"shard": shard, "first": Int64(gap.first)},
                {"$max": {"after": Int64(gap.after)}, "$setOnInsert": {"at": datetime.now(UTC)}},
                upsert=True,
                session=session,
            )

    @override
    async def gaps(self, shard: int, epoch: int | None = None) -> list[Gap]:
        epoch = self.epoch if epoch is None else epoch
        within = {"$gte": Int64(first_offset(epoch)), "$lt": Int64(first_offset(epoch + 1))}
        query = {"shard": shard, "first": within}
        async with self._session() as session:
            cursor = self._gaps.find(query, hint=documents.BY_FIRST, session=session)
            found = await cursor.sort("first", ASCENDING).to_list(None)
        return [Gap(gap["first"], gap["after"], _utc(gap.get("at"))) for gap in found]

    async def _read_progress(self, shards: Sequence[tuple[int, int]]) -> list[ShardProgress]:
        """Return the progress of each (shard, epoch), in their order."""
        ids = [shard_id(*shard) for shard in shards]
        async with self._session() as session:
            cursor = self._progress.find({"_id": {"$in": ids}}, session=session)
            found = {each["_id"]: each for each in await cursor.to_list(None)}
        return [_progress(found.get(shard_id(*shard)), shard[1]) for shard in shards]

    async def _set_progress(self, shard: int, progress: int, session: Session) -> None:
        await self._progress.update_one(
            {"_id": shard_id(shard, epoch_of(progress))},
            {"$max": {"next": Int64(progress)}},
            upsert=True,
            session=session,
        )

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """Yield a causally consistent session; raise StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("This process is stopping; retry in a moment.")
        with unavailable():
            async with self._sessions.session() as session:
                yield session


async def define_progress(database: Database) -> None:
    """Create or update the collections about the log."""
    await define_collection(database, "store", documents.STORE)
    await define_collection(database, "epochs", documents.EPOCH)
    await define_collection(database, "progress", documents.PROGRESS)
    await define_collection(database, "holes", documents.GAP, documents.GAP_INDEXES)


async def enter_epoch(database: Database, current: Epoch) -> Epoch:
    """Add `current` to the epochs of the store if it is new; return the first one.

    Raise StoreMismatch as `check_epoch`. Of several replicas that enter an epoch at the same time,
    the first one counts.
    """
    store = MongoProgress(database, current)
    stored = await store.epochs()
    if check_epoch(stored, current):
        await store.add_epoch()
        stored = await store.epochs()
        check_epoch(stored, current)
    return stored[0]


def _progress(found: dict[str, Any] | None, epoch: int) -> ShardProgress:
    found = found or {}
    after = found.get("next", first_offset(epoch))
    end = max(after, found.get("end", after))
    return ShardProgress(after, end, _utc(found.get("sealed_at")), found.get("lost", False))


def _utc(time: datetime | None) -> datetime | None:
    return time if time is None else time.replace(tzinfo=UTC)
