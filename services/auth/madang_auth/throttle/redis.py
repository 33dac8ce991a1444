"""Throttles in Redis, for any number of processes; a bucket's key goes when it has drained."""

from functools import partial

from typing_extensions import override

from madang_auth.redis_store import RedisStore, Write
from madang_auth.throttle.bucket import Limit, Refused, Taken, give_back, take
from madang_auth.throttle.port import Throttle


class RedisThrottle(Throttle):
    """The store of many replicas."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    @override
    async def take(self, key: str, limit: Limit, *, now: float) -> Taken | Refused:
        return await self._store.step(partial(self._take, key, limit, now))

    async def _take(self, key: str, limit: Limit, now: float) -> Taken | Refused:
        name = _name(key)
        (found,) = await self._store.read(name)
        outcome = take(None if found is None else float(found), limit, now)
        if isinstance(outcome, Taken):
            await self._store.write(_put(name, found, outcome.drained_at, now))
        return outcome

    @override
    async def give_back(self, key: str, limit: Limit, *, now: float) -> None:
        await self._store.step(partial(self._give_back, key, limit, now))

    async def _give_back(self, key: str, limit: Limit, now: float) -> None:
        name = _name(key)
        (found,) = await self._store.read(name)
        if found is None:
            return
        drained_at = give_back(float(found), limit)
        if drained_at > now:
            await self._store.write(_put(name, found, drained_at, now))
        else:
            await self._store.write(Write(name, found, None))

    @override
    async def sweep(self, *, now: float) -> int:
        return 0

    @override
    async def ping(self) -> None:
        await self._store.ping()

    @override
    async def close(self) -> None:
        await self._store.close()


def _name(key: str) -> str:
    return f"bucket:{key}"


def _put(name: str, found: bytes | None, drained_at: float, now: float) -> Write:
    return Write(name, found, repr(drained_at).encode(), drained_at - now)
