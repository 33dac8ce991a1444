"""Throttles in Redis, for any number of processes; each key expires with its content."""

from collections.abc import Sequence

import orjson
from typing_extensions import override

from madang_auth.storage.redis import RedisAdapter, RedisStore, Write
from madang_auth.throttle import known_sites
from madang_auth.throttle.bucket import ROUNDING_SECONDS
from madang_auth.throttle.port import Charge, Refusal, Throttle

# `bucket.take` for all KEYS or for none. ARGV: now, ROUNDING_SECONDS, 1 to write; then interval and
# window of each key. Returns the index of the full key and its wait, or 0.
_TAKE = """
local now, rounding = tonumber(ARGV[1]), tonumber(ARGV[2])
local after = {}
for i = 1, #KEYS do
    local interval, window = tonumber(ARGV[2 * i + 2]), tonumber(ARGV[2 * i + 3])
    after[i] = math.max(tonumber(redis.call('GET', KEYS[i]) or now), now) + interval
    local wait = after[i] - now - window
    if wait > rounding then return {i, string.format('%.17g', wait)} end
end
for i = 1, #KEYS * ARGV[3] do
    local milliseconds = math.max(1, math.ceil((after[i] - now) * 1000))
    redis.call('SET', KEYS[i], string.format('%.17g', after[i]), 'PX', milliseconds)
end
return {0, ''}
"""
# `bucket.give_back` for all KEYS. ARGV: now; then the interval of each key.
_GIVE_BACK = """
local now = tonumber(ARGV[1])
for i = 1, #KEYS do
    local found = redis.call('GET', KEYS[i])
    local drained_at = found and tonumber(found) - ARGV[i + 1]
    if found and drained_at > now then
        local milliseconds = math.max(1, math.ceil((drained_at - now) * 1000))
        redis.call('SET', KEYS[i], string.format('%.17g', drained_at), 'PX', milliseconds)
    elseif found then
        redis.call('UNLINK', KEYS[i])
    end
end
"""


class RedisThrottle(RedisAdapter, Throttle):
    """The store that replicas share."""

    def __init__(self, store: RedisStore) -> None:
        super().__init__(store)
        self._take_script = store.script(_TAKE)
        self._give_back_script = store.script(_GIVE_BACK)

    @override
    async def take(self, charges: Sequence[Charge], *, now: float) -> Refusal | None:
        return await self._take(charges, now=now, counting=True)

    @override
    async def check(self, charge: Charge, *, now: float) -> Refusal | None:
        return await self._take([charge], now=now, counting=False)

    @override
    async def give_back(self, charges: Sequence[Charge], *, now: float) -> None:
        arguments = [repr(now), *(repr(charge.limit.interval) for charge in charges)]
        await self._store.run(self._give_back_script, _buckets(charges), arguments)

    async def _take(
        self, charges: Sequence[Charge], *, now: float, counting: bool
    ) -> Refusal | None:
        arguments = [repr(now), repr(ROUNDING_SECONDS), str(int(counting))]
        for charge in charges:
            arguments += repr(charge.limit.interval), repr(float(charge.limit.seconds))
        full, wait = await self._store.run(self._take_script, _buckets(charges), arguments)
        return Refusal(charges[full - 1], float(wait)) if full else None

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
        return known_sites.has(_sites(found), site, now=now)


def _buckets(charges: Sequence[Charge]) -> list[str]:
    return [f"bucket:{charge.key}" for charge in charges]


def _known(name: str) -> str:
    return f"known:{name}"


def _sites(found: bytes | None) -> known_sites.KnownSites:
    sites: known_sites.KnownSites = {} if found is None else orjson.loads(found)
    return sites
