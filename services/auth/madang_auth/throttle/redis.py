"""Throttles in Redis, for any number of processes; a key goes when what it holds is over."""

from collections.abc import Sequence
from functools import partial

import orjson
from typing_extensions import override

from madang_auth.redis_store import RedisStore, Write
from madang_auth.throttle import known_sites
from madang_auth.throttle.bucket import Refused, give_back, take
from madang_auth.throttle.port import Charge, Refusal, Throttle


class RedisThrottle(Throttle):
    """The store of many replicas."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    @override
    async def take(self, charges: Sequence[Charge], *, now: float) -> Refusal | None:
        return await self._store.step(partial(self._take, charges, now))

    async def _take(self, charges: Sequence[Charge], now: float) -> Refusal | None:
        writes: list[Write] = []
        for charge, found in zip(charges, await self._found(charges), strict=True):
            outcome = take(_drained_at(found), charge.limit, now)
            if isinstance(outcome, Refused):
                return Refusal(charge, outcome.wait_seconds)
            writes.append(_put(charge, found, outcome.drained_at, now))
        await self._store.write(*writes)
        return None

    @override
    async def check(self, charge: Charge, *, now: float) -> Refusal | None:
        (found,) = await self._found([charge])
        outcome = take(_drained_at(found), charge.limit, now)
        return Refusal(charge, outcome.wait_seconds) if isinstance(outcome, Refused) else None

    @override
    async def give_back(self, charges: Sequence[Charge], *, now: float) -> None:
        await self._store.step(partial(self._give_back, charges, now))

    async def _give_back(self, charges: Sequence[Charge], now: float) -> None:
        writes = [
            _put(charge, found, give_back(float(found), charge.limit), now)
            for charge, found in zip(charges, await self._found(charges), strict=True)
            if found is not None
        ]
        if writes:
            await self._store.write(*writes)

    @override
    async def remember(self, name: str, site: str, *, until: float, most: int, now: float) -> None:
        async def attempt() -> None:
            (found,) = await self._store.read(_known(name))
            known = known_sites.add(_sites(found), site, until=until, most=most, now=now)
            seconds = max(known.values(), default=now) - now
            value = orjson.dumps(known) if known else None
            await self._store.write(Write(_known(name), found, value, seconds))

        await self._store.step(attempt)

    @override
    async def knows(self, name: str, site: str, *, now: float) -> bool:
        (found,) = await self._store.read(_known(name))
        return known_sites.holds(_sites(found), site, now=now)

    @override
    async def sweep(self, *, now: float) -> int:
        return 0

    @override
    async def ping(self) -> None:
        await self._store.ping()

    @override
    async def close(self) -> None:
        await self._store.close()

    async def _found(self, charges: Sequence[Charge]) -> list[bytes | None]:
        return await self._store.read(*(_bucket(charge.key) for charge in charges))


def _bucket(key: str) -> str:
    return f"bucket:{key}"


def _known(name: str) -> str:
    return f"known:{name}"


def _drained_at(found: bytes | None) -> float | None:
    return None if found is None else float(found)


def _put(charge: Charge, found: bytes | None, drained_at: float, now: float) -> Write:
    name = _bucket(charge.key)
    if drained_at <= now:
        return Write(name, found, None)
    return Write(name, found, repr(drained_at).encode(), drained_at - now)


def _sites(found: bytes | None) -> known_sites.KnownSites:
    sites: known_sites.KnownSites = {} if found is None else orjson.loads(found)
    return sites
