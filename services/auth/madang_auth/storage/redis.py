"""auth's keys in Redis: values are read, judged here, and written if nothing has changed meanwhile.

So the rules stay in Python, in one place, and one short script is all that runs in Redis; only the
throttle, whose keys many requests change at once, has scripts of its own. Every key has a time to
live, which begins when it is written, so Redis' clock need not agree with ours.

Run Redis with `appendonly yes` (and `appendfsync everysec`: a crash of the machine costs at most
its last second, a crash of Redis alone nothing) and with `maxmemory-policy noeviction`: a full
Redis must refuse new logins, not forget old ones. Replicas may stand by, behind one name for
whichever is the primary; the script writes several keys at once, which a cluster of several
primaries would refuse.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

import structlog
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from madang_common.problems import Unavailable
from madang_common.redis import redis_client

log = structlog.get_logger()

PREFIX = "madang:auth:"
_MOST_TRIES = 50
_PAUSE_SECONDS = 0.002

# KEYS: the stream, then the keys. ARGV: how long to keep the stream, in ms; the count of entries,
# the entries; then for each key what was found, what to write, and for how many ms. "" is no value.
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


class Changed(Exception):  # noqa: N818 - reads as the state it tells
    """Somebody else has written what was read; nothing was written here."""


@dataclass(frozen=True, slots=True)
class Write:
    """A key, what was read there, and what it shall hold from now on; None is no value."""

    key: str
    found: bytes | None
    value: bytes | None
    seconds: float = 0
    """When the key expires, counted from now."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What is added to a stream in the same step."""

    stream: str
    lines: Sequence[bytes]
    keep_seconds: float
    """When an entry may be forgotten."""


_NO_ENTRIES = Entries("", (), 0)


class RedisStore:
    """A bounded pool of connections; raises Unavailable when Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._write = redis.register_script(_WRITE)
        self._closed = False
        self._away = False

    @classmethod
    def at(cls, url: str, *, connections: int, timeout_seconds: float) -> Self:
        """Return the store on the Redis at `url`; it connects on the first command.

        Raise CannotStart if `url` is not an address of Redis.
        """
        # No retries: a command may have run before its connection failed; the caller decides.
        return cls(redis_client(url, connections=connections, timeout_seconds=timeout_seconds))

    async def read(self, *keys: str) -> list[bytes | None]:
        """Return the values of `keys`, all from one moment."""
        if not keys:
            return []
        with self._asking():
            return cast(
                "list[bytes | None]", await self._redis.mget([PREFIX + key for key in keys])
            )

    async def write(self, *writes: Write, entries: Entries = _NO_ENTRIES) -> None:
        """Write all, or nothing and raise Changed if one of the keys has changed since."""
        keys = [PREFIX + key for key in (entries.stream, *(write.key for write in writes))]
        arguments: list[bytes | int] = [_milliseconds(entries.keep_seconds), len(entries.lines)]
        arguments += entries.lines
        for write in writes:
            arguments += [write.found or b"", write.value or b"", _milliseconds(write.seconds)]
        with self._asking():
            written = await self._write(keys, arguments)
        if not written:
            raise Changed

    def script(self, text: str) -> AsyncScript:
        """Return the Lua script `text`, for `run`."""
        return self._redis.register_script(text)

    async def run(
        self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | float]
    ) -> Any:
        """Run `script` on `keys` as one atomic step, and return its answer."""
        with self._asking():
            return await script([PREFIX + key for key in keys], arguments)

    async def entries_after(
        self, stream: str, entry: str, *, limit: int
    ) -> list[tuple[str, bytes]]:
        """Return at most `limit` entries of `stream` after the one called `entry`, oldest first."""
        with self._asking():
            found = await self._redis.xrange(PREFIX + stream, min=f"({entry}", count=limit)
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        return [(name.decode(), fields[b"e"]) for name, fields in entries]

    async def step(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` does, made again when it raises Changed, up to a bound."""
        for tries in range(_MOST_TRIES):
            try:
                return await attempt()
            except Changed:
                # So that those who meet here do not meet again.
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * tries))  # noqa: S311
        raise Unavailable("Too many requests change this at once. Try again in a moment.")

    async def ping(self) -> None:
        """Return if Redis answers; raise Unavailable if not."""
        with self._asking():
            await self._redis.ping()

    async def close(self) -> None:
        """Let go of the connections."""
        self._closed = True
        await self._redis.aclose()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if self._closed:
            raise Unavailable("This process is stopping. Try again in a moment.")
        try:
            yield
        except (RedisError, OSError) as error:
            if not self._away:
                log.warning("redis_away", error=type(error).__name__)
            self._away = True
            raise Unavailable(
                "The store of logins cannot be used now. Try again in a moment."
            ) from error
        if self._away:
            log.info("redis_back")
        self._away = False


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
