"""Presence store on Redis, shared by all gateways.

| key after `madang:presence:` | | holds |
| --- | --- | --- |
| `life` | string | id of the data, set by the first gateway that enrolls |
| `gateways` | sorted set | each gateway, by the millisecond at which its lease expires |
| `numbers` | hash | number of each enrolled gateway's last batch |
| `of:{gateway}` | set | its entries, `{room} {user}` |
| `room:{room}` | sorted set | `{user} {gateway}` of each entry, all with score 0: by user |
| `names:{room}` | hash | display name of each present user |

The scripts build key names, so this needs one Redis (with replicas), not a cluster.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from madang_common.ids import new_id
from madang_common.redis.client import redis_client
from madang_common.redis.endpoint import RedisEndpoint
from madang_gateway.presence import redis_scripts
from madang_gateway.presence.port import (
    ClearResult,
    EnrolmentLost,
    PresenceBatch,
    PresenceChange,
    PresenceEntry,
    PresencePage,
    PresenceStore,
    PresenceStoreError,
    PresentUser,
    WriteResult,
)

_MAX_DEAD = 16
"""Most dead gateways that one renewal returns."""


class RedisPresence(PresenceStore):
    """Entries in one Redis; every change is one script, which Redis runs atomically."""

    def __init__(self, client: Redis, prefix: str = "madang:presence:") -> None:
        """Own `client`; all keys begin with `prefix`."""
        self._client = client
        self._prefix = prefix
        self._enroll = client.register_script(redis_scripts.ENROLL)
        self._write = client.register_script(redis_scripts.WRITE)
        self._renew = client.register_script(redis_scripts.RENEW)
        self._clear = client.register_script(redis_scripts.CLEAR)
        self._retire = client.register_script(redis_scripts.RETIRE)
        self._page = client.register_script(redis_scripts.PAGE)

    @classmethod
    def at(cls, endpoint: RedisEndpoint, *, connections: int, timeout_seconds: float) -> Self:
        """Return a store on the Redis at `endpoint`; it connects on the first command."""
        client = redis_client(
            endpoint,
            connections=connections,
            timeout_seconds=timeout_seconds,
            # A connection from before a restart of Redis fails on its first use.
            retries=1,
            decode=True,
        )
        return cls(client)

    @override
    async def enroll(self, gateway: str, lease_seconds: float) -> str:
        return str(await self._run(self._enroll, gateway, _milliseconds(lease_seconds), new_id()))

    @override
    async def write(self, gateway: str, batch: PresenceBatch) -> WriteResult:
        joining = [field for entry in batch.joined for field in entry]
        leaving = [field for entry in batch.left for field in entry.key]
        enrolled, *result = await self._run(
            self._write, gateway, batch.number, len(batch.joined), *joining, *leaving
        )
        if not enrolled:
            raise EnrolmentLost
        now, joined, left = result
        return WriteResult(_changes(joined, now), _changes(left, now))

    @override
    async def renew(self, gateway: str, number: int, lease_seconds: float) -> tuple[str, ...]:
        enrolled, *dead = await self._run(
            self._renew, gateway, number, _milliseconds(lease_seconds), _MAX_DEAD
        )
        if not enrolled:
            raise EnrolmentLost
        return tuple(dead[0])

    @override
    async def clear(self, dead: str, limit: int) -> ClearResult:
        done, now, left = await self._run(self._clear, dead, limit)
        return ClearResult(_changes(left, now), done=bool(done))

    @override
    async def retire(self, gateway: str, lease_seconds: float) -> None:
        await self._run(self._retire, gateway, _milliseconds(lease_seconds))

    @override
    async def page(self, room: str, *, after: str, limit: int) -> PresencePage:
        now, count, more, ids, names = await self._run(self._page, room, after, limit)
        users = tuple(PresentUser(user, name or "") for user, name in zip(ids, names, strict=True))
        return PresencePage(users, count, bool(more), now / 1000)

    @override
    async def ping(self) -> None:
        await _result(self._client.ping())

    @override
    async def close(self) -> None:
        await self._client.aclose()

    async def _run(self, script: Any, *args: str | int) -> Any:
        return await _result(script(args=[self._prefix, *args]))


async def _result(command: Awaitable[Any]) -> Any:
    """Return the result of `command`; raise PresenceStoreError if it fails."""
    before = _cancellations()
    try:
        return await command
    except (RedisError, OSError) as error:
        raise PresenceStoreError(type(error).__name__) from error
    finally:
        if _cancellations() > before:
            # The client uses `asyncio.wait_for`, which may swallow a cancellation before
            # Python 3.12; a task that awaits the caller's end would then wait forever.
            raise asyncio.CancelledError


def _cancellations() -> int:
    """Return how often this task was cancelled."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _changes(fields: Sequence[Any], now: int) -> tuple[PresenceChange, ...]:
    """Return the changes of a script's result, in which each is room, user, name and count."""
    return tuple(
        PresenceChange(PresenceEntry(room, user, name or ""), count, now / 1000)
        for room, user, name, count in zip(*[iter(fields)] * 4, strict=True)
    )
