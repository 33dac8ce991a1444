"""Logins in Redis, for any number of processes.

`login:{id}` is a login's record and goes when the login does. `user:{id}` names the user's logins,
gone ones among them until the next is opened, and tells when all of them were ended. Each of these
is changed on condition that it is as it was read. `ended` is the stream of ended logins.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from hmac import compare_digest
from typing import Any

import orjson
from typing_extensions import override

from madang_auth.sessions.port import (
    KEEP_ENDINGS_SECONDS,
    Ended,
    EndedPage,
    Lifetimes,
    Login,
    Opened,
    Reused,
    Rotation,
    Sessions,
    Successor,
)
from madang_auth.sessions.refresh_tokens import Presented
from madang_auth.sessions.rotation import Record, begin, decide
from madang_auth.storage.redis import Entries, RedisStore, Write

_STREAM = "ended"
_START = "0-0"
"""Before the first entry."""
_ENTRY = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
_BYTES = ("family", "current", "previous", "nonce")


@dataclass(frozen=True, slots=True)
class _Owner:
    """What `user:{id}` holds."""

    logins: tuple[str, ...] = ()
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A login's record, and the value it was read from."""

    record: Record
    value: bytes

    def gone(self) -> Write:
        return Write(_login_key(self.record.login.id), self.value, None)

    def ended(self, now: float) -> Ended:
        return Ended(self.record.login.user, self.record.login.id, now)


class RedisSessions(Sessions):
    """The store of many replicas."""

    def __init__(self, store: RedisStore, lifetimes: Lifetimes) -> None:
        self._store = store
        self._lifetimes = lifetimes

    @override
    async def open(
        self, login: Login, token: Presented, *, began_at: float, most: int
    ) -> Opened | None:
        return await self._store.step(partial(self._open, login, token, began_at, most))

    async def _open(
        self, login: Login, token: Presented, began_at: float, most: int
    ) -> Opened | None:
        (value,) = await self._store.read(_user_key(login.user))
        owner = _load_owner(value)
        if owner.ended_at is not None and owner.ended_at >= began_at:
            return None
        now = login.created_at
        found = _used_last_first(await self._of(owner), now)
        kept, surplus = found[: most - 1], found[most - 1 :]
        ids = (login.id, *(one.record.login.id for one in kept))
        record = begin(login, token, self._lifetimes)
        await self._store.write(
            self._put_owner(login.user, value, replace(owner, logins=ids)),
            *(one.gone() for one in surplus),
            _put(record, None, now),
            entries=self._entries(one.ended(now) for one in surplus),
        )
        return Opened(tuple(one.record.login for one in surplus))

    @override
    async def rotate(self, presented: Presented, successor: Successor, *, now: float) -> Rotation:
        return await self._store.step(partial(self._rotate, presented, successor, now))

    async def _rotate(self, presented: Presented, successor: Successor, now: float) -> Rotation:
        found = await self._find(presented.login)
        record = None if found is None else found.record
        answer, after = decide(record, presented, successor, now=now, lifetimes=self._lifetimes)
        if found is not None and isinstance(answer, Reused):
            await self._store.write(found.gone(), entries=self._entries([found.ended(now)]))
        elif found is not None and after is not None and after is not record:
            await self._store.write(_put(after, found.value, now))
        return answer

    @override
    async def get(self, login: str, *, now: float) -> Login | None:
        found = await self._find(login)
        return None if found is None or found.record.expires_at <= now else found.record.login

    @override
    async def owned_by(self, user: str, *, now: float) -> list[Login]:
        (value,) = await self._store.read(_user_key(user))
        found = await self._of(_load_owner(value))
        return [one.record.login for one in _used_last_first(found, now)]

    @override
    async def end(self, login: str, *, user: str, now: float) -> Login | None:
        return await self._store.step(
            partial(self._end, login, lambda record: record.login.user == user, now)
        )

    @override
    async def end_presented(self, presented: Presented, *, now: float) -> Login | None:
        return await self._store.step(
            partial(
                self._end,
                presented.login,
                lambda record: compare_digest(record.family, presented.family),
                now,
            )
        )

    async def _end(self, login: str, fits: Callable[[Record], bool], now: float) -> Login | None:
        found = await self._find(login)
        if found is None or not fits(found.record):
            return None
        await self._store.write(found.gone(), entries=self._entries([found.ended(now)]))
        return found.record.login

    @override
    async def end_others(self, user: str, *, keep: str | None, now: float) -> list[Login]:
        return await self._store.step(partial(self._end_others, user, keep, now))

    async def _end_others(self, user: str, keep: str | None, now: float) -> list[Login]:
        (value,) = await self._store.read(_user_key(user))
        owner = _load_owner(value)
        found = [one for one in await self._of(owner) if one.record.login.id != keep]
        await self._store.write(
            self._put_owner(
                user,
                value,
                _Owner(
                    logins=tuple(login for login in owner.logins if login == keep),
                    ended_at=max(now, owner.ended_at or now),
                ),
            ),
            *(one.gone() for one in found),
            entries=self._entries(
                [Ended(user, None, now, keep=keep), *(one.ended(now) for one in found)]
            ),
        )
        return [one.record.login for one in found]

    @override
    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        after = cursor if cursor is not None and _ENTRY.fullmatch(cursor) else _START
        entries = await self._store.entries_after(_STREAM, after, limit=limit)
        items = tuple(Ended(**orjson.loads(line)) for _, line in entries)
        return EndedPage(items, cursor=entries[-1][0] if entries else after)

    @override
    async def sweep(self, *, now: float) -> int:
        return 0

    @override
    async def ping(self) -> None:
        await self._store.ping()

    @override
    async def close(self) -> None:
        await self._store.close()

    async def _find(self, login: str) -> _Found | None:
        (value,) = await self._store.read(_login_key(login))
        return None if value is None else _Found(_load(value), value)

    async def _of(self, owner: _Owner) -> list[_Found]:
        values = await self._store.read(*map(_login_key, owner.logins))
        return [_Found(_load(value), value) for value in values if value is not None]

    def _put_owner(self, user: str, found: bytes | None, owner: _Owner) -> Write:
        # No login lives longer, and the latest of them is opened now.
        seconds = max(self._lifetimes.absolute, KEEP_ENDINGS_SECONDS)
        return Write(_user_key(user), found, orjson.dumps(asdict(owner)), seconds)

    def _entries(self, ended: Iterable[Ended]) -> Entries:
        lines = [orjson.dumps(asdict(one)) for one in ended]
        return Entries(_STREAM, lines, self._lifetimes.told)


def _login_key(login: str) -> str:
    return f"login:{login}"


def _user_key(user: str) -> str:
    return f"user:{user}"


def _load_owner(value: bytes | None) -> _Owner:
    if value is None:
        return _Owner()
    fields = orjson.loads(value)
    return _Owner(tuple(fields["logins"]), fields["ended_at"])


def _used_last_first(found: Iterable[_Found], now: float) -> list[_Found]:
    """Return those that are open, the one used last first."""
    open_ones = [one for one in found if one.record.expires_at > now]
    return sorted(
        open_ones,
        key=lambda one: (one.record.login.last_used_at, one.record.login.id),
        reverse=True,
    )


def _put(record: Record, found: bytes | None, now: float) -> Write:
    fields = asdict(record)
    for name in _BYTES:
        if fields[name] is not None:
            fields[name] = b64encode(fields[name]).decode()
    value = orjson.dumps(fields)
    return Write(_login_key(record.login.id), found, value, record.expires_at - now)


def _load(value: bytes) -> Record:
    fields: dict[str, Any] = orjson.loads(value)
    for name in _BYTES:
        if fields[name] is not None:
            fields[name] = b64decode(fields[name])
    return Record(**fields | {"login": Login(**fields["login"])})
