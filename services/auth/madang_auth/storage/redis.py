"""auth's keys in Redis: optimistic transactions on the values of keys.

A step reads values, decides in Python, and writes with one script if the values are unchanged. So
the rules are in Python only; the throttle has scripts of its own, because many requests change its
keys at once. Every key has a time to live from its last write, so the clocks need not agree.

Run Redis with `appendonly yes` (with `appendfsync everysec` a crash of the machine loses at most
the last second, a crash of Redis nothing) and `maxmemory-policy noeviction`: a full Redis must
refuse new sessions instead of evicting open ones. Standby replicas work, behind Sentinels or one
name for the primary. A cluster with several primaries does not, because the script writes several
keys.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

import structlog
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError
from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from madang_common.problems import Unavailable
from madang_common.redis.client import redis_client
from madang_common.redis.endpoint import RedisEndpoint

log = structlog.get_logger()

PREFIX = "madang:auth:"
_MOST_TRIES = 50
# Random, so that concurrent steps do not conflict again.
_PAUSE = wait_random_exponential(multiplier=0.002, max=0.1)

# KEYS: the stream, then the keys. ARGV: retention of the stream in ms; the number of entries; the
# entries; then for each key the value read, the value to write, and its lifetime in ms. "" is none.
_WRITE = """
local entries = tonumber(ARGV[2])
local function argument(key, n) return ARGV[2 + entries + (key - 2) * 3 + n] end
for i = 2, #KEYS do
    if (redis.call('GET', KEYS[i]) or '') ~= argument(i, 1) then return 0 end
end
for i = 2, #KEYS do
    local value = argument(i, 2)
    if value == '' then
        redis.call('UNLINK', KEYS[i])
    elseif value ~= argument(i, 1) then
        redis.call('SET', KEYS[i], value, 'PX', argument(i, 3))
    end
end
if entries > 0 then
    local time = redis.call('TIME')
    local since = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1]
    for i = 1, entries do
        redis.call('XADD', KEYS[1], 'MINID', string.format('%.0f', since), '*', 'e', ARGV[2 + i])
    end
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1
"""

T = TypeVar("T")


class Changed(Exception):  # noqa: N818 - named for the state that it reports
    """A key changed after it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class Write:
    """A key, the value that was read, and the value to write; None is no value."""

    key: str
    found: bytes | None
    value: bytes | None
    seconds: float = 0
    """Lifetime of the key from now."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries to add to a stream in the same step."""

    stream: str
    lines: Sequence[bytes]
    keep_seconds: float
    """Retention of an entry."""


_NO_ENTRIES = Entries("", (), 0)


class RedisStore:
    """A bounded pool of connections; raises Unavailable if Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._write = redis.register_script(_WRITE)
        self._closed = False
        self._away = False

    @classmethod
    def at(cls, endpoint: RedisEndpoint, *, connections: int, timeout_seconds: float) -> Self:
        """Return the store on the Redis at `endpoint`; it connects on the first command."""
        # No retries: a command may have run before its connection failed; the caller decides.
        return cls(redis_client(endpoint, connections=connections, timeout_seconds=timeout_seconds))

    async def read(self, *keys: str) -> list[bytes | None]:
        """Return the values of `keys`, read atomically."""
        if not keys:
            return []
        with self._command():
            return cast(
                "list[bytes | None]", await self._redis.mget([PREFIX + key for key in keys])
            )

    async def write(self, *writes: Write, entries: Entries = _NO_ENTRIES) -> None:
        """Write all atomically; raise Changed if one of the keys changed after it was read."""
        keys = [PREFIX + key for key in (entries.stream, *(write.key for write in writes))]
        arguments: list[bytes | int] = [_milliseconds(entries.keep_seconds), len(entries.lines)]
        arguments += entries.lines
        for write in writes:
            arguments += [write.found or b"", write.value or b"", _milliseconds(write.seconds)]
        with self._command():
            written = await self._write(keys, arguments)
        if not written:
            raise Changed

    def script(self, text: str) -> AsyncScript:
        """Register the Lua script `text` for `run`."""
        return self._redis.register_script(text)

    async def run(
        self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | float]
    ) -> Any:
        """Run `script` on `keys` atomically, and return its result."""
        with self._command():
            return await script([PREFIX + key for key in keys], arguments)

    async def entries_after(
        self, stream: str, entry: str, *, limit: int
    ) -> list[tuple[str, bytes]]:
        """Return at most `limit` entries of `stream` after the id `entry`, oldest first."""
        with self._command():
            found = await self._redis.xrange(PREFIX + stream, min=f"({entry}", count=limit)
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        return [(name.decode(), fields[b"e"]) for name, fields in entries]

    async def step(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `attempt`; retry it, up to a bound, while it raises Changed."""

        async def awaited() -> T:
            return await attempt()

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Changed),
            wait=_PAUSE,
            stop=stop_after_attempt(_MOST_TRIES),
        )
        try:
            return await retrying(awaited)
        except RetryError:
            raise Unavailable("Too many concurrent changes; retry in a moment.") from None

    async def ping(self) -> None:
        """Return if Redis answers; raise Unavailable if not."""
        with self._command():
            await self._redis.ping()

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        await self._redis.aclose()

    @contextmanager
    def _command(self) -> Iterator[None]:
        if self._closed:
            raise Unavailable("This process is stopping; retry in a moment.")
        try:
            yield
        except (RedisError, OSError) as error:
            if not self._away:
                log.warning("redis_away", error=type(error).__name__)
            self._away = True
            raise Unavailable("The session store does not answer; retry in a moment.") from error
        if self._away:
            log.info("redis_back")
        self._away = False


class RedisAdapter:
    """Base of the adapters on a RedisStore."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def delete_expired(self, *, now: float) -> int:  # noqa: ARG002 - the port's signature
        """Do nothing: Redis deletes expired keys itself."""
        return 0

    async def ping(self) -> None:
        """Return if Redis answers; raise Unavailable if not."""
        await self._store.ping()

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
