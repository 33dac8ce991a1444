"""Presence on Redis, shared by all gateways.

| key after `madang:presence:` | | holds |
| --- | --- | --- |
| `life` | string | names the data's life: whoever finds none makes one |
| `gateways` | sorted set | each gateway, by the millisecond until which it is believed |
| `numbers` | hash | each enrolled gateway's last batch |
| `of:{gateway}` | set | its notes, `{room} {user}` |
| `room:{room}` | sorted set | `{user} {gateway}` for each note, all with score 0: by user |
| `names:{room}` | hash | who is present, and the name of each |

Keys are made as they are needed, so this is for one Redis (with replicas), not for a cluster.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from madang_common.ids import new_id
from madang_common.redis import redis_client
from madang_gateway.presence import redis_scripts
from madang_gateway.presence.port import (
    Batch,
    BoardError,
    Cleared,
    Forgotten,
    Outcome,
    Person,
    PresenceChange,
    PresenceEntry,
    PresenceStore,
    Present,
)

_MOST_DEAD = 16
"""Most dead gateways that one renewal tells of."""


class RedisPresence(PresenceStore):
    """Notes in one Redis, each change a script that happens as a whole or not at all."""

    def __init__(self, client: Redis, prefix: str = "madang:presence:") -> None:
        """Use `client`, and close it in the end; all keys begin with `prefix`."""
        self._client = client
        self._prefix = prefix
        self._enroll = client.register_script(redis_scripts.ENROLL)
        self._write = client.register_script(redis_scripts.WRITE)
        self._renew = client.register_script(redis_scripts.RENEW)
        self._clear = client.register_script(redis_scripts.CLEAR)
        self._retire = client.register_script(redis_scripts.RETIRE)
        self._present = client.register_script(redis_scripts.PRESENT)

    @classmethod
    def at(cls, url: str, *, connections: int, timeout_seconds: float) -> Self:
        """Return a store on the Redis at `url`; it connects on the first command.

        Raise CannotStart if `url` is not an address of Redis.
        """
        client = redis_client(
            url,
            connections=connections,
            timeout_seconds=timeout_seconds,
            # A connection from before a restart of Redis fails on its first use.
            retries=1,
            decode=True,
        )
        return cls(client)

    @override
    async def enroll(self, gateway: str, seconds: float) -> str:
        return str(await self._run(self._enroll, gateway, _milliseconds(seconds), new_id()))

    @override
    async def write(self, gateway: str, batch: Batch) -> Outcome:
        joined = [field for stay in batch.joined for field in stay]
        left = [field for stay in batch.left for field in stay.place]
        known, *answer = await self._run(
            self._write, gateway, batch.number, len(batch.joined), *joined, *left
        )
        if not known:
            raise Forgotten
        now, came, went = answer
        return Outcome(_turns(came, now), _turns(went, now))

    @override
    async def renew(self, gateway: str, number: int, seconds: float) -> tuple[str, ...]:
        known, *dead = await self._run(
            self._renew, gateway, number, _milliseconds(seconds), _MOST_DEAD
        )
        if not known:
            raise Forgotten
        return tuple(dead[0])

    @override
    async def clear(self, dead: str, limit: int) -> Cleared:
        done, now, left = await self._run(self._clear, dead, limit)
        return Cleared(_turns(left, now), done=bool(done))

    @override
    async def retire(self, gateway: str, seconds: float) -> None:
        await self._run(self._retire, gateway, _milliseconds(seconds))

    @override
    async def present(self, room: str, *, after: str, limit: int) -> Present:
        now, count, more, users, names = await self._run(self._present, room, after, limit)
        people = tuple(Person(user, name or "") for user, name in zip(users, names, strict=True))
        return Present(people, count, bool(more), now / 1000)

    @override
    async def close(self) -> None:
        await self._client.aclose()

    async def _run(self, script: Any, *args: str | int) -> Any:
        before = _cancellations()
        try:
            return await script(args=[self._prefix, *args])
        except (RedisError, OSError) as error:
            raise BoardError(type(error).__name__) from error
        finally:
            if _cancellations() > before:
                # The client waits with `asyncio.wait_for`, which before Python 3.12 may keep a
                # cancellation to itself; whoever ends the caller would wait for it forever.
                raise asyncio.CancelledError


def _cancellations() -> int:
    """Return how often this task was asked to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _turns(fields: Sequence[Any], now: int) -> tuple[PresenceChange, ...]:
    """Return the turns that a script told as room, user, name and count of each."""
    return tuple(
        PresenceChange(PresenceEntry(room, user, name or ""), count, now / 1000)
        for room, user, name, count in zip(*[iter(fields)] * 4, strict=True)
    )
