"""Leases as documents in MongoDB, which expire by the database's clock."""

import asyncio
import math
import random
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Self

import structlog
from pymongo import ASCENDING, IndexModel, ReturnDocument
from typing_extensions import override

from madang_common.jitter import jitter
from madang_history.leases.port import Leases
from madang_history.leases.shares import LeaseSnapshot, fair_share
from madang_history.store.epochs import epoch_of_id, shard_id, shard_of_id
from madang_history.store.mongo_client import (
    CausalSessions,
    Collection,
    Database,
    Document,
    Session,
    define_collection,
    unavailable,
)
from madang_history.store.port import StoreUnavailable

log = structlog.get_logger()

_SCHEMA = {
    "bsonType": "object",
    "required": ["_id", "owner", "expires"],
    "properties": {
        "_id": {"bsonType": ["int", "string"]},
        "owner": {"bsonType": "string"},
        "expires": {"bsonType": "date"},
        "since": {"bsonType": "date"},
        "epoch": {"bsonType": "int"},
    },
}
"""The lease of a shard has the number of `shard_id` as `_id`. Each replica also has a lease under
its own name, which registers it for an epoch: 0 if it has none."""

_EXPIRY_INDEX = IndexModel([("expires", ASCENDING)], name="run_out", expireAfterSeconds=0)
"""Deletes expired leases some time later; expiry itself is checked by the queries."""
_MARGIN_SECONDS = 0.02


class _Round(NamedTuple):
    """Result of one round of renewal."""

    held: frozenset[int]
    surplus: Sequence[int]
    """Shards to release."""
    pause_seconds: float
    """Until the next round."""


class MongoLeases(Leases):
    """The leases of one of several replicas. Make one with `await MongoLeases.open(…)`.

    Leases expire by the database's clock. A replica measures the duration from before its request,
    by a monotonic clock that also advances while the process is stopped. So its own view of a lease
    expires before another replica can take it, and `holds` is right after a pause of the process.
    """

    def __init__(
        self,
        collection: Collection,
        sessions: CausalSessions,
        shards: int,
        *,
        seconds: float,
        epoch: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"{socket.gethostname()}-{secrets.token_hex(6)}"
        """Owner of the leases; unique to this object."""
        self._leases = collection
        self._sessions = sessions
        self._shards = shards
        self._seconds = seconds
        self._epoch = epoch
        self._clock = clock
        self._held: frozenset[int] = frozenset()
        self._until = 0.0

    @classmethod
    async def open(cls, database: Database, shards: int, *, seconds: float, epoch: int = 0) -> Self:
        """Join the replicas that share the `shards` of `epoch`; leases expire after `seconds`."""
        with unavailable():
            collection = await define_collection(database, "leases", _SCHEMA, [_EXPIRY_INDEX])
        return cls(collection, CausalSessions(database), shards, seconds=seconds, epoch=epoch)

    @override
    async def changes(self) -> AsyncGenerator[frozenset[int]]:
        last: frozenset[int] | None = None
        while True:
            surplus, pause = await self._renew_in_time()
            if self._held != last:
                last = self._held
                yield last
            if surplus:
                await self._release(surplus)
            await asyncio.sleep(pause)

    @override
    def holds(self, shard: int) -> bool:
        return shard in self._held and self._clock() < self._until

    @override
    async def release(self) -> None:
        self._held = frozenset()
        try:
            async with asyncio.timeout(self._seconds):
                with unavailable():
                    await self._leases.delete_many({"owner": self.name})
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("leases_not_released", error=_reason(error))

    async def _renew_in_time(self) -> tuple[Sequence[int], float]:
        """Renew held leases before they expire; return the shards to release, and a pause."""
        requested_at = self._clock()
        remaining = self._until - requested_at if self._held else self._seconds
        try:
            async with asyncio.timeout(remaining):
                with unavailable():
                    done = await self._renew()
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("leases_not_renewed", held=sorted(self._held), error=_reason(error))
            if self._clock() >= self._until:
                self._held = frozenset()
            return (), self._seconds / 20
        self._held, self._until = done.held, requested_at + self._seconds
        return done.surplus, done.pause_seconds

    async def _renew(self) -> _Round:
        async with self._sessions.session() as session:
            await self._leases.update_many(
                {"owner": self.name}, [{"$set": {"expires": self._expiry}}], session=session
            )
            snapshot, others_expire = await self._read(session)
            if self.name not in snapshot.replicas:
                await self._register(session)
                snapshot, others_expire = await self._read(session)
            due = fair_share(self.name, snapshot, self._shards)
            taken = await self._take(due.free, due.missing, session)
        mine = {shard for shard, owner in snapshot.owners.items() if owner == self.name}
        held = frozenset(mine.union(taken).difference(due.surplus))
        is_short = due.missing > len(taken)
        pause = self._seconds / 20 if is_short else min(self._seconds / 3, others_expire)
        return _Round(held, due.surplus, jitter(pause, least=0.9) + _MARGIN_SECONDS)

    async def _read(self, session: Session) -> tuple[LeaseSnapshot, float]:
        """Return the valid leases, and the seconds until the first of another replica expires."""
        left = {"$subtract": ["$expires", "$$NOW"]}
        found = await self._leases.find(
            {}, {"owner": True, "since": True, "epoch": True, "left": left}, session=session
        ).to_list(None)
        valid = [lease for lease in found if lease["left"] > 0 and self._is_ours(lease)]
        replicas = [lease for lease in valid if lease["_id"] == lease["owner"]]
        replicas.sort(key=lambda lease: (lease["since"], lease["_id"]))
        owners = {
            shard_of_id(lease["_id"]): lease["owner"]
            for lease in valid
            if lease["_id"] != lease["owner"]
        }
        others = [lease["left"] / 1000 for lease in valid if lease["owner"] != self.name]
        return LeaseSnapshot([lease["_id"] for lease in replicas], owners), min(
            others, default=math.inf
        )

    def _is_ours(self, lease: Document) -> bool:
        """Return whether `lease` is of a shard of this epoch, or of a replica that stores it."""
        name = lease["_id"]
        epoch = lease.get("epoch", 0) if name == lease["owner"] else epoch_of_id(name)
        return bool(epoch == self._epoch)

    async def _register(self, session: Session) -> None:
        since = {"$ifNull": ["$since", "$$NOW"]}
        itself = {
            "owner": self.name,
            "since": since,
            "epoch": self._epoch,
            "expires": self._expiry,
        }
        await self._leases.update_one(
            {"_id": self.name}, [{"$set": itself}], upsert=True, session=session
        )

    async def _take(self, free: Sequence[int], missing: int, session: Session) -> list[int]:
        """Take up to `missing` of the `free` shards, unless another replica takes them first."""
        taken: list[int] = []
        # In random order, so that concurrent replicas try different shards first.
        for shard in random.sample(free, len(free)):
            if len(taken) == missing:
                break
            # Also true for a missing lease: in MongoDB, missing sorts before any date.
            is_expired = {"$lte": ["$expires", "$$NOW"]}
            mine = {
                "owner": {"$cond": [is_expired, self.name, "$owner"]},
                "expires": {"$cond": [is_expired, self._expiry, "$expires"]},
            }
            lease = await self._leases.find_one_and_update(
                {"_id": shard_id(shard, self._epoch)},
                [{"$set": mine}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if lease["owner"] == self.name:
                taken.append(shard)
        return taken

    async def _release(self, shards: Iterable[int]) -> None:
        """Release the leases of `shards`; the next round retries after a failure."""
        ids = [shard_id(shard, self._epoch) for shard in shards]
        try:
            with unavailable():
                await self._leases.delete_many({"_id": {"$in": ids}, "owner": self.name})
        except StoreUnavailable as error:
            log.warning("leases_not_released", error=_reason(error))

    @property
    def _expiry(self) -> dict[str, Any]:
        return {"$add": ["$$NOW", int(self._seconds * 1000)]}


def _reason(error: Exception) -> str:
    return repr(error.__cause__) if isinstance(error, StoreUnavailable) else "no answer in time"
