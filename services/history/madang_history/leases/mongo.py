"""Leases as documents in MongoDB, which run out by the database's clock."""

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
from madang_history.leases.shares import Seen, share
from madang_history.store.mongo_client import (
    Causal,
    Collection,
    Database,
    Session,
    define,
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
    },
}
"""A lease of a shard has the shard's number for `_id`. Each replica has one of itself, too, under
its own name, which says that it is there."""

_RUN_OUT = IndexModel([("expires", ASCENDING)], name="run_out", expireAfterSeconds=0)
"""Clears away what nobody renewed; whether a lease has run out is not left to that."""
_MARGIN_SECONDS = 0.02


class _Round(NamedTuple):
    """What came out of looking at all leases once."""

    held: frozenset[int]
    surplus: Sequence[int]
    pause_seconds: float


class MongoLeases(Leases):
    """The leases of one of several replicas. Make one with `await MongoLeases.open(…)`.

    When a lease runs out is a matter of the database's clock alone. A replica counts its own time
    from before it asked, by a clock that goes on while the process is stopped: so it knows by
    itself that a lease is lost before anyone else can get it, and `holds` says so when it wakes.
    """

    def __init__(
        self,
        collection: Collection,
        causal: Causal,
        shards: int,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"{socket.gethostname()}-{secrets.token_hex(6)}"
        """Who holds the leases: this process and no other, before or after it."""
        self._leases = collection
        self._causal = causal
        self._shards = shards
        self._seconds = seconds
        self._clock = clock
        self._held: frozenset[int] = frozenset()
        self._until = 0.0

    @classmethod
    async def open(cls, database: Database, shards: int, *, seconds: float) -> Self:
        """Take part in sharing `shards`, with leases that run out after `seconds`."""
        with unavailable():
            collection = await define(database, "leases", _SCHEMA, [_RUN_OUT])
        return cls(collection, Causal(database), shards, seconds=seconds)

    @override
    async def changes(self) -> AsyncGenerator[frozenset[int]]:
        told = None
        while True:
            surplus, pause = await self._renew_in_time()
            if self._held != told:
                told = self._held
                yield told
            if surplus:
                await self._give_up(surplus)
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
            log.warning("leases_not_released", error=_why(error))

    async def _renew_in_time(self) -> tuple[Sequence[int], float]:
        """Renew what is held, take what is due; return what is to be given up, and a pause."""
        asked = self._clock()
        left = self._until - asked if self._held else self._seconds
        try:
            async with asyncio.timeout(left):
                with unavailable():
                    done = await self._renew()
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("leases_not_renewed", held=sorted(self._held), error=_why(error))
            if self._clock() >= self._until:
                self._held = frozenset()
            return (), self._seconds / 20
        self._held, self._until = done.held, asked + self._seconds
        return done.surplus, done.pause_seconds

    async def _renew(self) -> _Round:
        async with self._causal.session() as session:
            await self._leases.update_many(
                {"owner": self.name}, [{"$set": {"expires": self._expiry}}], session=session
            )
            seen, others_left = await self._look(session)
            if self.name not in seen.replicas:
                await self._register(session)
                seen, others_left = await self._look(session)
            due = share(self.name, seen, self._shards)
            taken = await self._take(due.free, due.missing, session)
        mine = {shard for shard, owner in seen.owners.items() if owner == self.name}
        held = frozenset(mine.union(taken).difference(due.surplus))
        waits = due.missing > len(taken)
        pause = self._seconds / 20 if waits else min(self._seconds / 3, others_left)
        return _Round(held, due.surplus, jitter(pause, least=0.9) + _MARGIN_SECONDS)

    async def _look(self, session: Session) -> tuple[Seen, float]:
        """Return the leases that have not run out, and when the first of another's may do so."""
        left = {"$subtract": ["$expires", "$$NOW"]}
        found = await self._leases.find(
            {}, {"owner": True, "since": True, "left": left}, session=session
        ).to_list(None)
        alive = [lease for lease in found if lease["left"] > 0]
        replicas = [lease for lease in alive if lease["_id"] == lease["owner"]]
        replicas.sort(key=lambda lease: (lease["since"], lease["_id"]))
        owners = {lease["_id"]: lease["owner"] for lease in alive if lease["_id"] != lease["owner"]}
        others = [lease["left"] / 1000 for lease in alive if lease["owner"] != self.name]
        return Seen([lease["_id"] for lease in replicas], owners), min(others, default=math.inf)

    async def _register(self, session: Session) -> None:
        since = {"$ifNull": ["$since", "$$NOW"]}
        itself = {"owner": self.name, "since": since, "expires": self._expiry}
        await self._leases.update_one(
            {"_id": self.name}, [{"$set": itself}], upsert=True, session=session
        )

    async def _take(self, free: Sequence[int], missing: int, session: Session) -> list[int]:
        """Take up to `missing` of the `free` shards that no other takes at the same time."""
        taken: list[int] = []
        # Replicas that look at the same time begin with different ones.
        for shard in random.sample(free, len(free)):
            if len(taken) == missing:
                break
            # A lease that is not there has run out, too: nothing is less than any date.
            run_out = {"$lte": ["$expires", "$$NOW"]}
            mine = {
                "owner": {"$cond": [run_out, self.name, "$owner"]},
                "expires": {"$cond": [run_out, self._expiry, "$expires"]},
            }
            lease = await self._leases.find_one_and_update(
                {"_id": shard},
                [{"$set": mine}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if lease["owner"] == self.name:
                taken.append(shard)
        return taken

    async def _give_up(self, shards: Iterable[int]) -> None:
        """Let others have `shards`; what fails is tried again in the next round."""
        try:
            with unavailable():
                await self._leases.delete_many({"_id": {"$in": list(shards)}, "owner": self.name})
        except StoreUnavailable as error:
            log.warning("leases_not_released", error=_why(error))

    @property
    def _expiry(self) -> dict[str, Any]:
        return {"$add": ["$$NOW", int(self._seconds * 1000)]}


def _why(error: Exception) -> str:
    return repr(error.__cause__) if isinstance(error, StoreUnavailable) else "no answer in time"
